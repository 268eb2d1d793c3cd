"""Layers of a model that Keras shows nobody: those inside others, and those that make outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras


def all_layers(layer: keras.Layer) -> Iterator[keras.Layer]:
    """The layer itself and every layer inside it, at any depth.

    ``Model.layers`` has the first level alone, and layers have no public list of their inner ones.
    """
    return iter(layer._flatten_layers())


def output_operations(model: keras.Model) -> list[Any]:
    """The operation that makes each output; only a tensor's history knows it."""
    return [tensor._keras_history.operation for tensor in model.outputs]
