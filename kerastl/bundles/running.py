"""Runs a bundle's artifacts in a fresh process and brings their answers back."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles.jobs import check_installed, run_worker
from kerastl.formats.pairs import pair_of
from kerastl.inputs import Input

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Answers:
    """What artifacts answered.

    Attributes:
        outputs: by the artifact's path, by output name, float32 ``(n, width)``.
        facts: by path: ``class_names`` that the artifact holds, names of its ``outputs``, its
            ``batch``, and the ``labels`` that it names itself for strings, or None.
        strings: by path, answers to sources that were given as strings, where it takes them.
        positions: which of the sources were given as strings.
    """

    outputs: dict[str, dict[str, Array]]
    facts: dict[str, dict[str, Any]]
    strings: dict[str, dict[str, Array]]
    positions: list[int]

    def rows(self, rows: slice) -> dict[str, dict[str, Array]]:
        """The answers to some of the sources."""
        return {
            path: {name: values[rows] for name, values in found.items()}
            for path, found in self.outputs.items()
        }


def run_artifacts(
    bundle: Path,
    artifacts: Sequence[tuple[str, str]],
    input: Input,
    manifest: Mapping[str, Any],
    sources: Sequence[Any],
    progress: Callable[[str], None] | None = None,
    *,
    strings: bool = True,
) -> Answers:
    """Runs artifacts, given as (format, path), in their own runtimes, all in one fresh process.

    The process makes the input again from ``manifest``. With ``strings``, artifacts that take
    strings are given those as well.

    Raises:
        ExportError: an artifact cannot be loaded or run.
        MissingExtraError: a runtime is not installed.
    """
    check_installed([name for name, _ in artifacts], to_convert=False, input=input)
    with tempfile.TemporaryDirectory(prefix="kerastl-run-") as temporary:
        work = Path(temporary)
        input.store(work, "sources", sources)
        pairs = [pair_of(input.kind, name) for name, _ in artifacts]
        takers = [pair for pair in pairs if hasattr(pair, "items")]
        given = takers[0].items(sources) if takers and strings else {}
        job = {
            "does": "run",
            "bundle": str(bundle.resolve()),
            "artifacts": [{"format": name, "path": path} for name, path in artifacts],
            "manifest": dict(manifest),
            "strings": given,
            "imports": [type(input).__module__],
        }
        facts = run_worker(job, work, progress)
        paths = [path for _, path in artifacts]
        return Answers(
            outputs={path: read_arrays(work / f"outputs_{i}.npz") for i, path in enumerate(paths)},
            facts={path: facts[path] for path in paths},
            strings={
                path: read_arrays(work / f"strings_{i}.npz")
                for i, path in enumerate(paths)
                if (work / f"strings_{i}.npz").exists()
            },
            positions=list(given),
        )


def read_arrays(path: Path) -> dict[str, Array]:
    """The arrays of a file in NumPy's npz format, by name."""
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}
