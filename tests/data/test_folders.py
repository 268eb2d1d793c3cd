from __future__ import annotations

import os
import unicodedata

import pytest

from kerastl.data import IgnoredFilesWarning, UnreadableWarning, load, load_texts
from kerastl.data.folders import split_folders
from kerastl.errors import ConfigurationError, DataError, DataWarning, ImageError
from kerastl.inputs import IMAGES, TEXTS
from kerastl.outputs import Classes, Labels, Number, Vector
from tests.data.conftest import save


@pytest.fixture(params=["image", "text"])
def some(request, make_folder, make_text_folder):
    """The reader, and a function that makes a folder of class folders for it."""
    return (IMAGES, make_folder) if request.param == "image" else (TEXTS, make_text_folder)


def test_classes_are_sorted_folders(some):
    reader, make = some
    dataset = load(make(["zebra", "ant bear", "Ünïcode", "象"], each=2), reader=reader)
    assert dataset.class_names == ("ant bear", "zebra", "Ünïcode", "象")
    names = [name.rsplit(".", 1)[0] for name in dataset.names]
    assert names[:3] == ["ant bear/0", "ant bear/1", "zebra/0"]
    assert dataset.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_nested_hidden_and_other_files(make_folder):
    folder = make_folder()
    save(folder / "cat" / "deep" / "er" / "x.JPG")
    save(folder / "cat" / ".hidden.png")
    save(folder / ".git" / "y.png")
    save(folder / "cat" / ".thumbnails" / "z.png")
    (folder / "cat" / "notes.txt").write_text("none")
    (folder / "README.md").write_text("none")
    with (
        pytest.warns(IgnoredFilesWarning, match=r"1 file is not an image.*: 1 \.txt\."),
        pytest.warns(DataWarning, match=r"'cat' has deep \(1\).*depth=2 \(--depth 2\)"),
    ):
        dataset = load(folder)
    assert dataset.class_names == ("cat", "dog")
    assert "cat/deep/er/x.JPG" in dataset.names
    assert len(dataset) == 7


def test_images_outside_the_classes_are_counted(make_folder):
    folder = make_folder()
    save(folder / "stray.png")
    save(folder / "other.jpg")
    with pytest.warns(IgnoredFilesWarning, match="2 images outside any class.*'other.jpg'"):
        assert len(load(folder)) == 6


def test_links_are_followed_but_never_in_circles(make_folder, tmp_path):
    folder = make_folder()
    elsewhere = save(tmp_path / "elsewhere" / "e.png").parent
    (folder / "cat" / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(elsewhere)
    (folder / "cat" / "up").symlink_to(folder)
    (folder / "cat" / "sibling").symlink_to(folder / "dog")
    (folder / "dog" / "self").symlink_to(folder / "dog" / "self")
    (folder / "bird").symlink_to(save(tmp_path / "birds" / "b.png").parent)
    with (
        pytest.warns(IgnoredFilesWarning, match="1 without suffix"),
        pytest.warns(DataWarning, match=r"'cat' has linked \(1\)"),
    ):
        dataset = load(folder)
    assert dataset.class_counts() == {"bird": 1, "cat": 4, "dog": 3}


def test_broken_links_are_unreadable(make_folder):
    folder = make_folder()
    (folder / "cat" / "gone.png").symlink_to(folder / "nowhere.png")
    with pytest.warns(UnreadableWarning, match=r"1 unreadable image skipped: .*gone\.png\."):
        dataset = load(folder)
    assert dataset.unreadable == ("cat/gone.png",)


def test_unreadable_images_at_entry(make_folder):
    folder = make_folder(each=4)
    (folder / "cat" / "0.png").write_bytes(b"")
    (folder / "cat" / "1.png").write_text("text")
    os.mkfifo(folder / "cat" / "pipe.png")
    with pytest.warns(UnreadableWarning, match="2 unreadable images .*0.png, .*1.png.*empty"):
        dataset = load(folder)
    assert dataset.class_counts() == {"cat": 2, "dog": 4}
    with pytest.raises(ImageError, match=r"0\.png .*empty.* 1 more"):
        load(folder, on_error="raise")
    for i in (2, 3):
        (folder / "cat" / f"{i}.png").write_bytes(b"")
    with (
        pytest.warns(UnreadableWarning),
        pytest.raises(DataError, match="no example that can be read of the class 'cat'"),
    ):
        load(folder)


def test_an_empty_class(some):
    reader, make = some
    folder = make()
    (folder / "bird").mkdir()
    with pytest.raises(DataError, match=f"The class 'bird' has no {reader.nouns}"):
        load(folder, reader=reader)
    (folder / "bird" / "1.mov").write_text("x")
    with pytest.raises(DataError, match=r"Other files there are not read: 1 \.mov\."):
        load(folder, reader=reader)
    with pytest.warns(IgnoredFilesWarning, match=r"1 \.mov"):
        found = load(folder, reader=reader, allow_missing_classes=True)
    assert found.num_classes == 2


def test_one_class(some):
    reader, make = some
    folder = make(["cat"])
    with pytest.raises(DataError, match="single class, 'cat'"):
        load(folder, reader=reader)
    found = load(folder, reader=reader, allow_missing_classes=True)
    assert found.class_names == ("cat",)


def test_labels_that_folders_do_not_give(some):
    reader, make = some
    for outputs, kind in ((Labels(), "multi_label"), (Number(), "regression")):
        with pytest.raises(ConfigurationError, match=f"one class, and labels of the kind '{kind}'"):
            load(make(), reader=reader, outputs=outputs)
    with pytest.raises(ConfigurationError, match="'single_label', 'regression' were asked for"):
        load(make(), reader=reader, outputs={"kind": Classes(), "n": Number()})
    assert load(make(), reader=reader, outputs=Vector()).num_classes == 2


def test_folders_of_nothing(tmp_path):
    with pytest.raises(DataError, match=r"no folders of images.*photos/cat/1.jpg"):
        load(tmp_path)
    with pytest.raises(DataError, match=r"no folders of texts.*mails/spam/1.txt"):
        load_texts(tmp_path)
    save(tmp_path / "1.png")
    with pytest.raises(DataError, match=r"holds 1 image but no folders.*photos/cat/1.jpg"):
        load(tmp_path)
    with pytest.raises(DataError, match="There is no file or folder"):
        load(tmp_path / "none")


def test_class_names_that_clash(make_folder):
    with pytest.raises(DataError, match="'Cat' and 'cat', which differ only by case"):
        load(make_folder(["Cat", "cat"]))
    composed = unicodedata.normalize("NFC", "café")
    decomposed = unicodedata.normalize("NFD", "café")
    with pytest.raises(DataError, match="differ only by Unicode form"):
        load(make_folder([composed, decomposed], root="other"))
    names = load(make_folder([decomposed, "tea"], root="third")).class_names
    assert names == (composed, "tea")
    given = load(make_folder(["Cat", "cat"]), class_names=["cat", "Cat"])
    assert given.class_counts() == {"cat": 3, "Cat": 3}


def test_class_names_given(some):
    reader, make = some
    folder = make(["a", "b"])
    dataset = load(folder, reader=reader, class_names=["b", "a"])
    assert dataset.labels.tolist() == [1, 1, 1, 0, 0, 0]
    with pytest.raises(DataError, match=r"it has 'b', which is not expected.*no example of 'bb'"):
        load(folder, reader=reader, class_names=["a", "bb"])
    names = ["a", "b", "c"]
    with pytest.raises(DataError, match="no example of 'c'"):
        load(folder, reader=reader, class_names=names)
    partial = load(folder, reader=reader, class_names=names, allow_missing_classes=True)
    assert partial.class_names == ("a", "b", "c")


def test_groups_from_names(some):
    reader, make = some
    folder = make(["cat", "dog"], each=6)
    dataset = load(folder, reader=reader, groups=lambda name: int(name[4]) // 2)
    assert dataset.groups == [0, 0, 1, 1, 2, 2] * 2
    train, validation = dataset.split(0.3, seed=0)
    assert not set(train.groups) & set(validation.groups)


def test_texts_of_files(make_text_folder):
    folder = make_text_folder()
    data = load_texts(folder)
    assert data.sources[0] == "mails ham text 0"
    assert data.names[0] == "ham/0.txt"
    (folder / "spam" / "bad.txt").write_bytes(b"caf\xe9 \r\n")
    with pytest.raises(DataError, match=r"bad.txt is not text in utf-8: byte 3 \(line 1\)"):
        load_texts(folder, encoding="utf-8")
    assert load_texts(folder, encoding="latin-1").sources[-1] == "café "
    with pytest.warns(DataWarning, match=r"bad\.txt: not in UTF-8, and read as cp1252"):
        assert load_texts(folder).sources[-1] == "café "


def test_a_text_beside_the_class_folders_may_be_a_readme(make_text_folder):
    root = make_text_folder(root="all/train").parent
    make_text_folder(root="all/test")
    (root / "train" / "README.txt").write_text("none")
    assert set(split_folders(root, TEXTS)) == {"train", "test"}
    assert len(load_texts(root, split="train")) == 6


@pytest.mark.parametrize("name", ["val", "valid", "Validation"])
def test_parts(some, name):
    reader, make = some
    make(root="all/Train")
    root = make(root=f"all/{name}").parent
    make(root="all/test")
    parts = split_folders(root, reader)
    assert {split: path.name for split, path in parts.items()} == {
        "train": "Train", "validation": name, "test": "test",
    }  # fmt: skip


def test_what_is_not_divided(make_folder):
    assert split_folders(make_folder(["train", "bus"]), IMAGES) == {}
    assert split_folders(make_folder(["train", "test"], root="b"), IMAGES) == {}
    nested = make_folder(["steam", "electric"], root="c/train").parent
    make_folder(["x"], root="c/bus")
    assert split_folders(nested, IMAGES) == {}


def test_a_part_given_twice(make_folder):
    make_folder(root="all/val")
    root = make_folder(root="all/valid").parent
    with pytest.raises(DataError, match="two folders of validation data, 'val' and 'valid'"):
        split_folders(root, IMAGES)
