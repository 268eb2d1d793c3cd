"""Checks what a caller hands to ``export``, before any work is done."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerastl.bundles.bundle import LiteRTOptions
from kerastl.bundles.subject import Subject
from kerastl.errors import ConfigurationError, ImageError, counted, did_you_mean
from kerastl.formats import CALIBRATED, FORMATS, NEED_CALIBRATION, QUANTIZATIONS
from kerastl.inputs import Input
from kerastl.task import Array, check_output_names

MAX_FILES = 16


def check_class_names(class_names: Sequence[str]) -> list[str]:
    """Class names as a list of distinct, single-line, non-empty strings."""
    if isinstance(class_names, str):
        raise ConfigurationError(
            f"class_names must be a list of strings; received the string {class_names!r}."
        )
    names = [str(name) for name in class_names]
    for name in names:
        # labels.txt holds one name per line.
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


@dataclass(frozen=True)
class Plan:
    """What an export will make.

    ``input`` is what artifacts take, which may be another than the network's own. Formats, and the
    quantisations of each, are in their canonical order. ``calibration`` is of
    ``Input.calibration``; None where no file needs it, or there is none.
    """

    input: Input
    formats: list[str]
    quantize: dict[str, list[str]]
    litert: LiteRTOptions
    calibration: Array | None = None

    @property
    def artifacts(self) -> list[tuple[str, str | None]]:
        """Format and quantisation of every artifact, float ones first."""
        return [
            (name, quantization)
            for quantization in (None, *QUANTIZATIONS)
            for name in self.formats
            if quantization is None or quantization in self.quantize.get(name, ())
        ]


def plan_of(
    subject: Subject,
    formats: Sequence[str],
    quantize: Sequence[str],
    litert: LiteRTOptions,
    any_size: bool,
) -> Plan:
    """Checks what was asked for, before any work is done; raises ConfigurationError."""
    own = subject.task.input
    check_output_names(subject.task.outputs)
    for output in subject.task.outputs.values():
        check_class_names(output.class_names)
    chosen = check_choices("formats", formats, tuple(FORMATS))
    if not chosen:
        raise ConfigurationError(f"formats is empty; allowed are {tuple(FORMATS)}.")
    made = _quantizations(quantize, chosen, own)
    _check_litert(litert, chosen, made)
    asked = {quantization for of_one in made.values() for quantization in of_one}
    input = own
    if any_size:
        input = own.of_any_size()
        _check_any_size(chosen, asked)
    given = subject.samples.calibration
    for quantization in NEED_CALIBRATION:
        if quantization not in asked:
            continue
        if not own.calibrates:
            raise ConfigurationError(
                f"quantize has {quantization!r}, whose value ranges are measured on training "
                f"examples, and that is not done for {own.nouns}. Leave it out: 'dynamic' and "
                "'float16' need none."
            )
        if not len(given):
            raise ConfigurationError(
                f"quantize has {quantization!r}, which needs real {own.nouns} to measure value "
                f"ranges on. Pass calibration=, about 100 training {own.nouns} as the network "
                "takes them."
            )
    calibrated = own.calibrates and len(given) > 0 and not asked.isdisjoint(CALIBRATED)
    return Plan(input, chosen, made, litert, own.calibration(given) if calibrated else None)


def _quantizations(
    quantize: Sequence[str], formats: Sequence[str], input: Input
) -> dict[str, list[str]]:
    """By format the quantisations that were asked for, in their canonical order."""
    if isinstance(quantize, str):
        check_choices("quantize", quantize, QUANTIZATIONS)
    made: dict[str, list[str]] = {}
    for item in quantize:
        named, colon, quantization = str(item).rpartition(":")
        check_choices("quantize", [quantization], QUANTIZATIONS)
        if colon:
            check_choices("quantize", [named], tuple(FORMATS))
        wanted = [named] if colon else input.quantized_formats(quantization)
        able = [name for name in wanted if quantization in FORMATS[name].paths]
        takers = [name for name in able if name in formats]
        if not able:
            held = [key for key in FORMATS[named].paths if key is not None]
            raise ConfigurationError(
                f"quantize has {item!r}, and {FORMATS[named].title} files are not made in "
                f"{quantization!r}. Allowed are {', '.join(map(repr, held)) or 'none'}."
            )
        if not takers:
            titles = " and ".join(FORMATS[name].title for name in able)
            raise ConfigurationError(
                f"quantize={list(quantize)} makes {titles} files, and formats={list(formats)} has "
                f"no {' and no '.join(map(repr, able))}. Add one."
            )
        for name in takers:
            made.setdefault(name, []).append(quantization)
    return {name: [each for each in QUANTIZATIONS if each in made[name]] for name in made}


def _check_litert(
    options: LiteRTOptions, formats: Sequence[str], quantize: Mapping[str, Sequence[str]]
) -> None:
    options.validate()
    if options.batch is not None and "litert" not in formats:
        raise ConfigurationError(
            f"A batch of one is for LiteRT files, and formats={list(formats)} has no 'litert'."
        )
    if options.float_input and "int8" not in quantize.get("litert", ()):
        raise ConfigurationError(
            f"float_input is for the int8 file, and quantize={dict(quantize)} has no 'int8'. The "
            "other files take float32 in any case."
        )


def _check_any_size(formats: Sequence[str], asked: set[str]) -> None:
    wrong = sorted(asked - {"float16"})
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


def check_labels(labels: Array | None, examples: Array | None, classes: int) -> Array | None:
    """True labels as int64 ``(n,)``, one per example."""
    if labels is None:
        return None
    if examples is None:
        raise ConfigurationError("labels= are those of examples=, which was not given.")
    array = np.asarray(labels)
    if array.shape != (len(examples),) or not np.issubdtype(array.dtype, np.integer):
        raise ConfigurationError(
            f"labels must be integers of the shape ({len(examples)},), one per example; received "
            f"dtype {array.dtype} and shape {array.shape}."
        )
    if array.min() < 0 or array.max() >= classes:
        raise ConfigurationError(
            f"labels must lie in 0..{classes - 1}; received {array.min()}..{array.max()}."
        )
    return array.astype(np.int64)


def read_files(files: Sequence[str | os.PathLike[str]]) -> tuple[tuple[str, bytes], ...]:
    """Source files that a bundle keeps, as (name, bytes); refuses more than 16."""
    if len(files) > MAX_FILES:
        raise ConfigurationError(
            f"files= holds {counted(len(files), 'image')}; a bundle keeps at most {MAX_FILES} "
            "source files."
        )
    try:
        return tuple((Path(file).name, Path(file).read_bytes()) for file in files)
    except OSError as error:
        raise ImageError(f"{error.filename} cannot be read: {error.strerror}.") from error
