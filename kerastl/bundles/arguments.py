"""Checks what a caller hands to ``export``, before any work is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerastl.bundles.bundle import FORMATS, NEED_CALIBRATION, QUANTIZATIONS, LiteRTOptions
from kerastl.errors import ConfigurationError, did_you_mean

Array = np.ndarray[Any, Any]


def check_class_names(class_names: Sequence[str]) -> list[str]:
    """Class names as a list of distinct, single-line, non-empty strings."""
    if isinstance(class_names, str):
        raise ConfigurationError(
            f"class_names must be a list of strings; received the string {class_names!r}."
        )
    names = [str(name) for name in class_names]
    for name in names:
        # labels.txt holds one name a line.
        if not name.strip() or name.splitlines() != [name]:
            raise ConfigurationError(f"A class name must be one non-empty line; received {name!r}.")
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            raise ConfigurationError(
                f"A class name must be text that UTF-8 can hold; received {name!r}."
            ) from None
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ConfigurationError(f"class_names must be distinct; repeated are {repeated}.")
    return names


def check_formats(
    formats: Sequence[str], quantize: Sequence[str], calibration: Array | None
) -> tuple[list[str], list[str]]:
    """Formats and quantisations without repetition, in their canonical order."""
    chosen = check_choices("formats", formats, FORMATS)
    quantized = check_choices("quantize", quantize, QUANTIZATIONS)
    if not chosen:
        raise ConfigurationError(f"formats is empty; allowed are {FORMATS}.")
    if quantized and "litert" not in chosen:
        raise ConfigurationError(
            f"quantize={quantized} makes LiteRT files, and formats={chosen} has no 'litert'. "
            "Add it."
        )
    needing = [kind for kind in quantized if kind in NEED_CALIBRATION]
    if needing and (calibration is None or len(calibration) == 0):
        raise ConfigurationError(
            f"quantize has {needing[0]!r}, which needs real images to measure value ranges "
            "on. Pass calibration=, about 100 training images at the network's input size: uint8 "
            "(n, height, width, 3)."
        )
    return chosen, quantized


def check_litert(options: LiteRTOptions, formats: Sequence[str], quantized: Sequence[str]) -> None:
    """Refuses options of LiteRT files that none of the files asked for has."""
    options.validate()
    if options.batch is not None and "litert" not in formats:
        raise ConfigurationError(
            f"A batch of one is for LiteRT files, and formats={list(formats)} has no 'litert'."
        )
    if options.float_input and "int8" not in quantized:
        raise ConfigurationError(
            f"float_input is for the int8 file, and quantize={list(quantized)} has no 'int8'. "
            "The other files take float32 in any case."
        )


def check_choices(name: str, received: Sequence[str], allowed: Sequence[str]) -> list[str]:
    """What was chosen, without repetition and in the order of what is allowed."""
    if isinstance(received, str):
        raise ConfigurationError(
            f"{name} must be a sequence of strings, such as ({received!r},); received a string."
        )
    for item in received:
        if item not in allowed:
            raise ConfigurationError(
                f"{name} may hold {tuple(allowed)}; received {item!r}."
                f"{did_you_mean(str(item), allowed)}"
            )
    return [item for item in allowed if item in received]


def check_any_size(any_size: bool, formats: Sequence[str], quantized: Sequence[str]) -> None:
    """Refuses what artifacts that resize in the graph cannot be."""
    if not any_size:
        return
    wrong = [name for name in quantized if name != "float16"]
    if wrong:
        raise ConfigurationError(
            f"any_size resizes in float32 inside the graph, which quantize={wrong} cannot. Leave "
            "one of the two out; float16 goes with it."
        )
    if "torch" in formats:
        raise ConfigurationError(
            "any_size resizes with TensorFlow's operators, which formats=['torch'] cannot hold. "
            "Leave one of the two out."
        )


def check_images(name: str, images: Array | None, shape: tuple[int, int, int]) -> None:
    """Refuses images that are not uint8 ``(n, *shape)`` with n of at least 1."""
    if images is None:
        return
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        received = getattr(images, "dtype", type(images).__name__)
        raise ConfigurationError(
            f"{name} must be a NumPy array of dtype uint8, pixel values 0 to 255; received "
            f"{received}."
        )
    if images.ndim != 4 or images.shape[1:] != shape or len(images) == 0:
        raise ConfigurationError(
            f"{name} must have the network's input size, (n, {shape[0]}, {shape[1]}, 3) with n "
            f"of 1 or more; received {images.shape}."
        )


def check_calibration(images: Array | None, shape: tuple[int, int, int]) -> None:
    """Refuses what ``check_images`` refuses, and images in which there is nothing to see."""
    check_images("calibration", images, shape)
    if images is not None and images.min() == images.max():
        raise ConfigurationError(
            f"calibration holds images of one grey level alone, {images.min()}: no value range can "
            "be measured on them. Pass training images."
        )


def check_labels(labels: Array | None, examples: Array | None, classes: int) -> Array | None:
    """True labels as int64 ``(n,)``, one per example."""
    if labels is None:
        return None
    if examples is None:
        raise ConfigurationError("labels= are those of examples=, which was not given.")
    array = np.asarray(labels)
    if array.shape != (len(examples),) or array.dtype.kind not in "iu":
        raise ConfigurationError(
            f"labels must be integers of the shape ({len(examples)},), one per example; received "
            f"dtype {array.dtype} and shape {array.shape}."
        )
    if array.min() < 0 or array.max() >= classes:
        raise ConfigurationError(
            f"labels must lie in 0..{classes - 1}; received {array.min()}..{array.max()}."
        )
    return array.astype(np.int64)
