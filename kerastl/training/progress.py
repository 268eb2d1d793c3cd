"""Telling a person how far a run is."""

from __future__ import annotations

import time
from typing import Any, Protocol

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class Reporter(Protocol):
    """Hears of a run's progress; what a subclass does not define does nothing."""

    def start(self, title: str, total: int) -> None:
        """A part of the run begins; ``total`` counts its steps."""

    def advance(self, done: int, note: str = "") -> None:
        """``done`` steps of the part are done."""

    def finish(self, note: str = "") -> None:
        """The part is done."""

    def note(self, text: str) -> None:
        """Something worth knowing, between two parts."""


class SilentReporter(Reporter):
    """Says nothing."""


class ConsoleReporter:
    """A bar with the time left on a terminal, one plain line per part elsewhere.

    It writes to standard error by default, so that standard output stays free.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task: Any = None
        self._title = ""
        self._started = 0.0

    def start(self, title: str, total: int) -> None:
        """Opens a bar."""
        self._title = title
        self._started = time.perf_counter()
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description:<24}"),
                BarColumn(bar_width=14),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(title, total=total, note="")

    def note(self, text: str) -> None:
        """Prints a line."""
        self._console.print(text, style="dim", highlight=False, soft_wrap=True, markup=False)

    def advance(self, done: int, note: str = "") -> None:
        """Moves the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
            if note:
                self._bar.update(self._task, note=note)

    def finish(self, note: str = "") -> None:
        """Closes the bar and leaves one line."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        seconds = time.perf_counter() - self._started
        self._console.print(
            f"{self._title:<28} {seconds:7.1f} s  {note}", highlight=False, soft_wrap=True
        )


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
