"""Handing batches to Keras in the way that costs the backend least."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from kerastl.training.batches import Batches, FixedBatches

# What is handed over at once: enough to make the handing over cheap, little enough for any memory.
_CHUNK_BYTES = 8 * 1024**2


def for_fit(batches: Batches, last: int) -> dict[str, Any]:
    """The arguments of ``fit`` that make it train on batches.

    TensorFlow's pipeline asks Python for chunks of many batches and takes them apart by itself:
    asked for each batch, Python takes about as long as a step of a small head. The batches and
    their order are the same in any case. Training ends before the epoch ``last``.
    """
    source: Any = batches.epochs(last)
    if keras.backend.backend() == "tensorflow":
        source = _pipeline(lambda: batches.epochs(last), next(source), batches.ragged)
    return {"x": source, "steps_per_epoch": len(batches)}


def for_evaluate(batches: FixedBatches) -> Any:
    """What ``evaluate`` and ``validation_data`` take, in place of batches."""
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    source = lambda: (batches[i] for i in range(len(batches)))  # noqa: E731
    pipeline = _pipeline(source, batches[0], batches.ragged)
    return pipeline.apply(tf.data.experimental.assert_cardinality(len(batches)))


def _pipeline(
    source: Callable[[], Iterator[tuple[Any, ...]]], sample: tuple[Any, ...], ragged: bool
) -> Any:
    import tensorflow as tf

    options = tf.data.Options()
    # Nothing here is tuned, and the thread that tunes is in the way: it sleeps for longer and
    # longer, up to a minute, and the end of a training waits until it wakes up.
    options.autotune.enabled = False
    return _untuned(source, sample, ragged).with_options(options)


def _untuned(
    source: Callable[[], Iterator[tuple[Any, ...]]], sample: tuple[Any, ...], ragged: bool
) -> Any:
    import tensorflow as tf

    size = _CHUNK_BYTES // max(1, sum(part.nbytes for part in keras.tree.flatten(sample)))
    if ragged or size < 2:
        # Large batches are handed over as they are: each further step would copy them once more.
        whole = _signature(sample, None)
        if ragged:
            # Neighbours are of different lengths, and cannot be stacked.
            first = tf.TensorSpec((None, None, *sample[0].shape[2:]), sample[0].dtype)
            whole = (first, *whole[1:])
        return tf.data.Dataset.from_generator(source, output_signature=whole).prefetch(2)
    # Batches, examples, and the rest: the last batch of an epoch has fewer examples.
    stacked = _signature(sample, None, None)
    return (
        tf.data.Dataset.from_generator(lambda: _chunks(source(), size), output_signature=stacked)
        .prefetch(1)
        .flat_map(lambda *parts: tf.data.Dataset.from_tensor_slices(parts))
        .prefetch(2)
    )


def _signature(parts: tuple[Any, ...], *leading: None) -> Any:
    """What TensorFlow has to know of arrays, or of tuples of them where outputs are several."""
    import tensorflow as tf

    return keras.tree.map_structure(
        lambda part: tf.TensorSpec((*leading, *part.shape[1:]), part.dtype), parts
    )


def _chunks(source: Iterator[tuple[Any, ...]], size: int) -> Iterator[tuple[Any, ...]]:
    """Stacks neighbouring batches of the same length."""
    for _, same in itertools.groupby(source, key=lambda batch: len(batch[0])):
        while chunk := list(itertools.islice(same, size)):
            yield keras.tree.map_structure(lambda *parts: np.stack(parts), *chunk)
