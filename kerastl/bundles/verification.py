"""``verify``: proves a bundle again, from its hashes to its answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles import faults, golden
from kerastl.bundles.bundle import Artifact, Bundle, refuse_code
from kerastl.bundles.diagnosis import diagnose
from kerastl.bundles.golden import NETWORK, Golden
from kerastl.bundles.hashing import sha256_path
from kerastl.bundles.manifest import bundle_of, read_manifest, task_of
from kerastl.bundles.reporting import describe
from kerastl.bundles.running import Answers, run_artifacts
from kerastl.errors import BundleError, ExportError, KerastlError, ParityError
from kerastl.formats.labels import label_files
from kerastl.outputs import Gate
from kerastl.task import Task

Array = np.ndarray[Any, Any]
# What a manifest has to list where golden examples are read.
_GOLDEN = "golden/"


def verify(
    path: str | os.PathLike[str],
    progress: Callable[[str], None] | None = None,
    *,
    trusted: bool = False,
) -> Bundle:
    """Checks that a bundle is whole, unchanged, and answers as it did when it was exported.

    Args:
        path: the bundle.
        progress: called with a short text as each step begins.
        trusted: you trust the bundle's maker. A bundle with ``model.pt2`` needs it, since reading
            that file can run code that is in it, and one whose SavedModel touches files.

    Returns:
        The bundle; the artifacts' figures are those measured now, on the golden inputs.

    Raises:
        BundleError: a file is missing, damaged or changed; the message says which. Or an artifact
            can run code and ``trusted`` is False.
        ParityError: an artifact no longer gives the golden answers on this machine.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    _check_hashes(folder, manifest)
    refuse_code(folder, manifest["artifacts"], trusted)
    task = _task(folder, manifest)
    _check_labels(folder, task)
    task.input.check_golden(folder / "golden", manifest)
    kept = golden.read(folder, task)
    _check_listed(folder, manifest, kept)
    examples = kept.sources[: len(kept.sources) - kept.files]
    files = kept.sources[len(examples) :]
    others = (
        [*files, *task.input.probes()] if task.input.equivalents(files[:1] or examples[:1]) else []
    )
    same = task.input.equivalents(others)
    planned = [(entry["format"], entry["path"]) for entry in manifest["artifacts"]]
    try:
        answers = run_artifacts(
            folder,
            planned,
            task.input,
            manifest,
            [*kept.sources, *others[len(files) :], *same],
            progress,
        )
    except ExportError as error:
        raise BundleError(
            f"An artifact of {folder} cannot be run on this machine. {error}"
        ) from error

    bundle, gate = bundle_of(folder, manifest), Gate(**manifest["gate"])
    n = len(examples)
    rows = answers.rows(slice(0, n))
    artifacts = [
        _measured(artifact, task, gate, rows[artifact.path], kept) for artifact in bundle.artifacts
    ]
    found = faults.held_faults(answers, task)
    found += _string_faults(answers, task, kept, gate)
    found += _label_faults(kept, answers, artifacts, task)
    found += _resize_faults(answers, task, n, len(others))
    if found or not all(artifact.passed for artifact in artifacts):
        causes = diagnose(folder, artifacts, task, examples, kept.outputs[NETWORK], rows, gate)
        raise ParityError(
            "\n".join(
                [
                    f"{folder} does not give its golden answers on this machine ({n} "
                    f"{task.input.nouns}, {kept.files} files).",
                    describe(artifacts, gate),
                    *(f"  CAUSE   {cause}" for cause in causes),
                    *(f"  FAILED  {fault}" for fault in found),
                ]
            ),
            [vars(artifact) for artifact in artifacts],
        )
    return replace(bundle, artifacts=tuple(artifacts))


def _check_hashes(folder: Path, manifest: Mapping[str, Any]) -> None:
    listed = {entry["path"]: entry["sha256"] for entry in manifest["artifacts"]}
    for name, sha256 in {**listed, **manifest["files"]}.items():
        file = folder / name
        if not file.exists():
            raise BundleError(f"{folder} is incomplete: {name} is missing. Export it again.")
        if sha256_path(file) != sha256:
            raise BundleError(
                f"{folder} is damaged: {name} is not what was exported (its SHA-256 differs). "
                "Export it again."
            )


def _task(folder: Path, manifest: Mapping[str, Any]) -> Task:
    try:
        return task_of(manifest, folder)
    except BundleError:
        raise
    except KerastlError as error:
        raise BundleError(f"{folder} cannot be used: {error}. Export it again.") from error


def _check_labels(folder: Path, task: Task) -> None:
    for name, content in label_files(task.outputs).items():
        file = folder / name
        if not file.is_file() or file.read_text(encoding="utf-8") != content:
            raise BundleError(f"{folder}: {name} and manifest.json name different classes.")


def _check_listed(folder: Path, manifest: Mapping[str, Any], kept: Golden) -> None:
    """Golden files count only where the manifest holds their hashes."""
    files = kept.sources[len(kept.sources) - kept.files :]
    names = [Path(file).relative_to(folder).as_posix() for file in files]
    missing = [Path(name).name for name in names if name not in manifest["files"]]
    if missing:
        raise BundleError(f"{folder}/{_GOLDEN} names files that are not there: {missing}.")


def _measured(
    artifact: Artifact, task: Task, gate: Gate, answers: Mapping[str, Array], kept: Golden
) -> Artifact:
    figures = task.figures(kept.outputs[NETWORK], answers, gate, artifact.quantization)
    if artifact.quantization is not None:
        # On so few inputs one label weighs more than the gate's slack, which the export applied
        # to all examples: here the artifact is held to its own answers.
        own = kept.outputs[artifact.path]
        figures["passed"] = all(
            output.repeats(own[name], answers[name]) for name, output in task.outputs.items()
        )
    return replace(artifact, **figures, n=len(next(iter(kept.outputs[NETWORK].values()))))


def _string_faults(answers: Answers, task: Task, kept: Golden, gate: Gate) -> list[str]:
    """Answers to strings: against the network's where they are recorded, else by their labels."""
    n = len(kept.sources) - kept.files
    positions = [p for p in answers.positions if p < n]
    if positions:
        recorded = replace(
            answers,
            positions=positions,
            strings={
                path: {name: values[: len(positions)] for name, values in found.items()}
                for path, found in answers.strings.items()
            },
            facts={
                path: {**fact, "labels": (fact["labels"] or [])[: len(positions)] or None}
                for path, fact in answers.facts.items()
                if path in answers.strings
            },
        )
        return faults.string_faults(recorded, task, kept.outputs[NETWORK], gate)
    found = []
    for path in answers.strings:
        named = answers.facts[path]["labels"] or task.decode(answers.strings[path])
        for position, got in zip(answers.positions, named, strict=True):
            wanted = kept.labels[position][NETWORK]
            if got != wanted:
                shown = task.input.shown(kept.sources[position])
                found.append(f"{path} calls {shown} {got!r}; it must be {wanted!r}")
    return found


def _label_faults(
    kept: Golden, answers: Answers, artifacts: Iterable[Artifact], task: Task
) -> list[str]:
    """Golden sources whose label is another than the one that is written beside them."""
    found = []
    n = len(kept.sources) - kept.files
    for artifact in artifacts:
        given = task.decode(answers.rows(slice(0, len(kept.sources)))[artifact.path])
        excused = _ties(kept, answers, artifact, task, n)
        for position, labels in kept.labels.items():
            file = position >= n
            wanted = labels[NETWORK if file and artifact.quantization is None else artifact.path]
            if given[position] != wanted and not (not file and excused[position]):
                shown = task.input.shown(kept.sources[position])
                found.append(
                    f"{artifact.path} calls {shown} {given[position]!r}; it must be {wanted!r}"
                )
    return found


def _ties(kept: Golden, answers: Answers, artifact: Artifact, task: Task, n: int) -> Array:
    """Which examples may fall either way, bool ``(n,)``.

    Where the outputs are those of the export but for rounding, a tie may; and numbers and vectors
    are held to their values. How far a quantised artifact's may lie off was judged before.
    """
    excused = np.ones(n, dtype=bool)
    for name, output in task.outputs.items():
        if not output.class_names:
            continue
        recorded = kept.outputs[artifact.path][name]
        outputs = answers.outputs[artifact.path][name][:n]
        if recorded.shape != outputs.shape:
            continue
        same = output.agreeing(recorded, outputs, Gate(), None).reshape(n, -1).all(axis=1)
        excused &= same | (artifact.quantization is not None)
    return excused


def _resize_faults(answers: Answers, task: Task, n: int, others: int) -> list[str]:
    """Artifacts that make something else of examples than training does."""
    if not others:
        return []
    found = []
    for path, given in answers.outputs.items():
        for name, values in given.items():
            native, same = values[n : n + others], values[n + others :]
            diff = float(np.abs(native - same).max())
            if not diff <= (task.input.probe_difference or 0.0):
                found.append(
                    f"{path} resizes in another way than training: {name} differs by {diff:.2e} on "
                    f"{others} {task.input.nouns} (allowed: {task.input.probe_difference:g})"
                )
    return found
