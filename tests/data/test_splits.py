from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastl.data import stratified_split
from kerastl.errors import ConfigurationError, DataError

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
