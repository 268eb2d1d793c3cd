"""Rounding, against exhaustive search and against its own promises."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastl.formats import rounding

GENERATOR = np.random.default_rng(0)


def on_the_grid(weights, rounded):
    steps = rounding.scales(weights)[:, None]
    integers = rounded / steps
    return np.abs(integers - np.rint(integers)).max() < 1e-3 and np.abs(integers).max() < 127.5


def loss(weights, rounded, inputs):
    return (((rounded - weights) @ inputs.T) ** 2).sum()


def with_steps(weights, integers, step, largest):
    """One row of weights at so many steps, but for its largest."""
    rounded = integers * step
    rounded[largest] = weights[0, largest]
    return rounded[None]


def biased_inputs(n, width, seed=0):
    """As after a ReLU: correlated, and with a mean that is large beside the deviation."""
    generator = np.random.default_rng(seed)
    mixed = generator.normal(size=(n, width)) @ generator.normal(size=(width, width))
    return np.maximum(mixed + 2 * np.sqrt(width), 0)


def test_the_nearest_step():
    weights = np.array([[1.27, 0.014, -0.006], [0, 0, 0]], np.float32)
    expected = [[1.27, 0.01, -0.01], [0, 0, 0]]
    np.testing.assert_allclose(rounding.to_nearest(weights), expected, atol=1e-6)


def test_compensation_comes_close_to_the_best_of_all_roundings():
    width = 6
    weights = GENERATOR.normal(size=(1, width)).astype(np.float32)
    inputs = biased_inputs(200, width)
    step = rounding.scales(weights)[0]
    largest = np.abs(weights[0]).argmax()
    low = np.floor(weights[0] / step)
    # Every weight one step down to two up; the largest stays.
    ways = [(0,) if i == largest else (-1, 0, 1, 2) for i in range(width)]
    best = min(
        loss(weights, with_steps(weights, low + np.array(way), step, largest), inputs)
        for way in itertools.product(*ways)
    )
    found = loss(weights, rounding.with_compensation(weights, inputs.T @ inputs / 200), inputs)
    nearest = loss(weights, rounding.to_nearest(weights), inputs)
    assert best * 0.999 <= found <= 0.3 * nearest


@settings(max_examples=25, deadline=None)
@given(
    channels=st.integers(1, 5),
    width=st.integers(1, 12),
    seed=st.integers(0, 1000),
    scale=st.floats(1e-6, 1e4),
)
def test_the_grid_can_be_read_off_the_result(channels, width, seed, scale):
    generator = np.random.default_rng(seed)
    weights = (generator.normal(size=(channels, width)) * scale).astype(np.float32)
    inputs = biased_inputs(64, width, seed)
    rounded = rounding.with_compensation(weights, inputs.T @ inputs / 64)
    assert on_the_grid(weights, rounded)
    np.testing.assert_allclose(rounding.scales(rounded), rounding.scales(weights), rtol=1e-5)
    np.testing.assert_allclose(rounding.to_nearest(rounded), rounded, rtol=1e-5, atol=scale * 1e-6)


@pytest.mark.parametrize("moment", [np.zeros((4, 4)), np.diag([1.0, 0, 0, 0]), np.ones((4, 4))])
def test_inputs_that_do_not_span_their_space(moment):
    weights = GENERATOR.normal(size=(3, 4)).astype(np.float32)
    rounded = rounding.with_compensation(weights, moment)
    assert np.isfinite(rounded).all()
    assert on_the_grid(weights, rounded)


def test_weights_of_zero():
    weights = np.zeros((2, 3), np.float32)
    assert not rounding.with_compensation(weights, np.eye(3)).any()


def test_the_shift_is_the_mean_change_of_the_outputs():
    weights = GENERATOR.normal(size=(4, 9)).astype(np.float32)
    inputs = biased_inputs(500, 9)
    rounded = rounding.to_nearest(weights)
    change = (inputs @ rounded.T - inputs @ weights.T).mean(axis=0)
    np.testing.assert_allclose(rounding.shift(weights, rounded, inputs.mean(0)), change, atol=1e-5)
    own = np.stack([inputs.mean(0)] * 4)
    np.testing.assert_allclose(rounding.shift(weights, rounded, own), change, atol=1e-5)
