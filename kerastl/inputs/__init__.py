"""Inputs: what goes into a network. See ``kerastl.inputs.input``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerastl.errors import BundleError, ConfigurationError, KerastlError
from kerastl.inputs.augment import Augment
from kerastl.inputs.examples import ArrayExamples, Examples
from kerastl.inputs.image import Image
from kerastl.inputs.image_reading import IMAGES
from kerastl.inputs.input import Input, Spec
from kerastl.inputs.reading import Reader
from kerastl.inputs.text import Text
from kerastl.inputs.text_reading import TEXTS

__all__ = [
    "IMAGES",
    "TEXTS",
    "ArrayExamples",
    "Augment",
    "Examples",
    "Image",
    "Input",
    "Reader",
    "Spec",
    "Text",
    "input_from_manifest",
    "input_from_run",
    "register_input",
]

_INPUTS: dict[str, Any] = {member.kind: member for member in (Image, Text)}


def register_input(member: type[Input]) -> type[Input]:
    """Makes an input of your own known by its ``kind``, so that bundles can name it."""
    _INPUTS[member.kind] = member
    return member


def _of_kind(kind: str, where: Path, error: type[KerastlError]) -> Any:
    if kind not in _INPUTS:
        raise error(
            f"{where} takes inputs of the kind {kind!r}, which is not known here: "
            f"{', '.join(_INPUTS)}. Import the module that registers it."
        )
    return _INPUTS[kind]


def input_from_run(config: Mapping[str, Any], run: Path) -> Input:
    """The input of a run directory, out of ``input`` of its task.json."""
    found: Input = _of_kind(config["kind"], run, ConfigurationError).from_run(config, run)
    return found


def input_from_manifest(
    manifest: Mapping[str, Any], folder: Path, packed: Path | None = None
) -> Input:
    """The input of the bundle in ``folder``; raises BundleError if its kind is not known.

    ``packed`` is where ``Input.pack`` wrote, in the process that converts.
    """
    # Version 0.1.0 wrote it only into the task's name.
    kind = manifest["input"].get("kind", str(manifest["task"]).split("_")[0])
    found: Input = _of_kind(kind, folder, BundleError).from_manifest(manifest, folder, packed)
    return found
