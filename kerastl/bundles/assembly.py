"""Puts a bundle together from artifacts that passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles import card, golden, manifest, parity
from kerastl.bundles.bundle import Artifact, Gate, artifact_path
from kerastl.bundles.hashing import sha256_manifest, sha256_path, size_of
from kerastl.files import write_json
from kerastl.inputs.image_probes import vertical_pass_may_lead
from kerastl.provenance import sha256_file, versions

Array = np.ndarray[Any, Any]


def step_of(format: str, quantization: str | None) -> str:
    """The worker's name for the conversion of an artifact."""
    if format == "saved_model":
        return "writing saved_model"
    if format == "litert":
        return f"converting to litert ({quantization or 'float32'})"
    return f"converting to {format}" + (f" ({quantization})" if quantization else "")


def artifact_of(
    folder: Path,
    format: str,
    quantization: str | None,
    reference: Array,
    outputs: Array,
    labels: Array | None,
    gate: Gate,
    seconds: float | None,
    float_layers: Sequence[str] = (),
) -> Artifact:
    """Measures an artifact's file and its answers."""
    diff = parity.max_abs_diff(reference, outputs)
    agreement = float(parity.agreeing(reference, outputs).mean())
    accuracy = None
    if labels is not None and outputs.shape == reference.shape:
        accuracy = float((outputs.argmax(axis=1) == labels).mean())
    return described(
        folder,
        format,
        quantization,
        max_abs_diff=diff,
        label_agreement=agreement,
        n=len(reference),
        passed=parity.passes(gate, quantization, diff, agreement),
        accuracy=accuracy,
        seconds=seconds,
        float_layers=tuple(float_layers),
    )


def described(folder: Path, format: str, quantization: str | None, **figures: Any) -> Artifact:
    """An artifact with its file's size and hash, and the figures that were measured of it."""
    path = artifact_path(format, quantization)
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
    artifacts: Sequence[Artifact],
    class_names: list[str],
    shape: tuple[int, int, int],
    gate: Gate,
    inputs: Array,
    reference: Array,
    outputs: Mapping[str, Array],
    files: dict[str, Path],
    labels: Array | None,
    examples: str,
    facts: Mapping[str, Mapping[str, Any]],
    provenance: Mapping[str, Any],
    training_versions: Mapping[str, str],
    any_size: bool = False,
) -> dict[str, Any]:
    """Writes everything of a bundle but its artifacts, which are there already.

    Args:
        folder: the bundle.
        artifacts: what was converted and measured.
        class_names: one name per output.
        shape: ``(height, width, 3)``.
        gate: the thresholds that were applied.
        inputs: the examples, uint8 ``(n, *shape)``.
        reference: the network's outputs for the examples, then for the files.
        outputs: by path, the artifacts' outputs in the same order.
        files: golden source files by name.
        labels: true labels of the examples.
        examples: ``"validation"`` or ``"synthetic"``.
        facts: by path, what else the manifest says of an artifact.
        provenance: fields of the manifest that come from the caller.
        training_versions: versions of packages at training.
        any_size: whether the artifacts resize in the graph.

    Returns:
        The manifest.
    """
    n = len(inputs)
    kept = golden.chosen(n)
    answers = {"network": reference, **outputs}
    golden.write(
        folder,
        inputs[kept],
        {key: value[:n][kept] for key, value in answers.items()},
        files,
        {key: value[n:] for key, value in answers.items()},
        class_names,
    )
    lines = "".join(f"{name}\n" for name in class_names)
    (folder / "labels.txt").write_text(lines, encoding="utf-8")
    vertical_may_lead = vertical_pass_may_lead()
    content: dict[str, Any] = {
        "schema_version": manifest.SCHEMA_VERSION,
        "task": manifest.TASK,
        "class_names": class_names,
        "input": manifest.input_entry(shape, vertical_may_lead, any_size),
        "preprocessing": {"in_graph": True, "description": manifest.PREPROCESSING},
        "outputs": [
            {
                "name": "probabilities",
                "dtype": "float32",
                "shape": [None, len(class_names)],
                "kind": parity.probabilities_or_scores(reference[:n]),
            }
        ],
        "gate": vars(gate),
        "artifacts": [
            manifest.artifact_entry(artifact, gate, examples, facts[artifact.path])
            for artifact in artifacts
        ],
        "parity_examples": {
            "kind": examples,
            "n": n,
            "network_accuracy": (
                None if labels is None else float((reference[:n].argmax(1) == labels).mean())
            ),
        },
        **provenance,
        "versions": {**versions(), **{f"training:{k}": v for k, v in training_versions.items()}},
    }
    (folder / "README.md").write_text(card.render(content), encoding="utf-8")
    return sealed(folder, content, ["labels.txt"])


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
