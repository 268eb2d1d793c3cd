"""Puts a bundle together from artifacts that passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles import card, golden, manifest
from kerastl.bundles.bundle import Artifact
from kerastl.bundles.hashing import sha256_manifest, sha256_path, size_of
from kerastl.bundles.running import Answers
from kerastl.files import write_json
from kerastl.formats import FORMATS
from kerastl.formats.labels import label_files
from kerastl.outputs import Gate
from kerastl.provenance import sha256_file, versions
from kerastl.task import Task

Array = np.ndarray[Any, Any]


def described(folder: Path, format: str, quantization: str | None, **figures: Any) -> Artifact:
    """An artifact with its file's size and hash, and the figures that were measured of it."""
    path = FORMATS[format].path(quantization)
    return Artifact(
        format=format,
        path=path,
        bytes=size_of(folder / path),
        sha256=sha256_path(folder / path),
        quantization=quantization,
        **figures,
    )


def write_bundle(
    folder: Path,
    *,
    task: Task,
    entries: Mapping[str, Any],
    artifacts: Sequence[Artifact],
    gate: Gate,
    proof: Any,
    answers: Answers,
    labels: Mapping[str, Array] | None,
    facts: Mapping[str, Mapping[str, Any]],
    provenance: Mapping[str, Any],
    training_versions: Mapping[str, str],
) -> dict[str, Any]:
    """Writes everything of a bundle except its artifacts, which are there already.

    Args:
        folder: the bundle.
        task: what goes in and what comes out.
        entries: the manifest's sections on the input.
        artifacts: what was converted and measured.
        gate: the thresholds that were applied.
        proof: what artifacts were run on, and the network's answers.
        answers: the artifacts'.
        labels: true labels of the examples by output name, or None.
        facts: by path, what else the manifest says of an artifact.
        provenance: fields of the manifest that come from the caller.
        training_versions: versions of packages at training.

    Returns:
        The manifest.
    """
    golden.write(folder, task, proof, answers)
    files = label_files(task.outputs)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    examples, rows = proof.of("examples"), answers.rows(proof.rows("examples"))
    content: dict[str, Any] = {
        "schema_version": manifest.SCHEMA_VERSION,
        **manifest.task_entries(task, examples),
        **entries,
        "preprocessing": dict(task.input.preprocessing),
        "gate": vars(gate),
        "artifacts": [
            manifest.artifact_entry(
                artifact,
                gate,
                proof.kind,
                facts[artifact.path],
                _details(task, examples, rows[artifact.path], gate, artifact),
            )
            for artifact in artifacts
        ],
        "parity_examples": {
            "kind": proof.kind,
            "n": len(proof.examples),
            "network_accuracy": task.accuracy(labels, examples),
        },
        **provenance,
        "versions": {**versions(), **{f"training:{k}": v for k, v in training_versions.items()}},
    }
    (folder / manifest.CARD).write_text(card.render(content, task), encoding="utf-8")
    return sealed(folder, content, [*files, *task.input.files])


def _details(
    task: Task,
    reference: Mapping[str, Array],
    answers: Mapping[str, Array],
    gate: Gate,
    artifact: Artifact,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an artifact's parity says besides, of several outputs each for itself as well."""
    found = {
        name: output.parity_details(reference[name], answers[name], gate, artifact.quantization)
        for name, output in task.outputs.items()
    }
    if len(found) == 1:
        return next(iter(found.values()))
    outputs = {
        name: {**artifact.outputs[name], "threshold": threshold, **more}
        for name, (threshold, more) in found.items()
    }
    return {}, {"outputs": outputs}


def sealed(folder: Path, content: Mapping[str, Any], listed: Sequence[str]) -> dict[str, Any]:
    """Writes manifest.json with the hashes of a bundle's other files.

    Args:
        folder: the bundle.
        content: the manifest without ``files`` and ``manifest_sha256``.
        listed: files beside those of golden/ and the artifacts. Not the card: it is there for
            people to complete.

    Returns:
        The manifest.
    """
    golden_files = [
        item.relative_to(folder).as_posix()
        for item in sorted((folder / "golden").rglob("*"))
        if item.is_file()
    ]
    files = {name: sha256_file(folder / name) for name in [*listed, *golden_files]}
    complete: dict[str, Any] = {**content, "files": files}
    complete["manifest_sha256"] = sha256_manifest(complete)
    write_json(folder / "manifest.json", complete)
    return complete
