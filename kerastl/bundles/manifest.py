"""manifest.json: what a bundle says about itself, written and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerastl.bundles.bundle import (
    FORMATS,
    QUANTIZATIONS,
    Artifact,
    Bundle,
    Gate,
    artifact_path,
)
from kerastl.bundles.hashing import sha256_manifest
from kerastl.errors import BundleError, ConfigurationError
from kerastl.text import TOKENIZER_FILE

SCHEMA_VERSION = 1
TASK = "image_classification"
TEXT_CLASSIFICATION = "text_classification"
TEXT_EMBEDDING = "text_embedding"
CARD = "README.md"
PREPROCESSING = "in the graph: every artifact takes RGB pixels from 0 to 255 as they are"

_PROVENANCE = ("backbone", "licence", "weights_sha256", "data_fingerprint", "training")

_REQUIRED: dict[str, type | tuple[type, ...]] = {
    "schema_version": int,
    "task": str,
    "class_names": list,
    "input": dict,
    "preprocessing": dict,
    "outputs": list,
    "artifacts": list,
    "files": dict,
    "gate": dict,
    "metrics": dict,
    "versions": dict,
}

SERVE_BYTES_LIMITS = (
    "JPEG and PNG only",
    "orientation in XMP metadata is not read, EXIF orientation is",
    "transparency of PNG files with fewer than 8 bits a sample is ignored",
)


def input_entry(
    shape: tuple[int, int, int], vertical_may_lead: bool, any_size: bool = False
) -> dict[str, Any]:
    """The manifest's description of the input and of the way from a file to it."""
    return {
        "name": "image",
        "dtype": "float32",
        "shape": [None, None, None, 3] if any_size else [None, *shape],
        "layout": "NHWC",
        "color_order": "RGB",
        "value_range": [0, 255],
        "resize": {
            "size": [shape[0], shape[1]],
            "in_graph": any_size,
            "aspect_ratio": "stretch",
            "method": "bilinear",
            "antialias": True,
            "library": "Pillow",
            "rounded_to": "uint8",
            "passes": (
                "vertical first where rows removed > 2 x columns removed, else horizontal first"
                if vertical_may_lead
                else "horizontal first"
            ),
        },
        "decode": {
            "exif_orientation": "applied",
            "transparency": "flattened onto white",
            "greyscale": "repeated to RGB; 16 bits divided by 257",
        },
        "serve_bytes_limits": list(SERVE_BYTES_LIMITS),
    }


def artifact_entry(
    artifact: Artifact, gate: Gate, examples: str, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """The manifest's description of one artifact."""
    return {
        "format": artifact.format,
        "path": artifact.path,
        "sha256": artifact.sha256,
        "bytes": artifact.bytes,
        "quantization": artifact.quantization,
        "parity": {
            "max_abs_diff": artifact.max_abs_diff,
            "label_agreement": artifact.label_agreement,
            "threshold": gate.threshold(artifact.quantization),
            "n": artifact.n,
            "examples": examples,
        },
        "accuracy": artifact.accuracy,
        "seconds": artifact.seconds,
        **facts,
    }


def provenance_entries(details: Mapping[str, Any]) -> dict[str, Any]:
    """Splits free details into the manifest's own fields and the rest.

    Raises:
        ConfigurationError: a detail cannot be written as JSON.
    """
    try:
        json.dumps(dict(details), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"details= goes into manifest.json and must be JSON data: {error}."
        ) from error
    known = {*_PROVENANCE, "metrics", "versions"}
    return {
        **{key: details.get(key) for key in _PROVENANCE},
        "metrics": dict(details.get("metrics") or {}),
        "details": {key: value for key, value in details.items() if key not in known},
    }


def read_manifest(path: Path) -> dict[str, Any]:
    """Reads a bundle's manifest and checks its hash and its schema.

    Raises:
        BundleError: the folder is no bundle, or its manifest is damaged or was changed.
    """
    file = path / "manifest.json"
    if not file.is_file():
        raise BundleError(
            f"{path} is no bundle: it has no manifest.json. Pass the folder that "
            "`kerastl export` wrote."
        )
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BundleError(f"{file} is damaged: {error}. Export the bundle again.") from error
    if not isinstance(manifest, dict):
        raise BundleError(f"{file} is damaged: it holds no JSON object. Export the bundle again.")
    _check_schema(file, manifest)
    if manifest.get("manifest_sha256") != sha256_manifest(manifest):
        raise BundleError(f"{file} was changed after the export. Export the bundle again.")
    return manifest


def refuse_foreign_folder(path: Path) -> None:
    """Refuses to replace a folder that holds anything but a bundle, damaged or whole.

    Raises:
        ConfigurationError: there are files in it that no export wrote.
    """
    artifacts = {
        artifact_path(format, kind)
        for format in FORMATS
        for kind in (None, *QUANTIZATIONS)
        if kind is None or format == "litert" or (format, kind) == ("onnx", "dynamic")
    }
    own = {*artifacts, "golden", "labels.txt", TOKENIZER_FILE, CARD, "manifest.json"}
    found = {item.name for item in path.iterdir()}
    if not found:
        return
    foreign = sorted(found - own)
    if foreign or "manifest.json" not in found:
        named = ", ".join((foreign or sorted(found))[:5])
        raise ConfigurationError(
            f"{path} holds what no export wrote, and is left as it is: {named}. Choose another "
            "folder, or move these elsewhere."
        )


def _check_schema(file: Path, manifest: Mapping[str, Any]) -> None:
    for key, kind in _REQUIRED.items():
        if not isinstance(manifest.get(key), kind):
            raise BundleError(f"{file} has no valid {key!r}; received {manifest.get(key)!r}.")
    if manifest["schema_version"] != SCHEMA_VERSION:
        raise BundleError(
            f"{file} has schema_version {manifest['schema_version']}; this kerastl reads "
            f"{SCHEMA_VERSION}. Install the version of kerastl that wrote it."
        )
    if manifest["task"] not in (TASK, TEXT_CLASSIFICATION, TEXT_EMBEDDING):
        raise BundleError(
            f"{file} is of a task that this kerastl does not know: {manifest['task']!r}."
        )
    if not manifest["artifacts"]:
        raise BundleError(f"{file} names no artifact. Export the bundle again.")
    if set(manifest["gate"]) != set(vars(Gate())):
        raise BundleError(f"{file} has no valid 'gate'; received {manifest['gate']!r}.")
    if manifest["task"] == TASK and not _is_resize(manifest["input"].get("resize")):
        raise BundleError(f"{file} has no valid 'input'; received {manifest['input']!r}.")
    for entry in manifest["artifacts"]:
        valid = (
            isinstance(entry, dict)
            and entry.get("format") in FORMATS
            and entry.get("quantization") in (None, *QUANTIZATIONS)
            and isinstance(entry.get("parity"), dict)
            and {"max_abs_diff", "label_agreement", "n"} <= set(entry["parity"])
            and all(isinstance(entry.get(key), str) for key in ("path", "sha256"))
            and isinstance(entry.get("bytes"), int)
        )
        if not valid:
            raise BundleError(f"{file} has an invalid artifact entry: {entry!r}.")
    root = file.parent.resolve()
    for name in (*(entry["path"] for entry in manifest["artifacts"]), *manifest["files"]):
        if not (root / name).resolve().is_relative_to(root):
            raise BundleError(f"{file} names a file outside the bundle: {name!r}.")


def _is_resize(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("in_graph"), bool):
        return False
    size = value.get("size")
    return isinstance(size, list) and [type(side) for side in size] == [int, int]


def bundle_of(path: Path, manifest: dict[str, Any]) -> Bundle:
    """The bundle that a manifest describes, with the figures of its export."""
    artifacts = tuple(
        Artifact(
            **{key: entry[key] for key in ("format", "path", "bytes", "sha256", "quantization")},
            max_abs_diff=entry["parity"]["max_abs_diff"],
            label_agreement=entry["parity"]["label_agreement"],
            n=entry["parity"]["n"],
            passed=True,
            accuracy=entry.get("accuracy"),
            seconds=entry.get("seconds"),
            float_layers=tuple(entry.get("float_layers", ())),
        )
        for entry in manifest["artifacts"]
    )
    return Bundle(path, manifest, artifacts, True)
