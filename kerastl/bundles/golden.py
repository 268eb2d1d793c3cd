"""The golden folder: sources with the answers that every artifact must give."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles.running import Answers
from kerastl.errors import BundleError, DataError
from kerastl.task import Task

Array = np.ndarray[Any, Any]
NETWORK = "network"
_INPUTS, _OUTPUTS = "inputs.npz", "outputs.npz"
# Between an artifact's path and an output's name, in tasks of several outputs.
_BETWEEN = "::"


@dataclass(frozen=True)
class Golden:
    """What golden/ holds.

    Attributes:
        sources: examples, then files.
        files: how many of the last sources are files, whose answers are written as labels alone.
        outputs: of the examples, ``(n, width)`` by output name, under ``"network"`` and under
            every artifact's path.
        labels: of each source whose label is written down, by its position: the network's under
            ``"network"``, and an artifact's under its path.
    """

    sources: list[Any]
    files: int
    outputs: dict[str, dict[str, Array]]
    labels: dict[int, dict[str, Any]]


def write(folder: Path, task: Task, proof: Any, answers: Answers) -> None:
    """Writes golden/.

    Args:
        folder: the bundle.
        task: what goes in and what comes out.
        proof: what artifacts were run on, and the network's answers.
        answers: the artifacts'.
    """
    golden = folder / "golden"
    golden.mkdir()
    rows = task.input.golden_rows(proof.examples, proof.probes)
    # Files stand between the examples and the probes.
    n, files = len(proof.examples), len(proof.files)
    rows = np.array([row if row < n else row + files for row in rows], dtype=int)
    everything = {NETWORK: proof.reference, **answers.outputs}
    alone = len(task.outputs) == 1
    arrays = {
        key if alone else f"{key}{_BETWEEN}{name}": values[rows]
        for key, found in everything.items()
        for name, values in found.items()
    }
    np.savez_compressed(golden / _OUTPUTS, **arrays)
    labels = {key: task.decode(found) for key, found in everything.items()}
    of_files = task.answers(proof.of("files"))
    task.input.write_golden(
        golden,
        [proof.sources[row] for row in rows],
        [{key: values[row] for key, values in labels.items()} for row in rows],
        [
            (file, answer, {key: values[n + i] for key, values in labels.items()})
            for i, (file, answer) in enumerate(zip(proof.files, of_files, strict=True))
        ],
    )


def read(folder: Path, task: Task) -> Golden:
    """Reads golden/.

    Raises:
        BundleError: it is damaged.
    """
    golden = folder / "golden"
    try:
        sources, files, labels = task.input.read_golden(golden)
        with np.load(golden / _OUTPUTS) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, KeyError, TypeError, ValueError, DataError, zipfile.BadZipFile) as error:
        raise BundleError(f"{golden} cannot be read: {error}. Export it again.") from error
    outputs: dict[str, dict[str, Array]] = {}
    for key, values in arrays.items():
        path, between, name = key.partition(_BETWEEN)
        outputs.setdefault(path, {})[name if between else next(iter(task.outputs))] = values
    if NETWORK not in outputs or any(set(x) != set(task.outputs) for x in outputs.values()):
        raise BundleError(f"{golden}/{_OUTPUTS} lacks answers. Export it again.")
    lengths = {len(values) for found in outputs.values() for values in found.values()}
    if lengths != {len(sources) - files}:
        raise BundleError(f"{golden} holds another number of answers than of sources.")
    return Golden(sources, files, outputs, labels)
