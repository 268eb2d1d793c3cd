"""Telling a person how far a long job is."""

from __future__ import annotations

import time
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class Reporter(Protocol):
    """Hears of the progress of a job; what a subclass does not define does nothing."""

    def start(self, title: str, total: int) -> None:
        """A part of the job begins; ``total`` counts its steps."""

    def advance(self, done: int, note: str = "") -> None:
        """``done`` steps of the part are done."""

    def finish(self, note: str = "") -> None:
        """The part is done."""

    def note(self, text: str) -> None:
        """Something worth knowing, between two parts."""


class SilentReporter(Reporter):
    """Says nothing."""


# Between two plain lines of one part, where there is no terminal.
_SECONDS_BETWEEN_LINES = 30.0


class ConsoleReporter:
    """A bar with the time left on a terminal; elsewhere plain lines, at the end of each part.

    A part that takes long has a line every half minute as well.

    It writes to standard error by default, so that standard output stays free.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task: Any = None
        self._title = ""
        self._started = 0.0
        self._total = 0
        self._said = 0.0

    def start(self, title: str, total: int) -> None:
        """Opens a bar."""
        self._title = title
        self._total = total
        self._started = self._said = time.perf_counter()
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
        """Moves the bar, or prints a line now and then."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
            if note:
                self._bar.update(self._task, note=note)
        elif time.perf_counter() - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = time.perf_counter()
            self._console.print(
                f"{self._title:<28} {self._said - self._started:7.1f} s  {done} of {self._total}"
                + (f", {note}" if note else ""),
                highlight=False,
                soft_wrap=True,
                markup=False,
            )

    def finish(self, note: str = "") -> None:
        """Closes the bar and leaves one line."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        seconds = time.perf_counter() - self._started
        self._console.print(
            f"{self._title:<28} {seconds:7.1f} s  {note}", highlight=False, soft_wrap=True
        )
