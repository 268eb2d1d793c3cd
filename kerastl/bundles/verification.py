"""``verify``: proves a bundle again, from its hashes to its answers."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles import golden, parity, text_manifest
from kerastl.bundles.bundle import Artifact, Bundle, Gate, refuse_code
from kerastl.bundles.diagnosis import diagnose
from kerastl.bundles.hashing import sha256_path
from kerastl.bundles.manifest import bundle_of, read_manifest
from kerastl.bundles.running import (
    Answers,
    file_faults,
    held_names_faults,
    run_artifacts,
    unresized_faults,
)
from kerastl.bundles.text_verification import verify_text
from kerastl.data import decode_full_size, decode_image
from kerastl.errors import BundleError, ExportError, ParityError
from kerastl.inputs.image_probes import probe_images

Array = np.ndarray[Any, Any]

# A quantised artifact must repeat its own answers of the export; kernels of another machine
# may round an integer step or two differently. A share of what the answers range over.
QUANTIZED_REPEAT = 0.05
STEPS = 2


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
    _check_files(folder, manifest)
    refuse_code(folder, manifest["artifacts"], trusted)
    if manifest["task"] in text_manifest.TASKS:
        return verify_text(folder, manifest, progress)
    inputs, outputs, answers_of_files = _read_golden(folder)
    resize = manifest["input"]["resize"]
    height, width = resize["size"]
    sources = [folder / "golden" / "files" / name for name in answers_of_files]
    missing = [name for name in answers_of_files if f"golden/files/{name}" not in manifest["files"]]
    if missing:
        raise BundleError(f"{folder}/golden/labels.json names files that are not there: {missing}.")
    pixels = [decode_image(source, (height, width)) for source in sources]
    images = np.concatenate([inputs, np.stack(pixels)]) if pixels else inputs
    servable = [source for source in sources if golden.is_servable(source)]
    planned = [(entry["format"], entry["path"]) for entry in manifest["artifacts"]]
    try:
        natives = _unresized(sources, (height, width)) if resize["in_graph"] else []
        answers = run_artifacts(folder, planned, images, servable, progress, unresized=natives)
    except ExportError as error:
        raise BundleError(
            f"An artifact of {folder} cannot be run on this machine. {error}"
        ) from error

    bundle = bundle_of(folder, manifest)
    gate = Gate(**manifest["gate"])
    artifacts = [
        _measure(artifact, gate, answers.outputs[artifact.path][: len(inputs)], outputs)
        for artifact in bundle.artifacts
    ]
    names = manifest["class_names"]
    faults = held_names_faults(answers, names)
    faults += _golden_file_faults(answers, artifacts, answers_of_files, names)
    half = len(natives) // 2
    faults += unresized_faults(
        {path: rows[:half] for path, rows in answers.unresized.items()},
        {path: rows[half:] for path, rows in answers.unresized.items()},
        len(sources),
    )
    labels = [answers_of_files[source.name]["label"] for source in servable]
    faults += [
        f"serve_bytes calls {source.name} {got!r}; it must be {label!r}"
        for source, got, label in zip(servable, answers.served_labels, labels, strict=False)
        if got != label
    ]
    if faults or not all(artifact.passed for artifact in artifacts):
        raise ParityError(
            "\n".join(
                [
                    f"{folder} does not give its golden answers on this machine "
                    f"({len(inputs)} inputs, {len(sources)} files).",
                    parity.describe(artifacts, gate),
                    *(
                        f"  CAUSE   {cause}"
                        for cause in diagnose(
                            folder,
                            artifacts,
                            inputs,
                            outputs["network"],
                            {path: rows[: len(inputs)] for path, rows in answers.outputs.items()},
                            names,
                            gate,
                        )
                    ),
                    *(f"  FAILED  {fault}" for fault in faults),
                ]
            ),
            [vars(artifact) for artifact in artifacts],
        )
    return replace(bundle, artifacts=tuple(artifacts))


def _unresized(sources: Sequence[Path], size: tuple[int, int]) -> list[Array]:
    """Files and probes at their own size, and then the same as Pillow resizes them."""
    natives = [*(decode_full_size(source) for source in sources), *probe_images(size)]
    return natives + [decode_image(image, size) for image in natives]


def _check_files(folder: Path, manifest: dict[str, Any]) -> None:
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
    lines = "".join(f"{name}\n" for name in manifest["class_names"])
    if (folder / "labels.txt").read_text(encoding="utf-8") != lines:
        raise BundleError(f"{folder}: labels.txt and manifest.json name different classes.")


def _read_golden(folder: Path) -> tuple[Array, dict[str, Array], dict[str, Any]]:
    try:
        with np.load(folder / "golden" / "inputs.npz") as archive:
            inputs = archive["image"]
        with np.load(folder / "golden" / "outputs.npz") as archive:
            outputs = {key: archive[key] for key in archive.files}
        files = json.loads((folder / "golden" / "labels.json").read_text(encoding="utf-8"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BundleError(f"{folder}/golden cannot be read: {error}. Export it again.") from error
    return inputs, outputs, files


def _measure(
    artifact: Artifact, gate: Gate, answered: Array, recorded: dict[str, Array]
) -> Artifact:
    reference = recorded["network"]
    diff = parity.max_abs_diff(reference, answered)
    agreement = float(parity.agreeing(reference, answered).mean())
    if artifact.quantization is None:
        passed = parity.passes(gate, None, diff, agreement)
    else:
        # On so few inputs one label weighs more than the gate's slack, which the export
        # applied to all examples: here the artifact is held to its own answers.
        own = recorded[artifact.path]
        repeated = parity.max_abs_diff(own, answered)
        passed = repeated is not None and repeated <= _repeatable(own)
    return replace(
        artifact,
        max_abs_diff=diff,
        label_agreement=agreement,
        n=len(reference),
        passed=passed,
    )


def _repeatable(own: Array) -> float:
    """How far a quantised artifact's answers may be from those that it gave before."""
    allowed = QUANTIZED_REPEAT * float(np.ptp(own))
    values = np.unique(own)
    if 1 < len(values) <= 256:
        # Of integers: those of many classes range over a few steps alone.
        allowed = max(allowed, STEPS * float(np.diff(values).min()))
    return allowed


def _golden_file_faults(
    answers: Answers, artifacts: list[Artifact], files: dict[str, Any], names: list[str]
) -> list[str]:
    expected = [answer["label"] for answer in files.values()]
    own = {
        artifact.path: [answer["artifacts"][artifact.path] for answer in files.values()]
        for artifact in artifacts
        if artifact.quantization is not None
    }
    return file_faults(answers, artifacts, len(files), expected, own, names)
