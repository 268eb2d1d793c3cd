"""The state of a run, written often enough that a kill costs seconds."""

from __future__ import annotations

import dataclasses
import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerastl.errors import RunError
from kerastl.files import atomic_file

Array = np.ndarray[Any, Any]
FILE = "state.npz"
SECONDS_BETWEEN = 20.0
_META = "meta"


@dataclasses.dataclass
class State:
    """All that a run needs to go on as if it had never stopped.

    Attributes:
        settings: fingerprint of recipe, data and seed; a run goes on only under the same ones.
        phase: number of the phase that was running, or the number of phases when all are done.
        epoch: epochs of that phase that were complete.
        step: batches of the next epoch that were complete.
        records: results of the phases that are complete.
        history: metrics of the running phase, one list for each metric.
        best: score, epoch, waited and highest of the best epoch so far (see ``Best``), or None.
        network: values of all variables of the network, random states included; those that
            LoRA adds for a time are not of the network.
        optimizer: values of the optimizer's variables; empty between phases.
        best_values: trainable variables of the best epoch.
        start_values: those before the phase, where it may go back to them; else empty.
        adapters: low-rank updates of the running phase (see ``lora``); else empty.
        loss_variables: what weighs the losses of several outputs, where that is learned.
        seconds: time that the running phase has taken.
        slowed_at: the epoch at which a divergence was followed by a lower learning rate.
        turn: how many turns are complete (see ``turns``).
        earlier: the records of these.
        answers: what their models answered to what they were not trained on, by output; rows are
            in the order of the turns.
        solved: what their solved heads answered to the same, and that of the running turn as soon
            as it is solved, before any fine-tuning; else empty.
    """

    settings: str
    phase: int
    epoch: int = 0
    step: int = 0
    records: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    history: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    best: dict[str, Any] | None = None
    network: list[Array] = dataclasses.field(default_factory=list)
    optimizer: list[Array] = dataclasses.field(default_factory=list)
    best_values: list[Array] = dataclasses.field(default_factory=list)
    start_values: list[Array] = dataclasses.field(default_factory=list)
    adapters: list[Array] = dataclasses.field(default_factory=list)
    loss_variables: list[Array] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    slowed_at: int | None = None
    turn: int = 0
    earlier: list[list[dict[str, Any]]] = dataclasses.field(default_factory=list)
    answers: list[Array] = dataclasses.field(default_factory=list)
    solved: list[Array] = dataclasses.field(default_factory=list)

    @property
    def answered(self) -> int:
        """How many examples the models of the turns before this one answered."""
        return len(self.answers[0]) if self.answers else 0

    def after_step(self) -> State:
        """The state with which the next step begins."""
        return State(
            self.settings,
            self.phase + 1,
            records=self.records,
            turn=self.turn,
            earlier=self.earlier,
            answers=self.answers,
            solved=self.solved,
        )


_ARRAYS = (
    "network",
    "optimizer",
    "best_values",
    "start_values",
    "adapters",
    "loss_variables",
    "answers",
    "solved",
)


class CheckpointStore:
    """Writes and reads the state of a run in one file of a folder, which is replaced as a whole."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = folder / FILE
        self._clock = clock
        self._written = clock()

    @property
    def exists(self) -> bool:
        """Whether a state was written."""
        return self._path.exists()

    @property
    def due(self) -> bool:
        """Whether the last write is long enough ago."""
        return self._clock() - self._written >= SECONDS_BETWEEN

    def write(self, state: State) -> None:
        """Replaces the file.

        Raises RunError where it cannot, as on a full disk; the old file is whole.
        """
        meta = {
            field.name: getattr(state, field.name)
            for field in dataclasses.fields(state)
            if field.name not in _ARRAYS
        }
        arrays = {
            f"{name}_{index}": value
            for name in _ARRAYS
            for index, value in enumerate(getattr(state, name))
        }
        arrays[_META] = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
        try:
            with atomic_file(self._path) as temporary, temporary.open("wb") as handle:
                np.savez(handle, **arrays)
        except OSError as error:
            raise RunError(
                f"The checkpoint {self._path} cannot be written: {os.strerror(error.errno or 0)}. "
                "The last checkpoint is whole: free some space and go on with --resume "
                "(resume=True)."
            ) from error
        self._written = self._clock()

    def read(self) -> State | None:
        """The state, or None where there is none; raises RunError where the file is damaged."""
        if not self.exists:
            return None
        try:
            # Opened here, since np.load leaves a damaged file open.
            with self._path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
                meta = json.loads(file[_META].tobytes())
                arrays = {
                    name: [
                        file[f"{name}_{index}"]
                        for index in range(sum(n.startswith(f"{name}_") for n in file.files))
                    ]
                    for name in _ARRAYS
                }
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise RunError(
                f"The checkpoint {self._path} is damaged ({error}). Delete it to start over."
            ) from error
        return State(**{**meta, **arrays})

    def clear(self) -> None:
        """Removes the file, at the end of a run."""
        self._path.unlink(missing_ok=True)


def network_variables(network: keras.Model) -> list[Any]:
    """All variables of a network's layers, random states of dropout included, each once."""
    found = {id(variable): variable for layer in network.layers for variable in layer.variables}
    return list(found.values())


def stacked(before: list[Array], now: list[Array]) -> list[Array]:
    """Rows of arrays below those of others; the new ones where there were none."""
    if not before:
        return now
    return [np.concatenate(pair) for pair in zip(before, now, strict=True)]
