"""What happened in training, phase by phase and epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final


@final
class History(list[Mapping[str, Any]]):
    """The records of a plan's phases, in order (see ``kerastl.training.run_plan``).

    ``history`` and ``epoch`` join their epochs, as ``keras.callbacks.History`` has them.
    """

    @property
    def history(self) -> dict[str, list[Any]]:
        """Metrics by name, a list each with one value for each epoch of all phases.

        ``phase`` holds the name of each epoch's phase. A metric that a phase does not have is None
        in its epochs.
        """
        columns = [
            (record["name"], count, record.get("history", {}))
            for record, count in zip(self, self._epochs, strict=True)
        ]
        names = dict.fromkeys(name for _, _, metrics in columns for name in metrics)
        joined: dict[str, list[Any]] = {
            name: [
                value
                for _, count, metrics in columns
                for value in metrics.get(name, [None] * count)
            ]
            for name in names
        }
        return {**joined, "phase": [phase for phase, count, _ in columns for _ in range(count)]}

    @property
    def epoch(self) -> list[int]:
        """Numbers of the epochs over all phases, from 0."""
        return list(range(sum(self._epochs)))

    @property
    def _epochs(self) -> list[int]:
        # A record's own count may be of fewer: the epochs up to the best one.
        return [
            max((len(values) for values in record.get("history", {}).values()), default=0)
            for record in self
        ]
