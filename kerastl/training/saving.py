"""Writing the state of a run while it trains."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerastl.training.checkpoint import CheckpointStore, State
from kerastl.training.interruption import Interruption
from kerastl.training.selection import KeepBest, read_variables


@dataclasses.dataclass(eq=False)
class SaveState(keras.callbacks.Callback):
    """Follows a phase in a ``State``, and writes it from time to time.

    Must come after the callbacks whose state it saves, and before those of the user: an
    exception out of one of these then finds the state consistent.

    Attributes:
        store: where to; None follows without writing.
        state: changed as the phase goes on.
        variables: what is saved besides the optimizer's, by the attribute of the state that it
            goes to.
        started: when the phase began, by ``time.perf_counter``.
        steps: batches per epoch.
    """

    store: CheckpointStore | None
    state: State
    keep: KeepBest
    variables: Mapping[str, Sequence[Any]]
    started: float
    interruption: Interruption
    steps: int

    def __post_init__(self) -> None:
        super().__init__()
        # A span that goes on in the middle of an epoch counts its batches from there.
        self._offset = self.state.step

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the batch."""
        self.state.step = self._offset + batch + 1
        if self.state.step == self.steps:
            return  # The epoch is complete only after its validation.
        self._write_when_due()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts the epoch."""
        self._offset = 0
        self.state.step = 0
        self.state.epoch = epoch + 1
        for name, value in (logs or {}).items():
            self.state.history.setdefault(name, []).append(float(value))
        self._write_when_due()

    def _write_when_due(self) -> None:
        if self.store is not None and self.store.due:
            self.save()
        self.interruption.check()

    def save(self) -> None:
        """Writes the state, unless it is between an epoch's last batch and its end."""
        state = self.state
        if self.store is None or state.step == self.steps:
            return
        # On JAX the variables are empty within an epoch; asking for the model fills them.
        optimizer = self.model.optimizer
        for name, variables in self.variables.items():
            setattr(state, name, read_variables(variables))
        state.optimizer = read_variables(optimizer.variables)
        state.seconds = time.perf_counter() - self.started
        best = self.keep.best
        if best is not None:
            names = ("score", "epoch", "waited", "highest")
            state.best = {name: getattr(best, name) for name in names}
            state.best_values = best.values
        self.store.write(state)
