"""Puts a bundle together from artifacts that passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerastl.bundles import card, golden, manifest
from kerastl.bundles.bundle import Artifact
from kerastl.bundles.hashing import files_below, sha256_manifest
from kerastl.bundles.proof import Proof
from kerastl.bundles.runners import write_runners
from kerastl.bundles.running import Answers
from kerastl.files import write_json
from kerastl.formats.labels import label_files
from kerastl.provenance import sha256_file


def write_bundle(
    folder: Path,
    proof: Proof,
    artifacts: Sequence[Artifact],
    answers: Answers,
    *,
    entries: Mapping[str, Any],
    facts: Mapping[str, Mapping[str, Any]],
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Writes everything of a bundle except its artifacts, which are there already.

    ``entries`` are the manifest's sections on the input, ``facts`` what else it says of an
    artifact, by path. Returns the manifest.
    """
    task = proof.task
    golden.write(folder, proof, answers)
    files = label_files(task.outputs)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    examples, rows = proof.rows(proof.example_rows), answers.rows(proof.example_rows)
    content: dict[str, Any] = {
        "schema_version": manifest.SCHEMA_VERSION,
        **manifest.task_entries(task, examples),
        **entries,
        "preprocessing": dict(task.input.preprocessing),
        "gate": vars(proof.gate),
        "artifacts": [
            manifest.artifact_entry(artifact, proof, rows[artifact.path], facts[artifact.path])
            for artifact in artifacts
        ],
        "parity_examples": {
            "kind": proof.kind,
            "n": len(proof.examples),
            "network_accuracy": task.accuracy(proof.labels, examples),
        },
        **provenance,
    }
    runners = write_runners(folder, dict.fromkeys(artifact.format for artifact in artifacts))
    (folder / manifest.CARD).write_text(card.render(content, task), encoding="utf-8")
    golden_files = [f"golden/{name}" for name in files_below(folder / "golden")]
    # Without the card: it is there for people to complete.
    listed = [*files, *task.input.files, *runners, *golden_files]
    content["files"] = {name: sha256_file(folder / name) for name in listed}
    content["manifest_sha256"] = sha256_manifest(content)
    write_json(folder / "manifest.json", content)
    return content
