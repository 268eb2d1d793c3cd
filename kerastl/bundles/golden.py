"""The golden folder: sources with the answers that every artifact must give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from kerastl.bundles.proof import Proof
from kerastl.bundles.running import Answers, read_arrays
from kerastl.errors import BundleError, DataError
from kerastl.task import Array, Task

NETWORK = "network"
_OUTPUTS, _FILE_OUTPUTS = "outputs.npz", "file_outputs.npz"
# Between an artifact's path and an output's name, in tasks of several outputs.
_BETWEEN = "::"


@dataclass(frozen=True)
class Golden:
    """What golden/ holds.

    Attributes:
        sources: examples, then files.
        files: how many of the last sources are files.
        outputs: ``(known, width)`` by output name, under ``"network"`` and under every artifact's
            path; of the examples, and of the files as well except in bundles of version 0.1.0.
        labels: of each source whose labels are written down, by its position: the network's under
            ``"network"``, and an artifact's under its path, both by output name.
    """

    sources: list[Any]
    files: int
    outputs: dict[str, dict[str, Array]]
    labels: dict[int, dict[str, dict[str, Any]]]

    @property
    def examples(self) -> int:
        """How many of the first sources are no files."""
        return len(self.sources) - self.files

    @property
    def known(self) -> int:
        """How many of the first sources have outputs."""
        return len(next(iter(self.outputs[NETWORK].values())))


def write(folder: Path, proof: Proof, answers: Answers) -> None:
    """Writes golden/ of a bundle."""
    task = proof.task
    golden = folder / "golden"
    golden.mkdir()
    chosen = task.input.golden_rows(proof.examples, proof.probes)
    # Files stand between the examples and the probes.
    n, files = len(proof.examples), len(proof.files)
    rows = np.array([row if row < n else row + files for row in chosen], dtype=int)
    everything = {NETWORK: proof.reference, **answers.outputs}
    _save(golden / _OUTPUTS, task, everything, rows)
    if files:
        _save(golden / _FILE_OUTPUTS, task, everything, np.arange(n, n + files))
    labels = {key: task.decode(found) for key, found in everything.items()}
    of_files = task.answers(proof.rows(slice(n, n + files)))
    task.input.write_golden(
        golden,
        [proof.sources[row] for row in rows],
        [{key: values[row] for key, values in labels.items()} for row in rows],
        [
            (file, answer, {key: values[n + i] for key, values in labels.items()})
            for i, (file, answer) in enumerate(zip(proof.files, of_files, strict=True))
        ],
    )


def _key(task: Task, key: str, name: str) -> str:
    return key if len(task.outputs) == 1 else f"{key}{_BETWEEN}{name}"


def _save(
    path: Path, task: Task, everything: Mapping[str, Mapping[str, Array]], rows: Array
) -> None:
    arrays = {
        _key(task, key, name): values[rows]
        for key, found in everything.items()
        for name, values in found.items()
    }
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def read(folder: Path, task: Task, paths: Iterable[str]) -> Golden:
    """Reads golden/ of a bundle that has artifacts under these paths.

    Raises BundleError where it is damaged, or lacks something.
    """
    golden, keys = folder / "golden", (NETWORK, *paths)
    try:
        sources, files, labels = task.input.read_golden(golden)
        outputs = _load(golden / _OUTPUTS, task, keys, len(sources) - files)
        if (golden / _FILE_OUTPUTS).exists():
            more = _load(golden / _FILE_OUTPUTS, task, keys, files)
            outputs = {
                key: {name: np.concatenate([x, more[key][name]]) for name, x in found.items()}
                for key, found in outputs.items()
            }
        named = {row: _by_output(found, task, keys) for row, found in labels.items()}
    except (OSError, EOFError, KeyError, TypeError, ValueError, DataError, BadZipFile) as error:
        raise BundleError(f"{golden} cannot be read: {error}. Export it again.") from error
    return Golden(sources, files, outputs, named)


def _load(path: Path, task: Task, keys: Iterable[str], count: int) -> dict[str, dict[str, Array]]:
    arrays = read_arrays(path)
    found = {key: {name: arrays[_key(task, key, name)] for name in task.outputs} for key in keys}
    for key, outputs in found.items():
        for name, values in outputs.items():
            wanted = (count, task.outputs[name].width)
            if not np.issubdtype(values.dtype, np.floating) or values.shape != wanted:
                raise ValueError(
                    f"{path.name} has answers of the shape {values.shape} under {key!r}, not "
                    f"{wanted}"
                )
    return found


def _by_output(
    labels: Mapping[str, Any], task: Task, keys: Iterable[str]
) -> dict[str, dict[str, Any]]:
    alone = len(task.outputs) == 1
    return {
        key: {name: labels[key] if alone else labels[key][name] for name in task.outputs}
        for key in keys
    }
