"""What a network says of sources or of examples that were read before."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerastl.inputs import Examples
from kerastl.outputs import Output
from kerastl.task import Task
from kerastl.training import FORWARD_BATCH, Prefix

Array = np.ndarray[Any, Any]

# What was traced for a network stays traced as long as the network is there.
_RUNNERS: weakref.WeakKeyDictionary[keras.Model, Prefix] = weakref.WeakKeyDictionary()


def predict_sources(network: keras.Model, task: Task, sources: Sequence[Any]) -> dict[str, Array]:
    """Outputs of a network, float32 ``(n, width)`` by name, in the order of the sources."""
    batches = task.input.batches(sources, size=FORWARD_BATCH)
    return _predict(network, task.outputs, batches, len(sources))


def predict_examples(
    network: keras.Model, outputs: Mapping[str, Output], examples: Examples
) -> dict[str, Array]:
    """Outputs of a network, float32 ``(n, width)`` by name, in the order of the examples."""
    count = len(examples)
    rows = (np.arange(i, min(i + FORWARD_BATCH, count)) for i in range(0, count, FORWARD_BATCH))
    batches = ((chosen, examples.take(chosen, view=0, augment=None)) for chosen in rows)
    return _predict(network, outputs, batches, count)


def _predict(
    network: keras.Model,
    outputs: Mapping[str, Output],
    batches: Iterable[tuple[Array, Array]],
    count: int,
) -> dict[str, Array]:
    if network not in _RUNNERS:
        _RUNNERS[network] = Prefix(keras.Model(network.inputs[0], network.outputs))
    run = _RUNNERS[network]
    widths = [int(tensor.shape[-1]) for tensor in network.outputs]
    found = {
        name: np.zeros((count, width), np.float32)
        for name, width in zip(outputs, widths, strict=True)
    }
    for rows, batch in batches:
        for values, answer in zip(found.values(), run(batch), strict=True):
            values[rows] = answer
    return found
