from __future__ import annotations

import os
import shutil
import threading
import warnings

import numpy as np
import pytest

from kerastl.data import (
    ExampleDataset,
    ImageDataset,
    TextDataset,
    UnreadableWarning,
    decode_image,
    load,
)
from kerastl.errors import ConfigurationError, DataError, ImageError, TextError
from kerastl.inputs import IMAGES, TEXTS, Image, Text
from kerastl.outputs import Classes, Labels, Number, Vector
from tests.data.conftest import noise, save, truncate

SIZE = (8, 6)


def arrays(n=10, classes=2):
    x = np.stack([noise(i) for i in range(n)])
    y = np.arange(n) % classes
    return ImageDataset(list(x), y, [f"c{k}" for k in range(classes)])


def texts(n=10, classes=2, **options):
    found = [f"text {i}" for i in range(n)]
    return TextDataset(found, np.arange(n) % classes, [f"c{k}" for k in range(classes)], **options)


BOTH = pytest.mark.parametrize("make", [arrays, texts])


def everything(dataset, batch_size=4, **options):
    passed = list(dataset.batches(SIZE, batch_size, **options))
    return np.concatenate([x for x, _ in passed]), np.concatenate([y for _, y in passed])


def test_one_ordered_pass(make_folder):
    dataset = load(make_folder(each=7))
    passed = list(dataset.batches(SIZE, 4))
    assert [len(y) for _, y in passed] == [4, 4, 4, 2]
    for images, labels in passed:
        assert images.dtype == np.uint8
        assert labels.dtype == np.int64
        assert images.shape == (len(labels), *SIZE, 3)
    images, labels = everything(dataset)
    np.testing.assert_array_equal(labels, dataset.labels)
    for i, image in enumerate(images):
        np.testing.assert_array_equal(image, decode_image(dataset.sources[i], SIZE))
    again, _ = everything(dataset, batch_size=5)
    np.testing.assert_array_equal(images, again)


def test_an_order_is_followed():
    dataset = arrays()
    order = np.random.default_rng(0).permutation(10)
    images, labels = everything(dataset, order=order)
    plain, _ = everything(dataset)
    np.testing.assert_array_equal(images, plain[order])
    np.testing.assert_array_equal(labels, dataset.labels[order])


def test_a_pass_left_early_ends_its_threads(make_folder):
    dataset = load(make_folder(each=20))
    next(dataset.batches(SIZE, 2))
    before = threading.active_count()
    for _ in range(5):
        for _ in dataset.batches(SIZE, 2):
            break
    assert threading.active_count() <= before + 2


def test_sizes_are_checked_at_the_call():
    with pytest.raises(ConfigurationError, match="image_size must be"):
        arrays().batches((0, 1), 4)
    for batch_size in (0, 2.5, True):
        with pytest.raises(ConfigurationError, match="batch_size must be"):
            arrays().batches(SIZE, batch_size)


def test_truncated_images_are_left_out_with_one_warning(make_folder):
    folder = make_folder(each=10)
    for i in range(7):
        truncate(folder / "dog" / f"{i}.png")
    dataset = load(folder)
    assert dataset.unreadable == ()
    with pytest.warns(UnreadableWarning) as caught:
        images, labels = everything(dataset)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert message.startswith("7 unreadable images skipped: ")
    assert "dog/4.png and 2 more. The first because: " in message
    assert "dog/5.png" not in message
    assert dataset.unreadable == tuple(f"dog/{i}.png" for i in range(7))
    assert labels.tolist() == [0] * 10 + [1] * 3
    np.testing.assert_array_equal(images[10], decode_image(dataset.sources[17], SIZE))
    # Known by now: no second warning, which would be an error here.
    _, again = everything(dataset)
    np.testing.assert_array_equal(again, labels)
    assert dataset.subset([0, 10, 18]).unreadable == ("dog/0.png",)


def test_truncated_images_raise_where_asked(make_folder):
    folder = make_folder()
    truncate(folder / "cat" / "1.png")
    dataset = load(folder, on_error="raise")
    with pytest.raises(ImageError, match=r"1\.png cannot be decoded"):
        everything(dataset)
    with pytest.raises(ConfigurationError, match="Did you mean 'raise'"):
        load(folder, on_error="raised")


def test_a_class_that_loses_all_its_images(make_folder):
    folder = make_folder()
    for i in range(3):
        truncate(folder / "dog" / f"{i}.png")
    dataset = load(folder)
    with (
        pytest.warns(UnreadableWarning, match="3 unreadable"),
        pytest.raises(DataError, match="unreadable of: 'dog'"),
    ):
        everything(dataset)


def test_a_number_for_each_image_that_can_be_read(make_folder):
    folder = make_folder()
    truncate(folder / "cat" / "1.png")
    images = load(folder)
    numbers = ExampleDataset(IMAGES, images.sources, {"n": Number()}, {"n": np.arange(6) / 2})
    with pytest.warns(UnreadableWarning, match="1 unreadable image skipped"):
        _, labels = everything(numbers)
    assert labels.tolist() == [0, 1, 1.5, 2, 2.5]
    assert labels.dtype == np.float32


def test_several_outputs_lose_the_class_of_one(make_folder):
    folder = make_folder()
    for i in range(3):
        truncate(folder / "dog" / f"{i}.png")
    images = load(folder)
    outputs = {"kind": Classes(("a", "b")), "tags": Labels(("x", "y"))}
    targets = {"kind": [0, 1] * 3, "tags": [[1, 0]] * 3 + [[1, 1]] * 3}
    data = ExampleDataset(IMAGES, images.sources, outputs, targets)
    with (
        pytest.warns(UnreadableWarning, match="3 unreadable"),
        pytest.raises(DataError, match="unreadable of: 'y'"),
    ):
        list(data.batches(SIZE, 4))


def test_texts_have_no_size():
    with pytest.raises(ConfigurationError, match="Texts have no size"):
        list(texts().batches(SIZE, 4))


def test_inputs_bring_their_reader():
    assert Image((8, 8)).reader is Image.reader is arrays().reader
    assert Text.reader is texts().reader
    assert IMAGES == type(IMAGES)() != TEXTS
    assert len({IMAGES, type(IMAGES)(), TEXTS}) == 2


@BOTH
def test_subsets_and_counts(make):
    dataset = make(9, 3)
    part = dataset.subset([8, 1, 4]).subset([2, 0])
    assert part.names == ("4", "8")
    assert part.labels.tolist() == [1, 2]
    assert part.digests() == (dataset.digests()[4], dataset.digests()[8])
    assert part.class_counts() == {"c0": 0, "c1": 1, "c2": 1}
    assert dataset.num_classes == 3
    assert len(dataset) == dataset.size_hint() == 9
    with pytest.raises(ValueError, match="read-only"):
        dataset.labels[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        part.labels[0] = 1


def test_what_is_shown():
    nouns = [repr(arrays(9, 3)), repr(texts(9, 3))]
    wanted = "ExampleDataset(9 {}; probabilities: single_label, 3 classes)"
    assert nouns == [wanted.format("images"), wanted.format("texts")]


def test_subsets_keep_what_belongs_together():
    data = texts(12, groups=[i // 2 for i in range(12)])
    some = data.subset([3, 0])
    assert some.sources == (data.sources[3], data.sources[0])
    assert (some.labels.tolist(), some.names, some.groups) == ([1, 0], ("3", "0"), [1, 0])


def test_digests_are_computed_once(make_folder):
    dataset = load(make_folder())
    known = dataset.digests()
    part = dataset.subset([1, 0])
    for path in dataset.sources:
        path.unlink()
    assert part.digests() == (known[1], known[0])
    assert len(dataset.fingerprint) == 64


def test_the_same_labels_for_another_output():
    data = arrays()
    other = data.with_outputs({"embedding": Vector(classes=data.class_names)})
    assert (other.output.kind, other.class_names) == ("embedding", data.class_names)
    assert other.targets["embedding"] is data.labels
    assert other.fingerprint == data.fingerprint


def test_fingerprint_of_folders(make_folder, tmp_path):
    folder = make_folder()
    original = load(folder).fingerprint
    assert len(original) == 64
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    assert load(copy).fingerprint == original
    os.utime(copy / "cat" / "0.png", (1, 1))
    assert load(copy).fingerprint == original
    (copy / "cat" / "0.png").rename(copy / "cat" / "00.png")
    renamed = load(copy).fingerprint
    (copy / "cat" / "00.png").rename(copy / "dog" / "00.png")
    relabelled = load(copy).fingerprint
    (copy / "dog").rename(copy / "wolf")
    another_class = load(copy).fingerprint
    path = folder / "cat" / "0.png"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    other_byte = load(folder).fingerprint
    found = [original, renamed, relabelled, another_class, other_byte]
    assert len(set(found)) == 5


def test_fingerprint_of_arrays():
    x = np.stack([noise(i) for i in range(4)])
    names = ["a", "b"]
    original = load((x, [0, 1, 0, 1]), class_names=names).fingerprint
    assert load((x.astype(np.float32), [0, 1, 0, 1]), class_names=names).fingerprint == original
    assert load((x, [0, 1, 1, 0]), class_names=names).fingerprint != original
    assert load((x, [0, 1, 0, 1]), class_names=["a", "c"]).fingerprint != original
    x[0, 0, 0, 0] ^= 1
    assert load((x, [0, 1, 0, 1]), class_names=names).fingerprint != original


def test_fingerprint_of_bytes_and_pillow_images(tmp_path):
    from PIL import Image

    content = save(tmp_path / "a.png").read_bytes()
    sources = [content, Image.fromarray(noise(1))]
    dataset = ImageDataset(sources, [0, 1], ["a", "b"])
    assert dataset.fingerprint == ImageDataset(sources, [0, 1], ["a", "b"]).fingerprint
    assert dataset.fingerprint != ImageDataset(sources[::-1], [0, 1], ["a", "b"]).fingerprint
    gone = ImageDataset([tmp_path / "none.png"], [0], ["a"])
    with pytest.raises(ImageError, match="No such file"):
        _ = gone.fingerprint


def test_fingerprint_of_texts():
    data = texts(12)
    assert data.fingerprint == texts(12, names=map(str, range(7, 19))).fingerprint
    assert len(data.fingerprint) == 64
    seen = {data.fingerprint}
    for other in (
        TextDataset(data.sources, 1 - data.labels, data.class_names),
        TextDataset(data.sources, data.labels, ["yes", "no"]),
        TextDataset([t + " " for t in data.sources], data.labels, data.class_names),
        TextDataset(data.sources, np.eye(2)[data.labels], data.class_names, kind="multi_label"),
        TextDataset(data.sources, data.labels, (), kind="regression"),
        data.subset(np.arange(12)[::-1]),
        texts(11),
    ):
        assert other.fingerprint not in seen
        seen.add(other.fingerprint)


def test_the_fingerprint_knows_where_a_text_ends():
    one = TextDataset(["ab", "c"], [0, 1], ["x", "y"])
    assert one.fingerprint != TextDataset(["a", "bc"], [0, 1], ["x", "y"]).fingerprint


@pytest.mark.parametrize("reader", [IMAGES, TEXTS])
def test_fingerprint_of_several_outputs(reader):
    sources = [noise(0), noise(1)] if reader == IMAGES else ["a", "b"]
    seen = set()
    for kind, n in (([0, 1], [1, 2]), ([1, 0], [1, 2]), ([0, -1], [1, 2]), ([0, 1], [1, np.nan])):
        outputs = {"kind": Classes(("a", "b")), "n": Number()}
        data = ExampleDataset(reader, sources, outputs, {"kind": kind, "n": n})
        seen.add(data.fingerprint)
        renamed = {"sort": Classes(("a", "b")), "n": Number()}
        seen.add(ExampleDataset(reader, sources, renamed, {"sort": kind, "n": n}).fingerprint)
    assert len(seen) == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": [0]}, "2 NOUNs but 1 labels"),
        ({"labels": 0}, "2 NOUNs but no list of labels"),
        ({"labels": [0, 2]}, "from 0 to 1.*labels from 0 to 2"),
        ({"labels": [0, -1]}, "labels from -1 to 0"),
        ({"names": ["a"]}, "2 NOUNs but 1 names"),
        ({"groups": ["a"]}, "2 NOUNs but 1 groups"),
    ],
)
def test_arguments_that_do_not_match(options, message):
    arguments = {"labels": [0, 1], "class_names": ["a", "b"], **options}
    with pytest.raises(DataError, match=message.replace("NOUN", "image")):
        ImageDataset([noise(0), noise(1)], **arguments)
    with pytest.raises(DataError, match=message.replace("NOUN", "text")):
        TextDataset(["a", "b"], **arguments)


def test_texts_are_checked_at_entry():
    with pytest.raises(TextError, match="a list of strings. Received the string 'ab'"):
        TextDataset("ab", [0, 1], ["x", "y"])
    with pytest.raises(TextError, match="The text '1' cannot be written"):
        TextDataset(["a", "b\ud800"], [0, 1], ["x", "y"])


def test_photos(trashnet):
    dataset = load(trashnet / "val")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, labels = everything(dataset, batch_size=32)
    assert len(labels) == 180
    assert dataset.class_counts() == dict.fromkeys(dataset.class_names, 30)
