from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastl.data import stratified_sample
from kerastl.errors import ConfigurationError


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=8),
    st.integers(1, 200),
    st.integers(0, 10**6),
)
@settings(max_examples=200, deadline=None)
def test_size_distinctness_and_every_class(sizes, n, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    chosen = stratified_sample(labels, n, seed=seed)
    assert len(chosen) == min(n, len(labels))
    assert (np.diff(chosen) > 0).all()
    if n >= len(sizes):
        assert set(labels[chosen]) == set(labels)
    np.testing.assert_array_equal(chosen, stratified_sample(labels, n, seed=seed))


def test_in_proportion():
    labels = np.repeat([0, 1], [900, 100])
    chosen = stratified_sample(labels, 100, seed=0)
    assert abs(int((labels[chosen] == 1).sum()) - 10) <= 1


@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_numbers_that_cannot_be(n):
    with pytest.raises(ConfigurationError, match="1 example or more"):
        stratified_sample([0, 1], n, seed=0)
