"""manifest.json: what a bundle says about itself, written and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from kerastl.bundles.bundle import Artifact, Bundle
from kerastl.bundles.hashing import sha256_manifest
from kerastl.bundles.proof import Proof
from kerastl.bundles.runners import FOLDER as RUNNERS
from kerastl.errors import BundleError, ConfigurationError
from kerastl.formats import FORMATS, QUANTIZATIONS
from kerastl.formats.labels import names_held
from kerastl.inputs import input_from_manifest
from kerastl.inputs.resizing import Resize
from kerastl.outputs import Gate
from kerastl.provenance import versions
from kerastl.task import Array, Task, check_output_names, outputs_from_manifest
from kerastl.text import TOKENIZER_FILE

SCHEMA_VERSION = 1
CARD = "README.md"

_PROVENANCE = ("backbone", "licence", "weights_sha256", "data_fingerprint", "training")

# Fields of an artifact that stand in its entry, and in the entry's "parity".
_OF_FILES = ("format", "path", "sha256", "bytes", "quantization")
_OF_PARITY = ("max_abs_diff", "label_agreement", "n")

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


def artifact_metadata(task: Task, entries: Mapping[str, Any]) -> dict[str, Any]:
    """What every artifact that can hold metadata is given; ``entries`` are of the task's input."""
    return {
        **_of_one(task),
        "class_names": names_held(task.outputs),
        "task": task.name,
        "outputs": {name: output.manifest_config() for name, output in task.outputs.items()},
        "preprocessing": task.input.preprocessing["description"],
        **entries,
    }


def task_entries(task: Task, reference: Mapping[str, Array]) -> dict[str, Any]:
    """The manifest's sections on what comes out; some of a single output stand at the top as well.

    ``reference`` are the network's outputs for the examples, by name.
    """
    outputs = [
        {
            "name": name,
            "dtype": "float32",
            "shape": [None, output.width],
            "kind": output.meaning(reference[name]),
            "agreement_of": output.agreement_of(task.input.noun),
            "output": output.manifest_config(),
        }
        for name, output in task.outputs.items()
    ]
    return {
        "task": task.name,
        "class_names": list(task.class_names),
        "outputs": outputs,
        **_of_one(task),
    }


def _of_one(task: Task) -> dict[str, Any]:
    """What version 0.1.0 wrote of the one output that it knew."""
    if len(task.outputs) > 1:
        return {}
    return {
        "kind": task.only.kind,
        "thresholds": task.only.manifest_config().get("thresholds"),
        "agreement_of": task.only.agreement_of(task.input.noun),
    }


def artifact_entry(
    artifact: Artifact, proof: Proof, answers: Mapping[str, Array], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """The manifest's description of one artifact.

    ``answers`` are its own to the examples, and ``facts`` is what its converter says of it.
    """
    reference, gate = proof.rows(proof.example_rows), proof.gate
    details = {
        name: output.parity_details(reference[name], answers[name], gate, artifact.quantization)
        for name, output in proof.task.outputs.items()
    }
    if len(details) == 1:
        [(threshold, more)] = details.values()
    else:
        threshold = {}
        each = {
            name: {**artifact.outputs[name], "threshold": own, **rest}
            for name, (own, rest) in details.items()
        }
        more = {"outputs": each}
    return {
        **{key: getattr(artifact, key) for key in _OF_FILES},
        "parity": {
            "max_abs_diff": artifact.max_abs_diff,
            "label_agreement": artifact.label_agreement,
            "threshold": {**gate.threshold(artifact.quantization), **threshold},
            "n": artifact.n,
            "examples": proof.kind,
            **more,
        },
        "accuracy": artifact.accuracy,
        "seconds": artifact.seconds,
        **facts,
    }


def provenance_entries(details: Mapping[str, Any]) -> dict[str, Any]:
    """Splits free details into the manifest's own fields and the rest; adds versions.

    Raises ConfigurationError where a detail cannot be written as JSON.
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
        "versions": {
            **versions(),
            **{f"training:{k}": v for k, v in (details.get("versions") or {}).items()},
        },
    }


def read_manifest(path: Path) -> dict[str, Any]:
    """Reads a bundle's manifest and checks its hash and its schema.

    Raises BundleError where the folder is not a bundle, or its manifest is damaged or was changed.
    """
    file = path / "manifest.json"
    if not file.is_file():
        raise BundleError(
            f"{path} is not a bundle: it has no manifest.json. Pass the folder that "
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
    """Raises ConfigurationError for a folder that holds anything but a bundle, damaged or whole."""
    artifacts = {path for item in FORMATS.values() for path in item.paths.values()}
    own = {*artifacts, "golden", RUNNERS, TOKENIZER_FILE, CARD, "manifest.json"}
    found = {item.name for item in path.iterdir()}
    if not found:
        return
    labels = {name for name in found if name.startswith("labels") and name.endswith(".txt")}
    foreign = sorted(found - own - labels)
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
    if not manifest["artifacts"]:
        raise BundleError(f"{file} names no artifact. Export the bundle again.")
    resize, outputs = manifest["input"].get("resize"), manifest["outputs"]
    valid_sections = {
        "files": all(isinstance(sha256, str) for sha256 in manifest["files"].values()),
        "gate": _is_gate(manifest["gate"]),
        "input": resize is None or _is_resize(resize),
        "outputs": bool(outputs) and all(_is_output(entry) for entry in outputs),
    }
    for key, valid in valid_sections.items():
        if not valid:
            raise BundleError(f"{file} has no valid {key!r}; received {manifest[key]!r}.")
    for entry in manifest["artifacts"]:
        valid = (
            isinstance(entry, dict)
            and entry.get("format") in FORMATS
            and entry.get("quantization") in (None, *QUANTIZATIONS)
            and isinstance(entry.get("parity"), dict)
            and set(_OF_PARITY) <= set(entry["parity"])
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
    return (
        isinstance(value, dict)
        and isinstance(value.get("in_graph"), bool)
        and isinstance(value.get("size"), list)
        and [type(side) for side in value["size"]] == [int, int]
        and min(value["size"]) > 0
        and value.get("aspect_ratio", "stretch") in get_args(Resize)
    )


def _is_gate(value: Mapping[str, Any]) -> bool:
    try:
        Gate(**value).validate()
    except (ConfigurationError, TypeError):
        return False
    return set(value) == set(vars(Gate()))


def _is_output(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and isinstance(value.get("shape"), list)
        and len(value["shape"]) == 2
    )


def task_of(manifest: Mapping[str, Any], folder: Path) -> Task:
    """What goes into a bundle and what comes out of it.

    Raises:
        BundleError: it is of an input or an output that is not known here, or says two things of
            its outputs.
    """
    try:
        task = Task(input_from_manifest(manifest, folder), outputs_from_manifest(manifest))
        check_output_names(task.outputs)
        widths = [output.width for output in task.outputs.values()]
        # Each reads its own settings.
        kinds = [output.manifest_config()["kind"] for output in task.outputs.values()]
        own = {"task": task.name, "class_names": list(task.class_names), **_of_one(task)}
    except (AttributeError, ConfigurationError, KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"{folder} is of a task that this kerastl does not know: {manifest['task']!r} "
            f"({error})."
        ) from error
    keys = ("task", "class_names", "kind", "thresholds")
    told = {key: manifest.get(key, own.get(key)) for key in keys}
    shapes = [entry["shape"][1] for entry in manifest["outputs"]]
    if shapes != widths or any(told[key] != own.get(key) for key in told):
        raise BundleError(
            f"{folder}/manifest.json says two things of its outputs: {told}, shapes of {shapes} "
            f"numbers, and, under 'outputs', {own}, {kinds} of {widths} numbers."
        )
    return task


def bundle_of(path: Path, manifest: dict[str, Any]) -> Bundle:
    """The bundle that a manifest describes, with the figures of its export."""
    artifacts = tuple(
        Artifact(
            **{key: entry[key] for key in _OF_FILES},
            **{key: entry["parity"][key] for key in _OF_PARITY},
            passed=True,
            accuracy=entry.get("accuracy"),
            seconds=entry.get("seconds"),
            float_layers=tuple(entry.get("float_layers", ())),
            outputs=entry["parity"].get("outputs", {}),
        )
        for entry in manifest["artifacts"]
    )
    return Bundle(path, manifest, artifacts, True)
