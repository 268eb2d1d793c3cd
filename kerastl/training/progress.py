"""Telling a person how far the epochs of a phase are."""

from __future__ import annotations

from typing import Any

import keras

from kerastl.progress import ConsoleReporter, Reporter, SilentReporter

__all__ = ["ConsoleReporter", "EpochProgress", "Reporter", "SilentReporter"]


class EpochProgress(keras.callbacks.Callback):
    """Passes the progress of ``fit``, of so many steps per epoch, on to a reporter."""

    def __init__(self, reporter: Reporter, steps: int, score: str) -> None:
        super().__init__()
        self._reporter = reporter
        self._steps = steps
        self._score = score
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remembers which epoch it is."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Moves on by a batch."""
        self._reporter.advance(self._epoch * self._steps + batch + 1)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Moves on by an epoch and shows its figures."""
        logs = logs or {}
        note = f"loss {logs.get('loss', float('nan')):.2f}"
        score = logs.get(self._score)
        if score is not None:
            note += f", val {score:.3f}"
        self._reporter.advance((epoch + 1) * self._steps, note)
