"""Batches of activations or images, in an order that is a function of the seed alone."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from kerastl.training.augment import Augment
from kerastl.training.examples import Examples
from kerastl.training.mixup import mix

Array = np.ndarray[Any, Any]


class Batches(keras.utils.PyDataset):
    """The order of an epoch depends on (seed, phase, epoch) alone.

    So an interrupted run goes on with the very batches that it would have seen.

    Args:
        targets: float32 (n, classes), one-hot.
        weights: float32 (n,) or None, weight of each example in the loss.
        batch_size: examples a batch; the last one of an epoch may be smaller.
        seed: of the run.
        phase: number of the phase in the plan.
        first_epoch: the epoch that comes first.
        skip: batches of the first epoch that are left out; then that is the only epoch.
        mixup: alpha of mixup, or 0 (see ``mix``); a mixture depends on the batch's number too.
    """

    def __init__(
        self,
        targets: Array,
        weights: Array | None,
        *,
        batch_size: int,
        seed: int,
        phase: int,
        first_epoch: int,
        skip: int,
        mixup: float = 0.0,
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.epoch = first_epoch
        self._targets = targets
        self._weights = weights
        self._batch_size = batch_size
        self._key = (seed, phase)
        self._first = first_epoch
        self._skip = skip
        self._mixup = mixup
        self._begun = False
        self._shuffled = first_epoch
        self._order = self._shuffle(first_epoch)

    def _shuffle(self, epoch: int) -> Array:
        random = np.random.default_rng([*self._key, epoch])
        return random.permutation(len(self._targets))

    def __len__(self) -> int:
        return -(-len(self._targets) // self._batch_size) - self._skip

    def __getitem__(self, index: int) -> tuple[Array, ...]:
        return self.batch(self.epoch, index + self._skip)

    def batch(self, epoch: int, step: int) -> tuple[Array, ...]:
        """The inputs, targets and, where there are any, weights of a step of an epoch."""
        if epoch != self._shuffled:
            self._shuffled, self._order = epoch, self._shuffle(epoch)
        start = step * self._batch_size
        # Sorted rows are read from a memory map in one sweep; within a batch order is nothing.
        rows = np.sort(self._order[start : start + self._batch_size])
        values = self.take(epoch, rows)
        weights = None if self._weights is None else self._weights[rows]
        if self._mixup:
            # From 1 on: with a 0 at its end the key would be that of the order.
            return mix(
                values, self._targets[rows], weights, self._mixup, (*self._key, epoch, step + 1)
            )
        if weights is None:
            return values, self._targets[rows]
        return values, self._targets[rows], weights

    def epochs(self, last: int) -> Iterator[tuple[Array, ...]]:
        """The batches of all epochs before ``last``, one after another."""
        steps = len(self) + self._skip
        for epoch in range(self._first, last):
            for step in range(self._skip if epoch == self._first else 0, steps):
                yield self.batch(epoch, step)

    @abc.abstractmethod
    def take(self, epoch: int, rows: Array) -> Array:
        """The inputs of some examples in an epoch, float32 (len(rows), ...)."""

    def on_epoch_begin(self) -> None:
        """Goes on to the next epoch, but for the first."""
        # Keras calls on_epoch_end once before the first epoch as well: it is nothing to count by.
        if self._begun:
            self.epoch += 1
        self._begun = True


class ViewBatches(Batches):
    """Batches of cached activations; each epoch takes the next view.

    Args:
        views: one array (n, ...) of activations or images for each view.
        targets: see above, as all further arguments.
        weights: see above.
        **order: see above.
    """

    def __init__(
        self, views: Sequence[Any], targets: Array, weights: Array | None, **order: Any
    ) -> None:
        super().__init__(targets, weights, **order)
        self._views = views

    def take(self, epoch: int, rows: Array) -> Array:
        """Activations of an epoch's view."""
        values = self._views[epoch % len(self._views)]
        return np.asarray(values[rows]).astype(np.float32, copy=False)


class ImageBatches(Batches):
    """Batches of images, varied anew in each epoch.

    Args:
        examples: decoded images.
        augment: how they are varied, or None.
        targets: see above, as all further arguments.
        weights: see above.
        **order: see above.
    """

    def __init__(
        self,
        examples: Examples,
        augment: Augment | None,
        targets: Array,
        weights: Array | None,
        **order: Any,
    ) -> None:
        super().__init__(targets, weights, **order)
        self._examples = examples
        self._augment = augment

    def take(self, epoch: int, rows: Array) -> Array:
        """Images, each in an epoch's own variation."""
        images = self._examples.images[rows]
        if self._augment is not None:
            seed = self._key[0]
            images = np.stack(
                [
                    self._augment.apply(image, seed=seed, view=epoch, example=int(row))
                    for image, row in zip(images, rows, strict=True)
                ]
            )
        return images.astype(np.float32)


class FixedBatches(keras.utils.PyDataset):
    """Batches in the order of the examples, for validation.

    Args:
        values: (n, ...) activations or images.
        targets: float32 (n, classes), one-hot.
        batch_size: examples a batch.
    """

    def __init__(self, values: Any, targets: Array, *, batch_size: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._values = values
        self._targets = targets
        self._batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self._targets) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        rows = slice(index * self._batch_size, (index + 1) * self._batch_size)
        values = np.asarray(self._values[rows]).astype(np.float32, copy=False)
        return values, self._targets[rows]
