from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastl.data import ExampleDataset, ImageDataset, TextDataset, stratified_split
from kerastl.errors import ConfigurationError, DataError
from kerastl.inputs import IMAGES, TEXTS
from kerastl.outputs import Classes, Labels, Number
from tests.data.conftest import noise

counts = st.lists(st.integers(2, 20), min_size=1, max_size=6)
fractions = st.floats(0.05, 0.95)
seeds = st.integers(0, 2**32)


@given(counts, fractions, seeds)
@settings(max_examples=100, deadline=None)
def test_stratified(sizes, fraction, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    train, validation = stratified_split(labels, fraction, seed=seed)
    assert sorted([*train, *validation]) == list(range(len(labels)))
    assert (np.diff(train) > 0).all()
    assert (np.diff(validation) > 0).all()
    for k, size in enumerate(sizes):
        share = int((labels[validation] == k).sum())
        assert 1 <= share <= size - 1
        assert abs(share - np.clip(fraction * size, 1, size - 1)) <= 0.5 + 1e-9
    again = stratified_split(labels.tolist(), fraction, seed=seed)
    np.testing.assert_array_equal(again[0], train)
    np.testing.assert_array_equal(again[1], validation)


@given(counts, st.integers(2, 8), fractions, seeds)
@settings(max_examples=100, deadline=None)
def test_groups_of_one_class_are_never_divided(sizes, num_groups, fraction, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    rng = np.random.default_rng(seed)
    groups = []
    for k, size in enumerate(sizes):
        # The first two examples make sure of two groups a class.
        own = [0, 1, *rng.integers(0, num_groups, size - 2)]
        groups += [f"{k}-{g}" for g in own]
    train, validation = stratified_split(labels, fraction, seed=seed, groups=groups)
    assert sorted([*train, *validation]) == list(range(len(labels)))
    assert not {groups[i] for i in train} & {groups[i] for i in validation}
    assert set(labels[train]) == set(labels[validation]) == set(range(len(sizes)))


@given(st.integers(2, 4), st.integers(4, 30), fractions, seeds)
@settings(max_examples=50, deadline=None)
def test_groups_across_classes_are_never_divided(num_classes, num_groups, fraction, seed):
    # Every group holds every class, as photos of one person with and without glasses do.
    labels = np.tile(np.arange(num_classes), num_groups)
    groups = np.repeat(np.arange(num_groups), num_classes)
    train, validation = stratified_split(labels, fraction, seed=seed, groups=groups)
    assert not set(groups[train]) & set(groups[validation])
    assert set(labels[train]) == set(labels[validation]) == set(range(num_classes))
    wanted = np.clip(fraction * num_groups, 1, num_groups - 1)
    assert abs(len(validation) / num_classes - wanted) <= 1


def test_the_seed_matters():
    labels = np.repeat([0, 1], 50)
    first, second = (stratified_split(labels, 0.2, seed=s)[1] for s in (0, 1))
    assert first.tolist() != second.tolist()


def test_a_class_of_one():
    with pytest.raises(DataError, match="a single one has: 'dog'"):
        stratified_split([0, 0, 1], 0.5, seed=0, class_names=["cat", "dog"])


def test_a_class_in_one_group():
    with pytest.raises(DataError, match=r"one group.*: 1"):
        stratified_split([0, 0, 1, 1], 0.5, seed=0, groups=["a", "b", "c", "c"])


def test_groups_that_cannot_be_divided():
    labels, groups = [0, 1, 0, 2, 1, 2], ["a", "a", "b", "b", "c", "c"]
    with pytest.raises(DataError, match="No split of the 3 groups"):
        stratified_split(labels, 0.5, seed=0, groups=groups)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan"), True, "half"])
def test_fractions_that_cannot_be(fraction):
    with pytest.raises(ConfigurationError, match="fraction must"):
        stratified_split([0, 0, 1, 1], fraction, seed=0)


def test_seeds_and_groups_that_cannot_be():
    with pytest.raises(ConfigurationError, match="seed must be an integer"):
        stratified_split([0, 0], 0.5, seed=-1)
    with pytest.raises(ConfigurationError, match=r"each of the 2 examples\. Received: 1"):
        stratified_split([0, 0], 0.5, seed=0, groups=["a"])


# Of data sets.


def images_of(contents, outputs, targets, **options):
    """Images of one pixel, of which those of the same content are copies."""
    sources = [np.full((1, 1, 3), 0, np.uint8) + np.uint8([i // 256, i % 256, 7]) for i in contents]
    return ExampleDataset(IMAGES, sources, outputs, targets, **options)


def texts_of(contents, outputs, targets, **options):
    return ExampleDataset(TEXTS, [f"t{i}" for i in contents], outputs, targets, **options)


BOTH = pytest.mark.parametrize("make", [images_of, texts_of])


@BOTH
def test_data_sets_are_split_alike_each_time(make):
    data = make(range(100), {"y": Classes(("x", "y"))}, {"y": [0] * 80 + [1] * 20})
    train, validation = data.split(0.2, seed=3)
    assert validation.class_counts() == {"x": 16, "y": 4}
    assert sorted(train.names + validation.names, key=int) == list(data.names)
    assert data.split(0.2, seed=3)[1].fingerprint == validation.fingerprint
    assert data.split(0.2, seed=4)[1].names != validation.names


@BOTH
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), min_size=20, max_size=60))
def test_copies_never_leak(make, pairs):
    # A class with its own examples, so that a division exists.
    rows = [*pairs, (100, 0), (101, 0), (102, 1), (103, 1)]
    contents = [content for content, _ in rows]
    # One text in two classes is kept together, and one image within its class.
    labels = [label for _, label in rows] if make is texts_of else [each % 2 for each in contents]
    for output, target in (
        (Classes(("x", "y")), labels),
        (Labels(("x", "y")), np.eye(2)[labels]),
        (Number(), np.arange(len(rows))),
    ):
        data = make(contents, {"y": output}, {"y": target})
        train, validation = data.split(0.3, seed=0)
        assert not set(train.digests()) & set(validation.digests())
        assert len(train) + len(validation) == len(rows)
        assert len(validation) > 0
        for part in (train, validation):
            assert all(part.class_counts().values())


@BOTH
def test_a_class_of_one_content_is_divided_all_the_same(make):
    data = make([0] * 4 + [1, 2, 3, 1], {"y": Classes(("x", "y"))}, {"y": [0] * 4 + [1] * 4})
    train, validation = data.split(0.25, seed=0)
    assert all(train.class_counts().values())
    assert all(validation.class_counts().values())
    of_second = {data.digests()[i] for i in range(4, 8)}
    assert not of_second & set(train.digests()) & set(validation.digests())
    same = make([0] * 10, {"y": Classes(("x", "y"))}, {"y": [0, 1] * 5})
    assert len(same.split(0.4, seed=0)[1]) == 4


def test_what_a_share_is_one_of():
    """Of images all count, of texts the distinct ones: so 0.1.0 split them."""
    contents = [0] * 50 + list(range(1, 51)) + list(range(100, 200))
    outputs, targets = {"y": Classes(("x", "y"))}, {"y": [0] * 100 + [1] * 100}
    images = images_of(contents, outputs, targets)
    assert {len(images.split(0.2, seed=seed)[1]) for seed in range(5)} == {40}
    texts = texts_of(contents, outputs, targets)
    found = {len(texts.split(0.2, seed=seed)[1]) for seed in range(20)}
    assert found == {30, 79}


@BOTH
def test_groups_stay_whole(make):
    groups = np.repeat(np.arange(10), 4)
    flags = np.random.default_rng(0).integers(0, 2, (40, 3))
    several = {"kind": Classes(("x", "y")), "n": Number()}
    for outputs, targets in (
        ({"y": Classes(("x", "y"))}, {"y": np.arange(40) % 2}),
        ({"y": Labels(("x", "y", "z"))}, {"y": flags}),
        ({"y": Number()}, {"y": np.arange(40) / 7}),
        (several, {"kind": np.arange(40) % 2, "n": np.arange(40) / 7}),
    ):
        data = make(range(40), outputs, targets, groups=groups)
        train, validation = data.split(0.3, seed=0)
        assert not set(train.groups) & set(validation.groups)
        assert len(validation) == 12
        other = data.split(0.3, seed=0, groups=[i // 8 for i in range(40)])
        assert not {int(n) // 8 for n in other[0].names} & {int(n) // 8 for n in other[1].names}
        with pytest.raises(ConfigurationError, match=r"each of the 40 examples\. Received: 1"):
            data.split(0.3, seed=0, groups=["a"])


@BOTH
def test_several_labels_and_numbers_are_divided_alike(make):
    random = np.random.default_rng(0)
    flags = (random.random((500, 4)) < (0.5, 0.2, 0.1, 0.05)).astype(int)
    data = make(range(500), {"y": Labels(tuple("abcd"))}, {"y": flags})
    _, validation = data.split(0.2, seed=0)
    share = validation.labels.sum(axis=0) / data.labels.sum(axis=0)
    np.testing.assert_allclose(share, 0.2, atol=0.07)
    data = make(range(500), {"y": Number()}, {"y": random.normal(size=500)})
    train, validation = data.split(0.2, seed=0)
    assert len(validation) == 100
    assert abs(train.labels.mean() - validation.labels.mean()) < 0.15


@BOTH
def test_all_outputs_are_divided_alike_and_missing_labels_do_not_count(make):
    random = np.random.default_rng(1)
    kind = random.integers(0, 3, 600)
    kind[::3] = -1
    tags = (random.random((600, 2)) < (0.5, 0.1)).astype(float)
    tags[1::3] = np.nan
    number = random.normal(size=600)
    number[2::3] = np.nan
    outputs = {"kind": Classes(("a", "b", "c")), "tags": Labels(("x", "y")), "n": Number()}
    data = make(range(600), outputs, {"kind": kind, "tags": tags, "n": number})
    train, validation = data.split(0.25, seed=0)
    assert len(validation) == 150
    for name, output in outputs.items():
        whole, part = (output.strata(d.targets[name]).sum(axis=0) for d in (data, validation))
        np.testing.assert_allclose(part / whole, 0.25, atol=0.12)
        both = train, validation
        assert all(all(output.counts(part.targets[name]).values()) for part in both)


@BOTH
def test_rare_labels_are_on_both_sides(make):
    flags = np.zeros((400, 6), int)
    flags[200:, 0] = 1
    for k in range(1, 6):
        flags[[k, 200 + k], k] = 1
    data = make(range(400), {"y": Labels(tuple("abcdef"))}, {"y": flags})
    for part in data.split(0.2, seed=0):
        assert all(part.class_counts().values())
    outputs = {"y": Labels(tuple("abcdef")), "n": Number()}
    data = make(range(400), outputs, {"y": flags, "n": np.arange(400)})
    for part in data.split(0.2, seed=0):
        assert all(outputs["y"].counts(part.targets["y"]).values())


@BOTH
def test_splits_that_cannot_be(make):
    with pytest.raises(DataError, match="a single one has: 'y'"):
        make(range(3), {"y": Classes(("x", "y"))}, {"y": [0, 0, 1]}).split(0.5, seed=0)
    with pytest.raises(DataError, match="There is 1 distinct (image|text) or groups"):
        make([0, 0], {"y": Number()}, {"y": [1, 2]}).split(0.5, seed=0)
    with pytest.raises(DataError, match="every class on both sides"):
        flags = [[1, 0], [1, 0], [1, 1]]
        make(range(3), {"y": Labels(("x", "y"))}, {"y": flags}).split(0.5, seed=0)
    with pytest.raises(ConfigurationError, match="fraction must lie"):
        make(range(3), {"y": Number()}, {"y": [1, 2, 3]}).split(1.0, seed=0)


def test_other_ways_to_make_data_sets_split_alike():
    images = ImageDataset([noise(i) for i in range(12)], [0, 1] * 6, ["a", "b"])
    train, validation = images.split(0.25, seed=3)
    assert set(train.names) | set(validation.names) == set(images.names)
    texts = TextDataset([str(i) for i in range(12)], [0, 1] * 6, ["a", "b"])
    assert [part.names for part in texts.split(0.25, seed=3)] == [train.names, validation.names]
