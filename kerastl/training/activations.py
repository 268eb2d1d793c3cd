"""The activations of the frozen part of a network, computed once."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerastl.errors import GraphError
from kerastl.graph import Cut, operations
from kerastl.training.augment import Augment
from kerastl.training.examples import Examples, allocate

Array = np.ndarray[Any, Any]
FORWARD_BATCH = 64
_RANDOM_LAYERS = (
    keras.layers.RandomFlip,
    keras.layers.RandomRotation,
    keras.layers.RandomZoom,
    keras.layers.RandomCrop,
    keras.layers.RandomTranslation,
    keras.layers.RandomContrast,
    keras.layers.RandomBrightness,
)


@dataclasses.dataclass(frozen=True)
class Activations:
    """What the frozen part says of every example, for every view.

    Attributes:
        values: (views, n, ...) of the cut's shape.
        seconds: how long computing took.
    """

    values: Array
    seconds: float

    @property
    def bytes(self) -> int:
        """Bytes that the values take."""
        return int(self.values.nbytes)


def check_cacheable(network: keras.Model, cut: Cut) -> None:
    """Raises GraphError where the part before a cut is not a fixed function of its input."""
    for layer in operations(network)[: cut.position + 1]:
        if isinstance(layer, _RANDOM_LAYERS):
            raise GraphError(
                f"The layer {layer.name!r} before the freeze boundary ({cut.name!r}) is random, "
                "so that its activations cannot be computed once. Augment with augment=Augment() "
                "instead, or train with cache=False."
            )
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            raise GraphError(
                f"The layer {layer.name!r} before the freeze boundary ({cut.name!r}) is a "
                "trainable BatchNormalization; freeze it first: kerastl.freeze(network)."
            )


def compute(
    network: keras.Model,
    cuts: Sequence[Cut],
    examples: Examples,
    *,
    views: int,
    augment: Augment | None,
    seed: int,
    folder: Path,
    progress: Callable[[int], None] | None = None,
) -> tuple[Activations, ...]:
    """Runs the frozen part over all views of the examples, once for all cuts.

    Args:
        network: the whole network, flat.
        cuts: at which the activations are wanted; each pass over the data fills all of them.
        examples: decoded images.
        views: how many views.
        augment: how views differ.
        seed: of the views.
        folder: where files are made for what does not fit in memory.
        progress: called with how many examples, views counted, are done.

    Returns:
        One ``Activations`` for each cut.
    """
    started = time.perf_counter()
    for cut in cuts:
        check_cacheable(network, cut)
    at_input = [len(cut.tensor.shape) == 4 and cut.tensor is network.inputs[0] for cut in cuts]
    computed = [cut for cut, raw in zip(cuts, at_input, strict=True) if not raw]
    prefix = keras.Model(network.inputs[0], [cut.tensor for cut in computed]) if computed else None
    stores = [
        # Pixels are whole numbers up to 255: stored as such they take a quarter of the space.
        allocate(
            (views, len(examples), *cut.tensor.shape[1:]),
            np.dtype(np.uint8 if raw else np.float32),
            folder,
        )
        for cut, raw in zip(cuts, at_input, strict=True)
    ]
    for view in range(views):
        for start in range(0, len(examples), FORWARD_BATCH):
            stop = min(start + FORWARD_BATCH, len(examples))
            images = examples.view(start, stop, view=view, augment=augment, seed=seed)
            outputs = iter(_forward(prefix, images))
            for store, raw in zip(stores, at_input, strict=True):
                store[view, start:stop] = images if raw else next(outputs)
            if progress:
                progress(view * len(examples) + stop)
    seconds = time.perf_counter() - started
    return tuple(Activations(store, seconds) for store in stores)


def _forward(prefix: keras.Model | None, images: Array) -> list[Array]:
    if prefix is None:
        return []
    batch = images.astype(np.float32)
    missing = FORWARD_BATCH - len(batch)
    if missing:
        # One shape for all batches: a second one would be compiled anew.
        batch = np.concatenate([batch, np.zeros((missing, *batch.shape[1:]), np.float32)])
    outputs = prefix.predict_on_batch(batch)
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return [np.asarray(output)[: len(images)] for output in outputs]
