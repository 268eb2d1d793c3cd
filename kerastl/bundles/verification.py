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
from kerastl.bundles.golden import NETWORK, Golden
from kerastl.bundles.hashing import refuse_changed
from kerastl.bundles.manifest import bundle_of, read_manifest, task_of
from kerastl.bundles.proof import Proof
from kerastl.bundles.reporting import refuse_failed
from kerastl.bundles.running import Answers, run_artifacts
from kerastl.errors import BundleError, ExportError, KerastlError, counted
from kerastl.formats.labels import label_files
from kerastl.outputs import Gate, Output
from kerastl.task import Array, Task


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
    listed = {entry["path"]: entry["sha256"] for entry in manifest["artifacts"]}
    refuse_changed(folder, {**listed, **manifest["files"]})
    refuse_code(folder, manifest["artifacts"], trusted)
    task = _task(folder, manifest)
    _check_labels(folder, task)
    task.input.check_golden(folder / "golden", manifest)
    kept = golden.read(folder, task, [entry["path"] for entry in manifest["artifacts"]])
    _check_listed(folder, manifest, kept)
    n, files = kept.examples, kept.sources[kept.examples :]
    proof = Proof(
        task=task,
        gate=Gate(**manifest["gate"]),
        examples=kept.sources[:n],
        kind="golden",
        files=kept.sources[n : kept.known],
        probes=(),
        reference=kept.outputs[NETWORK],
    )
    others = [*files, *task.input.probes()]
    same = task.input.equivalents(others)
    sources = [*kept.sources, *(others[len(files) :] if same else []), *same]
    try:
        planned = [(entry["format"], entry["path"]) for entry in manifest["artifacts"]]
        answers = run_artifacts(folder, planned, task.input, manifest, sources, progress)
    except ExportError as error:
        raise BundleError(
            f"An artifact of {folder} cannot be run on this machine. {error}"
        ) from error

    bundle = bundle_of(folder, manifest)
    artifacts = [_measured(artifact, proof, answers, kept) for artifact in bundle.artifacts]
    found = faults.held_faults(answers, task)
    found += _string_faults(answers, proof, kept)
    found += _label_faults(kept, answers, artifacts, task)
    if same:
        middle = n + len(others)
        found += faults.resize_faults(
            answers.rows(slice(n, middle)), task, answers.rows(slice(middle, None)), len(files)
        )
    else:
        found += faults.single_faults(artifacts, answers.rows(proof.other_rows), proof)
    refuse_failed(
        f"{folder} does not give its golden answers on this machine ("
        f"{counted(n, task.input.noun, task.input.nouns)}, {counted(kept.files, 'file')}).",
        folder,
        proof,
        artifacts,
        answers.rows(proof.example_rows),
        found,
    )
    return replace(bundle, artifacts=tuple(artifacts))


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
    names = [Path(file).relative_to(folder).as_posix() for file in kept.sources[kept.examples :]]
    missing = [Path(name).name for name in names if name not in manifest["files"]]
    if missing:
        raise BundleError(f"{folder}/golden/ names files that are not there: {missing}.")


def _measured(artifact: Artifact, proof: Proof, answers: Answers, kept: Golden) -> Artifact:
    path, task, rows, known = artifact.path, proof.task, proof.example_rows, slice(0, kept.known)
    found = answers.rows(rows)[path]
    figures = task.figures(proof.rows(rows), found, proof.gate, artifact.quantization)
    if artifact.quantization is not None:
        # On so few inputs one label weighs more than the gate's slack, which the export applied
        # to all examples: here the artifact is held to its own answers.
        figures["passed"] = task.repeats(kept.outputs[path], answers.rows(known)[path])
    return replace(artifact, **figures, n=kept.examples)


def _string_faults(answers: Answers, proof: Proof, kept: Golden) -> list[str]:
    """Answers to strings: against the network's where they are recorded, else by their labels."""
    if all(position < kept.known for position in answers.positions):
        return faults.string_faults(answers, proof)
    task = proof.task
    found = []
    for path, given in answers.strings.items():
        named = answers.facts[path]["labels"] or task.decode(given)
        for position, got in zip(answers.positions, named, strict=True):
            [wanted] = kept.labels[position][NETWORK].values()
            if got != wanted:
                found.append(_misnamed(path, task, kept.sources[position], got, wanted))
    return found


def _misnamed(path: str, task: Task, source: Any, got: Any, wanted: Any) -> str:
    shown = f"{task.input.noun} {task.input.shown(source)}"
    return f"{path} calls the golden {shown} {got!r}; it must be {wanted!r}"


def _label_faults(
    kept: Golden, answers: Answers, artifacts: Iterable[Artifact], task: Task
) -> list[str]:
    """Golden sources that get another label than the one written down for them.

    Only classes are labels that a source has or has not; numbers and vectors are held to their
    values.
    """
    found = []
    for artifact in artifacts:
        quantised = artifact.quantization is not None
        for name, output in task.outputs.items():
            values = answers.outputs[artifact.path].get(name)
            if not output.class_names or values is None or values.shape[1] != output.width:
                # What is of another shape has failed already.
                continue
            given = output.decode(values)
            recorded = kept.outputs[artifact.path][name]
            own, same = output.decode(recorded), _same(output, recorded, values)
            for position, labels in kept.labels.items():
                file = position >= kept.examples
                wanted = labels[NETWORK if file and not quantised else artifact.path][name]
                # Where the outputs differ from those of the export only by rounding, a tie may go
                # either way; how far a quantised artifact's may lie off was judged before.
                tied = not file and (quantised or same[position]) and own[position] == wanted
                if given[position] != wanted and not tied:
                    source = kept.sources[position]
                    found.append(_misnamed(artifact.path, task, source, given[position], wanted))
    return found


def _same(output: Output, recorded: Array, values: Array) -> Array:
    """Which recorded answers are repeated, apart from rounding, bool ``(known,)``."""
    decided = output.agreeing(recorded, values[: len(recorded)], Gate(), None)
    return np.asarray(decided.reshape(len(recorded), -1).all(axis=1))
