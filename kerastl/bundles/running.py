"""Runs a bundle's artifacts in a fresh process and brings their answers back."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles import parity
from kerastl.bundles.bundle import Artifact
from kerastl.bundles.jobs import check_installed, run_worker

Array = np.ndarray[Any, Any]

# A level more or less in pixels on the edge between two; without antialiasing it is 100 times so.
ANY_SIZE_DIFF = 0.02


@dataclass(frozen=True)
class Answers:
    """What artifacts answered.

    Attributes:
        outputs: ``(n, classes)`` by the artifact's path.
        facts: by path: the class names that the artifact holds, and its batch size.
        served: outputs of ``serve_bytes`` for encoded files, None where none was run.
        served_labels: its labels.
        unresized: by path, ``(files, classes)`` for images at the size that they came in; empty
            where none were run.
    """

    outputs: dict[str, Array]
    facts: dict[str, dict[str, Any]]
    served: Array | None
    served_labels: list[str]
    unresized: dict[str, Array]


def run_artifacts(
    bundle: Path,
    artifacts: Sequence[tuple[str, str]],
    images: Array,
    encoded: Sequence[Path],
    progress: Callable[[str], None] | None = None,
    *,
    unresized: Sequence[Array] = (),
) -> Answers:
    """Runs artifacts in their own runtimes, all in one fresh process.

    Args:
        bundle: the folder.
        artifacts: format and path of each.
        images: uint8 ``(n, height, width, 3)``.
        encoded: JPEG and PNG files for the SavedModel's ``serve_bytes``.
        progress: called with the name of each step.
        unresized: images for artifacts that take any size, uint8 ``(h, w, 3)`` each.

    Raises:
        ExportError: an artifact cannot be loaded or run.
        MissingExtraError: a runtime is not installed.
    """
    check_installed([format for format, _ in artifacts], to_convert=False)
    with tempfile.TemporaryDirectory(prefix="kerastl-run-") as temporary:
        work = Path(temporary)
        np.save(work / "images.npy", images)
        if unresized:
            np.savez(work / "unresized.npz", *unresized)
        job = {
            "kind": "run",
            "bundle": str(bundle.resolve()),
            "artifacts": [{"format": format, "path": path} for format, path in artifacts],
            "encoded": [str(path.resolve()) for path in encoded],
            "any_size": bool(unresized),
        }
        facts = run_worker(job, work, progress)
        outputs = {
            path: np.load(work / f"outputs_{index}.npy")
            for index, (_, path) in enumerate(artifacts)
        }
        native = {
            path: np.load(work / f"unresized_{index}.npy")
            for index, (_, path) in enumerate(artifacts)
            if unresized
        }
        served = work / "serve_bytes.npy"
        labels: list[str] = next(
            (fact["serve_bytes_labels"] for fact in facts.values() if "serve_bytes_labels" in fact),
            [],
        )
        answered = np.load(served) if served.exists() else None
        return Answers(outputs, facts, answered, labels, native)


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


def unresized_faults(
    unresized: Mapping[str, Array], reference: Mapping[str, Array], files: int
) -> list[str]:
    """Compares answers for images at their own size with those for images resized by Pillow.

    Args:
        unresized: by path of an artifact that takes any size, ``(images, classes)``.
        reference: by path, what they must be, of the same shape.
        files: how many of the first rows are those of files, whose labels must be the same.

    Returns:
        One sentence per artifact that resizes in another way.
    """
    faults = []
    for path, rows in unresized.items():
        agreed = parity.agreeing(reference[path][:files], rows[:files])
        diff = parity.max_abs_diff(reference[path], rows)
        if not agreed.all() or diff is None or diff > ANY_SIZE_DIFF:
            faults.append(
                f"{path} resizes in another way than training: {int((~agreed).sum())} of "
                f"{files} files at their own size get another label, largest difference on "
                f"{len(rows)} images "
                f"{'not finite' if diff is None else f'{diff:.2e}'} (allowed: {ANY_SIZE_DIFF:g})"
            )
    return faults


def held_names_faults(answers: Answers, class_names: Sequence[str]) -> list[str]:
    """Artifacts whose own class names are others than the bundle's, one sentence each."""
    return [
        f"{path} holds the class names {fact['class_names']}, not {list(class_names)}"
        for path, fact in answers.facts.items()
        if "class_names" in fact and fact["class_names"] != list(class_names)
    ]
