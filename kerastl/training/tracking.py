"""Writing a run down somewhere else, such as in an experiment tracker."""

from __future__ import annotations

import contextlib
import dataclasses
import numbers
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import keras

from kerastl.errors import ConfigurationError, did_you_mean
from kerastl.training.mlflow_tracker import MlflowTracker

if TYPE_CHECKING:
    from kerastl.training.checkpoint import State

Ending = Literal["interrupted", "failed"]


@dataclasses.dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of a run before its first epoch.

    Attributes:
        name: for people.
        parameters: the recipe's settings, the seed and the fingerprints, flat: nested names have a
            dot between them, as in ``head.dropout``.
        tags: what runs are looked for by.
    """

    name: str
    parameters: Mapping[str, Any]
    tags: Mapping[str, str]


class Tracker(Protocol):
    """Writes a run down somewhere else.

    ``check`` comes first, then ``start``, ``epoch`` for each epoch, and ``finish`` or ``stop``. A
    run that is resumed is told again from its first epoch, so ``epoch`` must pass over the steps
    that it has.

    Attributes:
        name: what the run directory remembers the run's identifier by.
    """

    name: ClassVar[str]

    def check(self) -> None:
        """Raises KerastlError where nothing can be tracked; called before anything is read."""

    def start(self, run: TrackedRun, identifier: str | None) -> str:
        """Begins a run, or takes up the one of that identifier; returns the identifier."""

    def epoch(self, step: int, phase: int, figures: Mapping[str, float]) -> None:
        """An epoch is over: ``step`` counts epochs over all phases, and both count from 1.

        Where a plan is carried out once more, with all examples, its phases are counted on.
        """

    def finish(self, metrics: Mapping[str, float], files: Sequence[Path]) -> None:
        """The run is over; ``metrics`` are on the validation data, ``files`` go with the run."""

    def stop(self, ending: Ending) -> None:
        """The run broke off."""


def tracker_of(track: str | Tracker | None) -> Tracker | None:
    """The tracker that ``"NAME"`` or ``"NAME:URI"`` means.

    Raises:
        ConfigurationError: there is no tracker of that name.
    """
    if not isinstance(track, str):
        return track
    name, colon, uri = track.partition(":")
    if name != MlflowTracker.name or (colon and not uri):
        raise ConfigurationError(
            f"track={track!r} names no tracker.{did_you_mean(name, [MlflowTracker.name])} Give "
            "'mlflow', or 'mlflow:URI' as in 'mlflow:sqlite:///mlflow.db'."
        )
    return MlflowTracker(uri or None)


class EpochTracking(keras.callbacks.Callback):
    """Passes the figures of each epoch of ``fit`` on to a tracker.

    ``before`` is the number of epochs of the phases before.
    """

    def __init__(self, tracker: Tracker, *, phase: int, before: int) -> None:
        super().__init__()
        self._tracker = tracker
        self._phase = phase
        self._before = before

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Passes them on."""
        self._tracker.epoch(self._before + epoch + 1, self._phase, _numbers(logs or {}))


def epochs_of(records: Sequence[Mapping[str, Any]]) -> int:
    """How many epochs phases took, by their records."""
    return sum(int(record["epochs"]) for record in records)


def tell_again(tracker: Tracker, state: State) -> None:
    """Tells a tracker of the epochs that are over already."""
    step = 0
    records = [record for turn in (*state.earlier, state.records) for record in turn]
    histories = [*(record["history"] for record in records), state.history]
    for phase, history in enumerate(histories, start=1):
        for figures in zip(*history.values(), strict=False):
            step += 1
            tracker.epoch(step, phase, dict(zip(history, figures, strict=True)))


@contextlib.contextmanager
def telling_how_it_ends(tracker: Tracker | None) -> Iterator[None]:
    """Tells a tracker where a run breaks off."""
    try:
        yield
    except KeyboardInterrupt:
        if tracker is not None:
            tracker.stop("interrupted")
        raise
    except BaseException:
        if tracker is not None:
            tracker.stop("failed")
        raise


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {k: float(v) for k, v in values.items() if isinstance(v, numbers.Real)}
