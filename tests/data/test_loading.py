from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kerastl.data
from kerastl.data import (
    DataWarning,
    ExampleDataset,
    IgnoredFilesWarning,
    ImageDataset,
    TextDataset,
    load,
    load_pair,
    load_text_pair,
    load_texts,
)
from kerastl.errors import ConfigurationError, DataError
from kerastl.inputs import IMAGES, TEXTS, image_reading
from kerastl.outputs import Classes, Number, Vector
from tests.data.conftest import noise, save


@pytest.fixture
def divided(make_folder):
    make_folder(each=4, root="all/train")
    make_folder(each=2, root="all/test")
    return make_folder(each=3, root="all/val").parent


def arrays(n=10):
    return np.stack([noise(i) for i in range(n)]), np.arange(n) % 2


def test_public_names():
    assert kerastl.data.__all__ == [
        "IMAGE_SUFFIXES", "MAX_PIXELS", "RESIZE_RULE", "TABLE_SUFFIXES", "VALIDATION_FRACTION",
        "Batch", "DataWarning", "Dataset", "ExampleDataset", "IgnoredFilesWarning", "ImageDataset",
        "ImageSource", "OnError", "StreamDataset", "TextDataset", "TextKind", "UnreadableWarning",
        "UnstableStreamWarning", "check_text", "decode_full_size", "decode_image", "image_list",
        "load", "load_for", "load_pair", "load_text_pair", "load_texts", "stratified_sample",
        "stratified_split",
    ]  # fmt: skip
    assert all(hasattr(kerastl.data, name) for name in kerastl.data.__all__)


def test_importing_is_light():
    script = (
        "import sys, kerastl.data;"
        "heavy = {'tensorflow', 'keras', 'pandas', 'pyarrow', 'grain', 'jax'};"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, timeout=60, check=True,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def test_everything_but_tensorflow_data_works_without_tensorflow(make_folder):
    script = f"""
import sys
sys.modules["tensorflow"] = None
from kerastl.data import load_pair
train, validation = load_pair({str(make_folder())!r})
print(sum(len(y) for _, y in train.batches((8, 8), 2)), len(train.fingerprint))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, timeout=60, check=True,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.stdout.split() == ["4", "64"]


def test_folders_as_text_and_path(make_folder):
    folder = make_folder()
    assert load(str(folder)).fingerprint == load(folder).fingerprint


def test_parts_have_to_be_named(divided):
    assert [len(load(divided, split=s)) for s in ("train", "validation", "test")] == [8, 6, 4]
    with pytest.raises(DataError, match=r"divided into .*'train'.*split='train', or give"):
        load(divided)
    with pytest.raises(ConfigurationError, match="Did you mean 'validation'"):
        load(divided, split="validate")
    with pytest.raises(ConfigurationError, match="not divided into train/"):
        load(divided / "train", split="train")


def test_a_part_that_is_missing(make_folder):
    make_folder(root="all/val")
    root = make_folder(root="all/test").parent
    with pytest.raises(DataError, match=r"no train part. It has: "):
        load_pair(root)


def test_divided_folders_make_pairs(divided):
    train, validation = load_pair(divided)
    assert (len(train), len(validation)) == (8, 6)
    assert load_pair(divided, False)[1] is None
    train, validation = load_pair(divided, 0.5)
    assert (len(train), len(validation)) == (4, 4)
    train, validation = load_pair(divided / "train", divided / "test")
    assert (len(train), len(validation)) == (8, 4)
    train, validation = load_pair(divided / "train", divided)
    assert (len(train), len(validation)) == (8, 6)


def test_folders_beside_the_parts_are_ignored_with_a_warning(divided):
    save(divided / "masks" / "a" / "0.png")
    with pytest.warns(IgnoredFilesWarning, match="other folders there are ignored: 'masks'"):
        load(divided, split="train")


def test_divided_folders_of_texts(make_text_folder):
    make_text_folder(root="all/train", each=4)
    root = make_text_folder(root="all/val", each=2).parent
    train, validation = load_text_pair(root)
    assert (len(train), len(validation)) == (8, 4)
    with pytest.raises(DataError, match="Name the part"):
        load_texts(root)


def test_real_divided_folders(trashnet):
    train, validation = load_pair(trashnet)
    assert (len(train), len(validation)) == (300, 180)
    assert train.class_names == validation.class_names
    assert len(train.class_names) == 6


def test_classes_that_differ(make_folder):
    make_folder(["cat", "dog", "eel"], root="all/train")
    root = make_folder(["cat", "dog", "elk"], root="all/val").parent
    with pytest.raises(DataError, match=r"'elk', which is not expected.*no example of 'eel'"):
        load_pair(root)
    with pytest.raises(DataError, match="no example of 'eel'"):
        load_pair(root / "train", make_folder(["cat", "dog"], root="third"))


def test_a_split_of_the_training_data(make_folder):
    folder = make_folder(each=10)
    train, validation = load_pair(folder)
    assert (len(train), len(validation)) == (16, 4)
    assert not set(train.names) & set(validation.names)
    assert load_pair(folder)[1].names == validation.names
    assert load_pair(folder, seed=1)[1].names != validation.names
    assert len(load_pair(folder, validation_fraction=0.5)[1]) == 10


def test_arrays_make_pairs():
    x, y = arrays()
    train, validation = load_pair((x, y), class_names=["a", "b"])
    assert (len(train), len(validation)) == (8, 2)
    others = np.stack([noise(100 + i) for i in range(4)])
    _, validation = load_pair((x, y), (others, y[:4]), class_names=["a", "b"])
    assert validation.class_names == ("a", "b")
    groups = [i // 2 for i in range(10)]
    train, validation = load_pair((x, y), class_names=["a", "b"], groups=groups)
    assert not set(train.groups) & set(validation.groups)
    train, validation = load_pair((x, y), (others, y[:4]), class_names=["a", "b"], groups=groups)
    assert validation.groups is None


def test_tables_make_pairs(make_folder):
    folder = make_folder(each=5)
    rows = [f"{name}/{i}.png\t{name}" for name in ("cat", "dog") for i in range(5)]
    table = folder / "table.tsv"
    table.write_text("\n".join(["file\tkind", *rows]))
    options = {"image_column": "file", "label_column": "kind"}
    train, validation = load_pair(table, **options)
    assert (len(train), len(validation)) == (8, 2)
    assert len(load(table, **options)) == 10


def test_tables_of_texts_make_pairs(write):
    path = write("text,label\n" + "".join(f"text {i},{'xy'[i % 2]}\n" for i in range(20)))
    train, validation = load_text_pair(path, seed=1)
    assert (len(train), len(validation)) == (16, 4)
    assert load_text_pair(path, False)[1] is None
    assert len(load_text_pair(path, 0.5)[1]) == 10
    with pytest.raises(ConfigurationError, match="not True"):
        load_text_pair(path, True)
    with pytest.raises(DataError, match=r"'z', which is not expected"):
        load_text_pair(path, (["a", "b"], ["x", "z"]))


@pytest.mark.parametrize("reader", [IMAGES, TEXTS])
def test_pairs_of_several_outputs(write, reader):
    def table(name, rows):
        lines = [f"images/a {i}.png,{row}" for i, row in rows]
        return write("\n".join([f"{reader.column},kind,n", *lines]), name)

    train_path = table("train.csv", [(0, "b,1"), (1, "a,"), (2, ",3")])
    outputs = {"kind": Classes(), "n": Number()}
    train, validation = load_pair(
        train_path, table("val.csv", [(3, "a,1"), (3, "b,2")]), reader=reader, outputs=outputs
    )
    assert train.outputs == validation.outputs
    assert train.outputs["kind"].class_names == ("a", "b")
    assert validation.targets["kind"].tolist() == [0, 1]
    with pytest.raises(DataError, match=r"val.csv \(output 'kind'\).*'c', which is not expected"):
        load_pair(train_path, table("val.csv", [(3, "c,1")]), reader=reader, outputs=outputs)


def test_photos_in_both_parts_are_counted(make_folder):
    root = make_folder(each=4, root="all/train").parent
    make_folder(each=3, root="all/val")
    for name in ("0.png", "1.png"):
        content = (root / "train" / "cat" / name).read_bytes()
        (root / "val" / "dog" / f"copy {name}").write_bytes(content)
    message = r"2 of 8 validation images are in the training data too: dog/copy 0.png, dog/copy 1"
    with pytest.warns(DataWarning, match=message + ".*remove them from one side"):
        load_pair(root)
    with pytest.warns(DataWarning, match=message + ".*let kerastl make the split"):
        load_pair(root / "train", root / "val")


def test_one_photo_in_two_classes_is_warned_of(make_folder):
    folder = make_folder(each=10)
    for i in range(10):
        (folder / "dog" / f"{i}.png").write_bytes((folder / "cat" / f"{i}.png").read_bytes())
    with pytest.warns(DataWarning, match="validation images are in the training data too"):
        load_pair(folder, 0.3)


def test_texts_in_both_parts_are_counted():
    train = (["a", "b", "c", "d"], ["x", "y", "x", "y"])
    with pytest.warns(DataWarning, match="2 of 3 validation texts are in the training data too"):
        load_text_pair(train, (["b", "a", "new"], ["y", "x", "y"]))
    load_text_pair(train, (["e", "f"], ["x", "y"]))
    copies = (["a"] * 3 + ["b"] * 3 + ["c", "d"], ["x"] * 3 + ["y"] * 3 + ["x", "y"])
    load_text_pair(copies, 0.5)


def test_files_are_hashed_once(make_folder, monkeypatch):
    """For the split, the warning and the fingerprint together."""
    hashed = []
    monkeypatch.setattr(image_reading, "sha256_file", lambda path: hashed.append(path) or str(path))
    root = make_folder(each=4, root="all/train").parent
    make_folder(each=3, root="all/val")
    for data, count in ((root / "train", 8), (root, 14)):
        hashed.clear()
        for part in load_pair(data):
            _ = part.fingerprint
        assert len(hashed) == len(set(hashed)) == count


def test_datasets_pass_through():
    x, y = arrays()
    dataset = ImageDataset(list(x), y, ["a", "b"])
    assert load(dataset) is dataset
    assert load(dataset, class_names=["a", "b"]) is dataset
    with pytest.raises(DataError, match=r"classes 'a', 'b', in this order\. Expected: 'b', 'a'"):
        load(dataset, class_names=["b", "a"])
    assert len(load_pair(dataset)[1]) == 2


def test_datasets_for_what_is_asked():
    images = ImageDataset([noise(i) for i in range(4)], [0, 1, 0, 1], ["a", "b"])
    vectors = load(images, outputs=Vector(dimensions=4))
    assert vectors.outputs == {"embedding": Vector(dimensions=4, classes=("a", "b"))}
    assert vectors.fingerprint == images.fingerprint
    assert load(images, outputs={"kind": Classes()}).targets["kind"] is images.labels
    with pytest.raises(ConfigurationError, match="holds images, and texts are wanted"):
        load_texts(images)
    with pytest.raises(ConfigurationError, match="'single_label'.* Asked for were 'regression'"):
        load(images, outputs=Number())
    texts = TextDataset(["a", "b"], [[0, 1], [1, 1]], ["x", "y"], kind="multi_label")
    assert load_texts(texts, kind="multi_label") is texts
    with pytest.raises(ConfigurationError, match="labels of the kind 'multi_label'"):
        load_texts(texts)
    two = {"kind": Classes(("a", "b")), "n": Number()}
    several = ExampleDataset(TEXTS, ["a", "b"], two, {"kind": [0, -1], "n": [1, 2]})
    assert load(several, reader=TEXTS, outputs={"kind": Classes(), "n": Number()}) is several
    with pytest.raises(ConfigurationError, match="for 'kind', 'n'"):
        load(several, reader=TEXTS, outputs={"kind": Classes(), "m": Number()})


def test_paths_that_do_not_exist(make_folder):
    folder = make_folder()
    with pytest.raises(DataError, match=r"no file or folder .*photo'.*Did you mean 'photos'"):
        load(folder.parent / "photo")
    with pytest.raises(DataError, match=r"Its folder .*none does not exist either"):
        load(folder / "none" / "x")
    with pytest.raises(DataError, match="no file or folder"):
        load("a\0b")


@pytest.mark.parametrize(
    ("data", "received"),
    [
        (None, "NoneType"),
        (7, "int"),
        ([1, 2], "list"),
        ((1, 2, 3), "a tuple of 3"),
        ({"x": 1}, "dict"),
        (noise(0), "ndarray"),
        (iter([]), "list_iterator"),
    ],
)
def test_data_of_other_kinds(data, received):
    for load_any, noun in ((load, "Images"), (load_texts, "Texts")):
        message = f"{noun} cannot be loaded from this: {received}.*a folder of class"
        with pytest.raises(DataError, match=message):
            load_any(data, class_names=["a", "b"])


def test_a_file_that_is_no_table(tmp_path):
    with pytest.raises(DataError, match="neither a folder nor a table"):
        load(save(tmp_path / "a.png"))


@pytest.mark.parametrize("validation", [True, 0.0, 1.0, 2])
def test_validation_that_cannot_be(validation):
    x, y = arrays()
    with pytest.raises(ConfigurationError, match=r"validation must be|fraction must lie"):
        load_pair((x, y), validation, class_names=["a", "b"])


def test_groups_of_the_wrong_kind(make_folder):
    with pytest.raises(ConfigurationError, match="must be a function"):
        load(make_folder(), groups=["a"])
    with pytest.raises(ConfigurationError, match="group of each example"):
        load(arrays(), class_names=["a", "b"], groups=lambda name: name)
    with pytest.raises(ConfigurationError, match="split='train' does not go with a pair"):
        load(arrays(), class_names=["a", "b"], split="train")
