from __future__ import annotations

import numpy as np
import pytest

from kerastl.data import from_arrays
from kerastl.errors import DataError
from tests.data.conftest import noise

X = np.stack([noise(i) for i in range(4)])
Y = np.array([1, 0, 1, 0])
NAMES = ["cat", "dog"]


@pytest.mark.parametrize(
    "y", [Y, Y[:, None], Y.tolist(), Y.astype(np.float32), np.eye(2)[Y], np.eye(2, dtype=bool)[Y]]
)
def test_numeric_labels(y):
    dataset = from_arrays(X, y, class_names=NAMES)
    assert dataset.labels.tolist() == [1, 0, 1, 0]
    assert dataset.class_names == ("cat", "dog")


def test_names_as_labels():
    y = ["dog", "cat", "dog", "cat"]
    assert from_arrays(X, y).class_names == ("cat", "dog")
    assert from_arrays(X, np.array(y, dtype=object)).labels.tolist() == [1, 0, 1, 0]
    assert from_arrays(X, y, class_names=["dog", "cat"]).labels.tolist() == [0, 1, 0, 1]
    with pytest.raises(DataError, match=r"it has 'dog', which is not expected.*Did you mean 'dig'"):
        from_arrays(X, y, class_names=["cat", "dig"])


@pytest.mark.parametrize(
    "x", [X, X[..., :1], X[..., 0], np.concatenate([X, X[..., :1]], -1), X.astype(np.float32)]
)
def test_shapes(x):
    assert from_arrays(x, Y, class_names=NAMES).image(0, (4, 4)).shape == (4, 4, 3)


def test_a_dark_image_among_floats_is_fine():
    x = X.astype(np.float32)
    x[0] = 0.6
    images, _ = next(from_arrays(x, Y, class_names=NAMES).batches((12, 10), 4))
    assert (images[0] == 1).all()
    np.testing.assert_array_equal(images[1], X[1])


def test_memory_maps_stay_on_disk(tmp_path):
    np.save(tmp_path / "x.npy", X)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    dataset = from_arrays(x, Y, class_names=NAMES)
    assert np.shares_memory(dataset.sources[0], x)
    assert len(next(dataset.batches((4, 4), 4))[0]) == 4


@pytest.mark.parametrize(
    ("x", "y", "names", "message"),
    [
        (X, Y, None, "class_names=.*never guessed"),
        (X, Y[:3], NAMES, "4 images but y holds 3"),
        (X, 1, NAMES, "4 images but y holds a single value"),
        (X[:0], Y[:0], NAMES, "hold no examples"),
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
        (X, ["a", "b", "", "a"], None, "1 is missing or no string, the first at position 2"),
        (X, ["a", None, None, "a"], None, "2 are missing or no string"),
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
        from_arrays(x, y, class_names=names)
