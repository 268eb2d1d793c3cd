"""Inputs: what goes into a network. See ``kerastl.inputs.input``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerastl.errors import BundleError, ConfigurationError
from kerastl.inputs.augment import Augment
from kerastl.inputs.examples import (
    MEMORY_LIMIT,
    ArrayExamples,
    Examples,
    LazyView,
    as_input,
    decode,
)
from kerastl.inputs.image import Image
from kerastl.inputs.image_reading import IMAGES, ImageReader
from kerastl.inputs.input import Input, Spec
from kerastl.inputs.reading import Reader
from kerastl.inputs.text import Text
from kerastl.inputs.text_reading import TEXTS, TextReader
from kerastl.inputs.token_examples import TokenExamples, sort_tokens

__all__ = [
    "IMAGES",
    "MEMORY_LIMIT",
    "TEXTS",
    "ArrayExamples",
    "Augment",
    "Examples",
    "Image",
    "ImageReader",
    "Input",
    "LazyView",
    "Reader",
    "Spec",
    "Text",
    "TextReader",
    "TokenExamples",
    "as_input",
    "decode",
    "input_from_manifest",
    "input_from_run",
    "register_input",
    "sort_tokens",
]

_INPUTS: dict[str, Any] = {member.kind: member for member in (Image, Text)}


def register_input(member: type[Input]) -> type[Input]:
    """Makes an input of one's own known by its ``kind``, so that bundles can name it."""
    _INPUTS[member.kind] = member
    return member


def input_from_run(config: Mapping[str, Any], run: Path) -> Input:
    """The input of a run directory, out of ``input`` of its task.json.

    Raises:
        ConfigurationError: it is of no kind that is known.
        OSError: a file is missing.
        ValueError: a file is damaged.
    """
    if config["kind"] not in _INPUTS:
        raise ConfigurationError(
            f"{run} takes inputs of the kind {config['kind']!r}, which is not known here: "
            f"{', '.join(_INPUTS)}. Import the module that registers it."
        )
    found: Input = _INPUTS[config["kind"]].from_run(config, run)
    return found


def input_from_manifest(
    manifest: Mapping[str, Any], folder: Path, packed: Path | None = None
) -> Input:
    """The input of a bundle.

    Args:
        manifest: of the bundle.
        folder: the bundle.
        packed: where ``Input.pack`` wrote, in the process that converts.

    Raises:
        BundleError: it is of no kind that is known.
    """
    # Version 0.1.0 wrote it into the task's name alone.
    kind = manifest["input"].get("kind", str(manifest["task"]).split("_")[0])
    if kind not in _INPUTS:
        raise BundleError(
            f"{folder} takes inputs of the kind {kind!r}, which is not known here: "
            f"{', '.join(_INPUTS)}. Import the module that registers it."
        )
    found: Input = _INPUTS[kind].from_manifest(manifest, folder, packed)
    return found
