"""Ctrl-C, or SIGTERM, at a moment that leaves a run consistent."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class Interruption:
    """Whether the user has asked to stop: ``asked`` from the first Ctrl-C on.

    From the second one on ``abrupt``: it may have broken off a step in its middle.
    """

    def __init__(self) -> None:
        self.asked = False
        self.abrupt = False

    def check(self) -> None:
        """Raises KeyboardInterrupt where a stop was asked for."""
        if self.asked:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Turns the first Ctrl-C into a request; a second one interrupts at once.

        A step that is broken off in the middle has changed some weights and not counted
        itself; a run that went on from there would end with other weights.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, frame: Any) -> None:
            if self.asked:
                self.abrupt = True
                raise KeyboardInterrupt
            self.asked = True

        # Services are stopped by SIGTERM: docker stop, systemd, a batch system's limit.
        numbers = (signal.SIGINT, signal.SIGTERM)
        previous = [signal.signal(number, handle) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, previous, strict=True):
                signal.signal(number, handler)
