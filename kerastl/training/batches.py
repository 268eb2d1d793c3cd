"""Batches of activations or images, in an order that is a function of the seed alone."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from kerastl.inputs.augment import Augment
from kerastl.inputs.examples import Examples, as_input
from kerastl.training.mixup import mix
from kerastl.training.targets import KerasTargets

Array = np.ndarray[Any, Any]
# Sequences are sorted by length among as many batches: little padding, and still much chance.
_SORTED_BATCHES = 50


class Batches(abc.ABC):
    """The order of an epoch depends on (seed, phase, epoch) alone.

    So an interrupted run goes on with the very batches that it would have seen.

    Args:
        targets: those of all examples in a view.
        batch_size: examples per batch; the last one of an epoch may be smaller.
        seed: of the run.
        phase: number of the phase in the plan.
        first_epoch: the epoch that comes first.
        skip: batches of the first epoch that are left out; then that is the only epoch.
        mixup: alpha of mixup, or 0 (see ``mix``); a mixture depends on the batch's number too.
        lengths: (n,) of sequences: a batch gets examples of about one length.
    """

    def __init__(
        self,
        targets: Callable[[int], KerasTargets],
        *,
        batch_size: int,
        seed: int,
        phase: int,
        first_epoch: int,
        skip: int,
        mixup: float = 0.0,
        lengths: Array | None = None,
    ) -> None:
        self._targets_of = targets
        self._view = self.view(first_epoch)
        self._targets = targets(self._view)
        self._batch_size = batch_size
        self._key = (seed, phase)
        self._first = first_epoch
        self._skip = skip
        self._mixup = mixup
        self._lengths = lengths
        self.ragged = lengths is not None
        self._shuffled = first_epoch
        self._order = self._shuffle(first_epoch)

    def _shuffle(self, epoch: int) -> Array:
        random = np.random.default_rng([*self._key, epoch])
        order = random.permutation(len(self._targets))
        if self._lengths is None:
            return order
        size = self._batch_size
        # The last batch may be smaller, and so has to stay the last.
        whole = len(order) // size * size
        for start in range(0, whole, _SORTED_BATCHES * size):
            part = order[start : min(start + _SORTED_BATCHES * size, whole)]
            part[:] = part[np.argsort(self._lengths[part], kind="stable")]
        full = order[:whole].reshape(-1, size)
        order[:whole] = full[random.permutation(len(full))].reshape(-1)
        return order

    def __len__(self) -> int:
        return -(-len(self._targets) // self._batch_size) - self._skip

    def batch(self, epoch: int, step: int) -> tuple[Any, ...]:
        """The inputs, targets and, where there are any, weights of a step of an epoch."""
        if epoch != self._shuffled:
            self._shuffled, self._order = epoch, self._shuffle(epoch)
        if self.view(epoch) != self._view:
            self._view = self.view(epoch)
            self._targets = self._targets_of(self._view)
        start = step * self._batch_size
        # Sorted rows are read from a memory map in one sweep; within a batch order is irrelevant.
        rows = np.sort(self._order[start : start + self._batch_size])
        values, targets = self.take(epoch, rows), self._targets.take(rows)
        if self._mixup:
            # From 1 on: with a 0 at its end the key would be that of the order.
            values, targets = mix(values, targets, self._mixup, (*self._key, epoch, step + 1))
        return values, *targets.arguments()

    def epochs(self, last: int) -> Iterator[tuple[Any, ...]]:
        """The batches of all epochs before ``last``, one after another.

        Epochs are counted here, since Keras may tell of the beginning of one twice.
        """
        steps = len(self) + self._skip
        for epoch in range(self._first, last):
            for step in range(self._skip if epoch == self._first else 0, steps):
                yield self.batch(epoch, step)

    @abc.abstractmethod
    def view(self, epoch: int) -> int:
        """Which view of the examples an epoch gets."""

    @abc.abstractmethod
    def take(self, epoch: int, rows: Array) -> Array:
        """The inputs of some examples in an epoch, float32 (len(rows), ...) or token ids."""


class ViewBatches(Batches):
    """Batches of cached activations, an array (n, ...) per view; each epoch takes the next view."""

    def __init__(
        self, views: Sequence[Any], targets: Callable[[int], KerasTargets], **order: Any
    ) -> None:
        self._views = views
        super().__init__(targets, **order)

    def view(self, epoch: int) -> int:
        """The views in turn."""
        return epoch % len(self._views)

    def take(self, epoch: int, rows: Array) -> Array:
        """Activations of an epoch's view."""
        return as_input(np.asarray(self._views[self.view(epoch)][rows]))


class ExampleBatches(Batches):
    """Batches of images or token ids, varied anew in each epoch."""

    def __init__(
        self,
        examples: Examples,
        augment: Augment | None,
        targets: Callable[[int], KerasTargets],
        **order: Any,
    ) -> None:
        super().__init__(targets, **order)
        self._examples = examples
        self._augment = augment

    def view(self, epoch: int) -> int:
        """Each epoch has a view of its own."""
        return epoch

    def take(self, epoch: int, rows: Array) -> Array:
        """Inputs, each in an epoch's own variation."""
        return as_input(self._examples.take(rows, view=epoch, augment=self._augment))


class FixedBatches(keras.utils.PyDataset):
    """Batches in the order of the examples, (n, ...) activations or images, for validation."""

    def __init__(self, values: Any, targets: KerasTargets, *, batch_size: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.ragged = getattr(values, "lengths", None) is not None
        self._values = values
        self._targets = targets
        self._batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self._targets) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        rows = slice(index * self._batch_size, (index + 1) * self._batch_size)
        values = as_input(np.asarray(self._values[rows]))
        return values, *self._targets.take(rows).arguments()
