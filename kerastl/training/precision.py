"""Mixed precision for the time of training alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from kerastl.errors import ConfigurationError
from kerastl.graph import forget_traces, operations
from kerastl.graph.layers import all_layers, output_operations

FULL = "float32"
HALF = "mixed_float16"
PRECISIONS = (FULL, HALF, "mixed_bfloat16")


def check_precision(precision: object) -> None:
    """Raises ConfigurationError for a precision that there is not."""
    if precision not in PRECISIONS:
        raise ConfigurationError(
            f"precision={precision!r}; allowed are {', '.join(map(repr, PRECISIONS))}."
        )


@contextlib.contextmanager
def computing_in(network: keras.Model, precision: str) -> Iterator[None]:
    """Lets a network compute in another precision, and puts everything back afterwards.

    The policy is set on the layers and not globally: Keras's own policy stays as it is, weights
    stay float32, and the network leaves as it came. Two parts stay float32: the mapping of
    pixels before the first layer that learns, whose range of 0..255 the short mantissa of
    bfloat16 would round, and the layer of the probabilities. The layers' settings are a part of
    the key of cached activations, so that precisions never mix there.

    References:
        Micikevicius et al., Mixed Precision Training, 2017, https://arxiv.org/abs/1710.03740.
    """
    if precision == FULL:
        yield
        return
    # Steps that were traced before would go on as they are.
    forget_traces(network)
    before: list[tuple[Any, Any]] = []
    policy = keras.DTypePolicy(precision)
    try:
        for layer in _learned(network):
            for inner in all_layers(layer):
                before.append((inner, inner.dtype_policy))
                inner.dtype_policy = policy
        yield
    finally:
        for layer, old in before:
            layer.dtype_policy = old
        forget_traces(network)


def _learned(network: keras.Model) -> list[Any]:
    """The layers from the first that learns to the last but the output."""
    order = operations(network)
    learns = [
        bool(getattr(op, "weights", ())) and not isinstance(op, keras.layers.Normalization)
        for op in order
    ]
    outputs = {id(operation) for operation in output_operations(network)}
    return [
        op
        for op in order[learns.index(True) :]
        if isinstance(op, keras.layers.Layer) and id(op) not in outputs
    ]
