from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastl.data import TextDataset, check_text
from kerastl.errors import ConfigurationError, DataError, ImageError, TextError

WORDS = ("red", "blue", "green", "grey", "pink", "teal")


def dataset(n=12, **options):
    texts = [f"{WORDS[i % 6]} number {i}" for i in range(n)]
    return TextDataset(texts, np.arange(n) % 2, ["no", "yes"], **options)


@pytest.mark.parametrize(
    "text", ["", " ", "a\0b", "\0", "\x01\x7f", "e\u0301", "日本", "\U0001f600", "\ufffd", "\ufeff"]
)
def test_texts_that_can_be(text):
    assert check_text(text) == text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, r"Row 3 is no text: received None of type NoneType"),
        (b"bytes", r"of type bytes.*bytes have to be decoded first"),
        (float("nan"), r"received nan of type float"),
        ("a\ud800b", r"Row 3 cannot be written as UTF-8: the character at position 1 is U\+D800"),
        ("\udcff", r"U\+DCFF, half of a surrogate pair"),
    ],
)
def test_what_is_no_text(value, message):
    with pytest.raises(TextError, match=message):
        check_text(value, what="Row 3")


def test_errors_of_texts_are_beside_those_of_images():
    assert TextError.__mro__[1] is DataError is ImageError.__mro__[1]


def test_strings_of_numpy_become_plain():
    assert type(check_text(np.str_("a"))) is str


def test_properties():
    data = dataset()
    assert (len(data), data.size_hint(), data.num_classes) == (12, 12, 2)
    assert data.class_counts() == {"no": 6, "yes": 6}
    assert data.labels.dtype == np.int64
    assert data.names[:2] == ("0", "1")
    assert repr(data) == "TextDataset(12 texts, 2 classes, 'single_label')"
    with pytest.raises(ValueError, match="read-only"):
        data.labels[0] = 1


def test_kinds_of_labels():
    several = TextDataset(["a", "b"], [[1, 1], [0, 1]], ["x", "y"], kind="multi_label")
    assert several.labels.dtype == np.float32
    assert several.class_counts() == {"x": 1, "y": 2}
    numbers = TextDataset(["a", "b"], [1, 2.5], (), kind="regression")
    assert numbers.labels.tolist() == [1.0, 2.5]
    assert (numbers.labels.dtype, numbers.num_classes) == (np.float32, 0)
    assert numbers.class_counts() == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a"], [0, 1], ["x", "y"]), "There are 1 texts but 2 labels"),
        ((["a"], 0, ["x", "y"]), "There are 1 texts but no list of labels"),
        ((["a"], [2], ["x", "y"]), "from 0 to 1, one of 2 class names.*from 2 to 2"),
        ((["a"], [-1], ["x", "y"]), "from -1 to -1"),
        ((["a"], [0.5], ["x", "y"]), "class indices, integers"),
        ((["a"], ["x"], ["x", "y"]), "Labels must be numbers"),
        (("ab", [0, 1], ["x", "y"]), "a list of strings. Received the string 'ab'"),
        ((["a", "b\ud800"], [0, 1], ["x", "y"]), "The text '1' cannot be written"),
    ],
)
def test_what_cannot_be(arguments, message):
    with pytest.raises(DataError, match=message):
        TextDataset(*arguments)


@pytest.mark.parametrize(
    ("labels", "names", "kind", "message"),
    [
        ([[1, 2], [0, 1]], ["x", "y"], "multi_label", "zeros and ones of the shape"),
        ([[1], [0]], ["x", "y"], "multi_label", r"shape \(n, 2\)"),
        ([1, 0], ["x", "y"], "multi_label", r"Received the shape \(2,\)"),
        ([1, np.nan], (), "regression", "with NaN or infinity"),
        ([[1], [2]], (), "regression", r"Received: \(2, 1\)"),
        ([1, 2], ["x"], "regression", "Regression has no classes"),
    ],
)
def test_labels_of_a_kind_that_cannot_be(labels, names, kind, message):
    with pytest.raises(DataError, match=message):
        TextDataset(["a", "b"], labels, names, kind=kind)


def test_kinds_that_are_not():
    with pytest.raises(ConfigurationError, match="Did you mean 'multi_label'"):
        dataset(kind="multilabel")


def test_the_fingerprint_is_of_content():
    assert dataset().fingerprint == dataset(names=map(str, range(7, 19))).fingerprint
    assert len(dataset().fingerprint) == 64
    seen = {dataset().fingerprint}
    for other in (
        TextDataset(dataset().texts, 1 - dataset().labels, ["no", "yes"]),
        TextDataset(dataset().texts, dataset().labels, ["yes", "no"]),
        TextDataset([t + " " for t in dataset().texts], dataset().labels, ["no", "yes"]),
        dataset().subset(np.arange(12)[::-1]),
        dataset(11),
    ):
        assert other.fingerprint not in seen
        seen.add(other.fingerprint)


def test_the_fingerprint_knows_where_a_text_ends():
    one = TextDataset(["ab", "c"], [0, 1], ["x", "y"])
    assert one.fingerprint != TextDataset(["a", "bc"], [0, 1], ["x", "y"]).fingerprint


def test_subsets_keep_what_belongs_together():
    data = dataset(groups=[i // 2 for i in range(12)])
    some = data.subset([3, 0])
    assert some.texts == (data.texts[3], data.texts[0])
    assert (some.labels.tolist(), some.names, some.groups) == ([1, 0], ("3", "0"), [1, 0])


def test_splits_are_stratified_and_repeatable():
    data = TextDataset([str(i) for i in range(100)], [0] * 80 + [1] * 20, ["x", "y"])
    train, validation = data.split(0.2, seed=3)
    assert validation.class_counts() == {"x": 16, "y": 4}
    assert sorted(train.names + validation.names, key=int) == list(data.names)
    assert data.split(0.2, seed=3)[1].names == validation.names
    assert data.split(0.2, seed=4)[1].names != validation.names


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), min_size=20, max_size=60))
def test_copies_never_leak(pairs):
    # Every class has two texts of its own, so that a division exists.
    rows = [*pairs, (100, 0), (101, 0), (102, 1), (103, 1)]
    data = TextDataset([f"t{text}" for text, _ in rows], [label for _, label in rows], ["x", "y"])
    for kind in ("single_label", "multi_label", "regression"):
        if kind == "multi_label":
            data = TextDataset(data.texts, np.eye(2)[data.labels], ["x", "y"], kind=kind)
        elif kind == "regression":
            data = TextDataset(data.texts, np.arange(len(rows)), (), kind=kind)
        train, validation = data.split(0.3, seed=0)
        assert not set(train.texts) & set(validation.texts)
        assert len(train) + len(validation) == len(rows)
        assert len(validation) > 0
        if kind != "regression":
            assert all(train.class_counts().values())
            assert all(validation.class_counts().values())


def test_a_class_of_one_text_is_divided_all_the_same():
    data = TextDataset(["a"] * 4 + ["b", "c", "d", "b"], [0] * 4 + [1] * 4, ["x", "y"])
    train, validation = data.split(0.25, seed=0)
    assert all(train.class_counts().values())
    assert all(validation.class_counts().values())
    assert not {"b", "c", "d"} & set(train.texts) & set(validation.texts)


def test_groups_stay_whole():
    groups = np.repeat(np.arange(10), 4)
    texts = [str(i) for i in range(40)]
    flags = np.random.default_rng(0).integers(0, 2, (40, 3))
    for labels, names, kind in (
        (np.arange(40) % 2, ["x", "y"], "single_label"),
        (flags, ["x", "y", "z"], "multi_label"),
        (np.arange(40) / 7, (), "regression"),
    ):
        data = TextDataset(texts, labels, names, kind=kind, groups=groups)
        train, validation = data.split(0.3, seed=0)
        assert not set(train.groups) & set(validation.groups)
        assert len(validation) == 12


def test_several_labels_and_numbers_are_divided_alike():
    random = np.random.default_rng(0)
    texts = [str(i) for i in range(500)]
    flags = (random.random((500, 4)) < (0.5, 0.2, 0.1, 0.05)).astype(int)
    data = TextDataset(texts, flags, list("abcd"), kind="multi_label")
    _, validation = data.split(0.2, seed=0)
    share = validation.labels.sum(axis=0) / data.labels.sum(axis=0)
    np.testing.assert_allclose(share, 0.2, atol=0.07)
    data = TextDataset(texts, random.normal(size=500), (), kind="regression")
    train, validation = data.split(0.2, seed=0)
    assert len(validation) == 100
    assert abs(train.labels.mean() - validation.labels.mean()) < 0.15


def test_rare_labels_are_on_both_sides():
    flags = np.zeros((400, 6), int)
    flags[:, 0] = 1
    flags[:200, 0] = 0
    for k in range(1, 6):
        flags[[k, 200 + k], k] = 1
    data = TextDataset([str(i) for i in range(400)], flags, list("abcdef"), kind="multi_label")
    for part in data.split(0.2, seed=0):
        assert all(part.class_counts().values())


def test_splits_that_cannot_be():
    with pytest.raises(DataError, match="a single one has: 'y'"):
        TextDataset(list("abc"), [0, 0, 1], ["x", "y"]).split(0.5, seed=0)
    with pytest.raises(DataError, match="There is 1 distinct text or groups"):
        TextDataset(["a", "a"], [1, 2], (), kind="regression").split(0.5, seed=0)
    with pytest.raises(DataError, match="every class on both sides"):
        TextDataset(list("abc"), [[1, 0], [1, 0], [1, 1]], ["x", "y"], kind="multi_label").split(
            0.5, seed=0
        )
    with pytest.raises(ConfigurationError, match="fraction must lie"):
        dataset().split(1.0, seed=0)
