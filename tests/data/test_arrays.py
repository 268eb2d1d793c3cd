from __future__ import annotations

import numpy as np
import pytest

from kerastl.data import TextDataset, load, load_texts
from kerastl.errors import ConfigurationError, DataError, TextError
from kerastl.inputs import IMAGES, TEXTS
from kerastl.outputs import Classes, Labels, Number
from tests.data.conftest import noise

X = np.stack([noise(i) for i in range(4)])
Y = np.array([1, 0, 1, 0])
NAMES = ["cat", "dog"]
WORDS = ["so", "it", "goes", "on"]
READERS = pytest.mark.parametrize(
    ("x", "reader"),
    [(X, IMAGES), (WORDS, TEXTS), (np.array(WORDS), TEXTS)],
    ids=["images", "texts", "array"],
)


@READERS
@pytest.mark.parametrize(
    "y", [Y, Y[:, None], Y.tolist(), Y.astype(np.float32), np.eye(2)[Y], np.eye(2, dtype=bool)[Y]]
)
def test_numeric_labels(x, reader, y):
    dataset = load((x, y), reader=reader, class_names=NAMES)
    assert dataset.labels.tolist() == [1, 0, 1, 0]
    assert dataset.class_names == ("cat", "dog")


@READERS
def test_names_as_labels(x, reader):
    y = ["dog", "cat", "dog", "cat"]
    assert load((x, y), reader=reader).class_names == ("cat", "dog")
    for same in (np.array(y, dtype=object), np.array(y), np.array(y)[:, None]):
        assert load((x, same), reader=reader).labels.tolist() == [1, 0, 1, 0]
    turned = load((x, y), reader=reader, class_names=["dog", "cat"])
    assert turned.labels.tolist() == [0, 1, 0, 1]
    with pytest.raises(DataError, match=r"it has 'dog', which is not expected.*Did you mean 'dig'"):
        load((x, y), reader=reader, class_names=["cat", "dig"])


@READERS
def test_several_labels_and_numbers(x, reader):
    several = load((x, [["x", "y"], [], ("y",), {"x"}]), reader=reader, outputs=Labels())
    assert several.class_names == ("x", "y")
    assert several.labels.tolist() == [[1, 1], [0, 0], [0, 1], [1, 0]]
    flags = load((x, several.labels), reader=reader, outputs=Labels(("x", "y")))
    np.testing.assert_array_equal(flags.labels, several.labels)
    for y in ([0.5, 2, 1, -1], np.array([[0.5], [2], [1], [-1]])):
        numbers = load((x, y), reader=reader, outputs=Number())
        assert numbers.labels.tolist() == [0.5, 2, 1, -1]
        assert numbers.labels.dtype == np.float32


@READERS
def test_several_outputs(x, reader):
    outputs = {"kind": Classes(), "index": Classes(("p", "q")), "tags": Labels(), "n": Number()}
    y = {
        "kind": ["a", None, float("nan"), "b"],
        "index": [1, None, 0, -1],
        "tags": [["x"], None, [], ["x", "y"]],
        "n": [1.5, None, 2, np.nan],
    }
    data = load((x, y), reader=reader, outputs=outputs)
    assert data.targets["kind"].tolist() == [0, -1, -1, 1]
    assert data.targets["index"].tolist() == [1, -1, 0, -1]
    np.testing.assert_array_equal(data.targets["tags"], [[1, 0], [np.nan] * 2, [0, 0], [1, 1]])
    np.testing.assert_array_equal(data.targets["n"], [1.5, np.nan, 2, np.nan])
    again = load((x, data.targets), reader=reader, outputs=data.outputs)
    assert again.fingerprint == data.fingerprint
    one_hot = np.array([[1, 0], [np.nan, np.nan], [0, 1], [1, 0]])
    y["index"] = one_hot
    assert load((x, y), reader=reader, outputs=outputs).targets["index"].tolist() == [0, -1, 1, 0]
    for wrong in (y["kind"], {"kind": y["kind"]}, {**y, "more": y["n"]}):
        with pytest.raises(DataError, match="must be a mapping with the labels of the outputs"):
            load((x, wrong), reader=reader, outputs=outputs)
    one = load((x, {"n": [1, 2, 3, 4]}), reader=reader, outputs={"n": Number()})
    assert one.labels.tolist() == [1, 2, 3, 4]


@READERS
@pytest.mark.parametrize(
    ("y", "output", "message"),
    [
        (["a", None, "b", "a"], Classes(), "1 is missing or not a string.*position 1: None"),
        (["a", 1, "b", "a"], Classes(), "1 is missing or not a string.*position 1: 1"),
        ([["x"], [1, 2], ["x"], ["y"]], Classes(), "of different lengths"),
        ([1, None, 0, 1], Classes(("p", "q")), "NaN or infinite values"),
        ([1, -1, 0, 1], Classes(("p", "q")), "from 0 to 1.*Received -1"),
        ([["x"], None, [], ["y"]], Labels(), "1 labels are missing. An empty list stands for none"),
        ([[1, 0]] * 4, Labels(), "need class_names"),
        ([1, 0, 1, 1], Labels(("x",)), r"zeros and ones of the shape \(n, 1\)"),
        ([[1, 0], [2, 0]] * 2, Labels(("x", "y")), "zeros and ones"),
        ([[1, np.nan], [1, 0]] * 2, Labels(("x", "y")), "zeros and ones"),
        (["x", "y"] * 2, Labels(), "'multi_label' cannot be taken from an array of <U1"),
        ([1, np.inf, 1, 1], Number(), "with NaN or infinity"),
        ([1, None, 1, 1], Number(), "with NaN or infinity"),
        ([[1, 2]] * 4, Number(), r"Received the shape \(4, 2\)"),
        (["1", "2", "3", "4"], Number(), "must be numbers. Received an array of <U1"),
    ],
)
def test_labels_that_cannot_be(x, reader, y, output, message):
    with pytest.raises(DataError, match=message):
        load((x, y), reader=reader, outputs=output)


@READERS
def test_infinity_is_never_a_label(x, reader):
    outputs = {"n": Number(), "m": Number()}
    with pytest.raises(DataError, match=r"\(output 'n'\).*with NaN or infinity"):
        load((x, {"n": [1, np.inf, 2, 3], "m": [1, 2, 3, 4]}), reader=reader, outputs=outputs)


@pytest.mark.parametrize(
    "x", [X, X[..., :1], X[..., 0], np.concatenate([X, X[..., :1]], -1), X.astype(np.float32)]
)
def test_shapes(x):
    assert next(load((x, Y), class_names=NAMES).batches((4, 4), 4))[0].shape == (4, 4, 4, 3)


def test_a_dark_image_among_floats_is_fine():
    x = X.astype(np.float32)
    x[0] = 0.6
    images, _ = next(load((x, Y), class_names=NAMES).batches((12, 10), 4))
    assert (images[0] == 1).all()
    np.testing.assert_array_equal(images[1], X[1])


def test_memory_maps_stay_on_disk(tmp_path):
    np.save(tmp_path / "x.npy", X)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    dataset = load((x, Y), class_names=NAMES)
    assert np.shares_memory(dataset.sources[0], x)
    assert len(next(dataset.batches((4, 4), 4))[0]) == 4


@pytest.mark.parametrize(
    ("x", "y", "names", "message"),
    [
        (X, Y, None, "class_names=.*never guessed"),
        (X, Y[:3], NAMES, "4 images but y holds 3"),
        (X, 1, NAMES, "4 images but y holds a single value"),
        (X[:0], Y[:0], NAMES, "holds no examples"),
        (X[0, 0], Y, NAMES, r"x must have the shape \(n, h, w, 3\)"),
        (X.transpose(0, 3, 1, 2), Y, NAMES, "Channels come last"),
        (X / 255, Y, NAMES, "0..255 are wanted"),
        (X / 127.5 - 1, Y, NAMES, "before any preprocessing"),
        (np.full(X.shape, np.nan), Y, NAMES, "NaN"),
        (np.array([None] * 4), Y, NAMES, "array of objects"),
        (X, [0, 1, 2, 0], NAMES, "from 0 to 1.*Received 2"),
        (X, [0, 1, -1, 0], NAMES, "from 0 to 1.*Received -1"),
        (X, [0, 1, np.nan, 0], NAMES, "NaN.*missing"),
        (X, [0, 1, 0.5, 0], NAMES, "whole numbers. Received: 0.5"),
        (X, np.full((4, 2), 0.5), NAMES, "not every row holds a single 1"),
        (X, np.eye(4)[[0, 1, 2, 3]], NAMES, r"\(n, 2\) for one-hot.*Received: \(4, 4\)"),
        (X, [0, 0, 0, 0], NAMES, "no example that can be read of the class 'dog'"),
        (X, [0, 0, 0, 0], ["cat"], "single class, 'cat'"),
        (X, ["a", "b", "", "a"], None, "1 is missing or not a string, the first at position 2"),
        (X, ["a", None, None, "a"], None, "2 are missing or not a string"),
        (X, ["a", "A", "a", "A"], None, "differ only by case"),
        (X, Y, "cd", "Received the string 'cd'"),
        (X, Y, ["a", "a"], "more than once: 'a'"),
        (X, Y, ["a", ""], "one line of labels.txt"),
        (X, Y, ["a", "b\nc"], "one line of labels.txt"),
        (X, Y, ["a", "\udcff"], "not valid Unicode"),
        (X, Y, ["a", 1], "must be strings"),
        (X, Y, [], "class_names is empty"),
        (X, np.array([1j] * 4), NAMES, "class indices or one-hot"),
    ],
)
def test_arrays_that_cannot_be(x, y, names, message):
    with pytest.raises(DataError, match=message):
        load((x, y), class_names=names)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (("ab", ["x", "y"]), "must be a list of strings. Received: str"),
        ((["a"], ["x", "y"]), "x holds 1 text but y holds 2 labels"),
        ((["a"], "x"), "x holds 1 text but y holds a single value"),
        ((["a", "b"], [0, 1]), "need class_names"),
        (([], []), "holds no examples"),
        ((["a", None], ["x", "y"]), "The text '1' is not a text: received None"),
        (
            (iter("ab"), ["x", "y"]),
            "must be a list of strings. Received: str",
        ),
    ],
)
def test_lists_of_texts_that_cannot_be(data, message):
    with pytest.raises(DataError, match=message):
        load_texts(data)


def test_lone_surrogates_are_refused_by_position():
    with pytest.raises(TextError, match=r"The text '1' cannot be written as UTF-8.*U\+DC80"):
        load_texts((["fine", "b\udc80d"], ["x", "y"]))


def test_kinds_of_labels_of_texts():
    several = TextDataset(["a", "b"], [[1, 1], [0, 1]], ["x", "y"], kind="multi_label")
    assert several.labels.dtype == np.float32
    assert several.class_counts() == {"x": 1, "y": 2}
    numbers = TextDataset(["a", "b"], [1, 2.5], (), kind="regression")
    assert numbers.labels.tolist() == [1.0, 2.5]
    assert (numbers.labels.dtype, numbers.num_classes) == (np.float32, 0)
    assert numbers.class_counts() == {}
    with pytest.raises(ConfigurationError, match="Did you mean 'multi_label'"):
        TextDataset(["a"], [0], ["x"], kind="multilabel")


@pytest.mark.parametrize(
    ("labels", "names", "kind", "message"),
    [
        ([[1, 2], [0, 1]], ["x", "y"], "multi_label", "zeros and ones of the shape"),
        ([[1], [0]], ["x", "y"], "multi_label", r"shape \(n, 2\)"),
        ([1, 0], ["x", "y"], "multi_label", r"of the shape \(2,\)"),
        ([[1, np.nan], [0, 1]], ["x", "y"], "multi_label", "zeros and ones"),
        ([1, np.nan], (), "regression", "with NaN or infinity"),
        ([[1], [2]], (), "regression", r"Received the shape \(2, 1\)"),
        ([1, 2], ["x"], "regression", "have no classes"),
        ([0, 2], ["x", "y"], "single_label", "from 0 to 1, one of 2 class names.*from 0 to 2"),
        ([-1, 0], ["x", "y"], "single_label", "from -1 to 0"),
        ([0.5, 0], ["x", "y"], "single_label", "class indices, integers"),
        (["x", "y"], ["x", "y"], "single_label", "class indices, integers"),
        ([0], ["x", "y"], "single_label", "There are 2 texts but 1 labels"),
        (0, ["x", "y"], "single_label", "There are 2 texts but no list of labels"),
        ([[0], [1, 2]], ["x", "y"], "single_label", "Labels: the labels are of different lengths"),
    ],
)
def test_labels_of_a_kind_that_cannot_be(labels, names, kind, message):
    with pytest.raises(DataError, match=message):
        TextDataset(["a", "b"], labels, names, kind=kind)
