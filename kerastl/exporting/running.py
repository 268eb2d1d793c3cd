"""Runs a bundle's artifacts in a fresh process and brings their answers back."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.exporting.bundle import Artifact
from kerastl.exporting.jobs import check_installed, run_worker

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Answers:
    """What artifacts answered.

    Attributes:
        outputs: ``(n, classes)`` by the artifact's path.
        facts: by path: the class names that the artifact holds, and its batch size.
        served: outputs of ``serve_bytes`` for encoded files, None where none was run.
        served_labels: its labels.
    """

    outputs: dict[str, Array]
    facts: dict[str, dict[str, Any]]
    served: Array | None
    served_labels: list[str]


def run_artifacts(
    bundle: Path,
    artifacts: Sequence[tuple[str, str]],
    images: Array,
    encoded: Sequence[Path],
    progress: Callable[[str], None] | None = None,
) -> Answers:
    """Runs artifacts in their own runtimes, all in one fresh process.

    Args:
        bundle: the folder.
        artifacts: format and path of each.
        images: uint8 ``(n, height, width, 3)``.
        encoded: JPEG and PNG files for the SavedModel's ``serve_bytes``.
        progress: called with the name of each step.

    Raises:
        ExportError: an artifact cannot be loaded or run.
        MissingExtraError: a runtime is not installed.
    """
    check_installed([format for format, _ in artifacts], to_convert=False)
    with tempfile.TemporaryDirectory(prefix="kerastl-run-") as temporary:
        work = Path(temporary)
        np.save(work / "images.npy", images)
        job = {
            "kind": "run",
            "bundle": str(bundle.resolve()),
            "artifacts": [{"format": format, "path": path} for format, path in artifacts],
            "encoded": [str(path.resolve()) for path in encoded],
        }
        facts = run_worker(job, work, progress)
        outputs = {
            path: np.load(work / f"outputs_{index}.npy")
            for index, (_, path) in enumerate(artifacts)
        }
        served = work / "serve_bytes.npy"
        labels: list[str] = next(
            (fact["serve_bytes_labels"] for fact in facts.values() if "serve_bytes_labels" in fact),
            [],
        )
        return Answers(outputs, facts, np.load(served) if served.exists() else None, labels)


def file_faults(
    answers: Answers,
    artifacts: Sequence[Artifact],
    count: int,
    expected: Sequence[str],
    expected_quantized: Mapping[str, Sequence[str]],
    class_names: Sequence[str],
) -> list[str]:
    """Compares labels of golden source files.

    Args:
        answers: the last ``count`` rows of every output are those of the files.
        artifacts: what was run.
        count: number of files.
        expected: the network's label of each.
        expected_quantized: by path of a quantised artifact, the labels it gave at export.
        class_names: one name per output.

    Returns:
        One sentence per file and artifact that disagree.
    """
    faults = []
    for artifact in artifacts:
        rows = answers.outputs[artifact.path]
        rows = rows[len(rows) - count :]
        wanted = expected
        if artifact.quantization is not None:
            wanted = expected_quantized.get(artifact.path, [])
        for index, label in enumerate(wanted):
            got = class_names[int(rows[index].argmax())]
            if got != label:
                faults.append(
                    f"{artifact.path} calls golden file {index} {got!r}; it must be {label!r}"
                )
    return faults


def held_names_faults(answers: Answers, class_names: Sequence[str]) -> list[str]:
    """Artifacts whose own class names are others than the bundle's, one sentence each."""
    return [
        f"{path} holds the class names {fact['class_names']}, not {list(class_names)}"
        for path, fact in answers.facts.items()
        if "class_names" in fact and fact["class_names"] != list(class_names)
    ]
