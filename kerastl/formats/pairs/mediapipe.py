"""TFLite model metadata: what MediaPipe's Tasks API and Android's tools read from a file.

Written with the flatbuffers library only, after the public schema
https://github.com/google-ai-edge/mediapipe/blob/master/mediapipe/tasks/metadata/metadata_schema.fbs:
the package that used to write it, tflite-support, is no longer kept. Numbers of fields and of
enumerations are those of the schema, which only ever grows.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import flatbuffers
import numpy as np

LABELS_FILE = "labels.txt"
ENTRY = "TFLITE_METADATA"

_IDENTIFIER = b"M001"
_TENSOR_AXIS_LABELS = 2
_RGB = 1
_IMAGE_PROPERTIES, _FEATURE_PROPERTIES = 2, 1
_NORMALIZATION_OPTIONS = 1
_MIN_PARSER_VERSION = "1.0.0"


class ImageMetadata:
    """Metadata of image classifiers, as MediaPipe's ``ImageClassifier`` asks for it."""

    packages: ClassVar[Mapping[str, str]] = {}

    def metadata(self, conversion: Any) -> bytes | None:
        """What the entry ``TFLITE_METADATA`` holds; None where the outputs are no one class."""
        outputs = list(conversion.outputs.values())
        if len(outputs) > 1 or not outputs[0].names_one_class:
            return None
        height, width = conversion.input.size
        return image_classifier(height, width, outputs[0].width)


class _Table(int):
    """Where a table was written."""


def image_classifier(height: int, width: int, classes: int) -> bytes:
    """Metadata of a classifier of RGB pixels from 0 to 255, as the entry ``TFLITE_METADATA``."""
    builder = flatbuffers.Builder(1024)
    table = partial(_table, builder)
    size = table({0: np.uint32(width), 1: np.uint32(height)})
    pixels = table({0: np.uint8(_RGB), 1: size})
    # Mean 0 and deviation 1, without which a float input is refused.
    normalization = table({0: [0.0], 1: [1.0]})
    source = table(
        {
            0: "image",
            1: f"RGB pixels, 0 to 255, {height} x {width}; no other preprocessing.",
            3: table({0: np.uint8(_IMAGE_PROPERTIES), 1: pixels}),
            4: [table({0: np.uint8(_NORMALIZATION_OPTIONS), 1: normalization})],
            5: table({0: [255.0], 1: [0.0]}),
        }
    )
    labels = table(
        {
            0: LABELS_FILE,
            1: "Class names, one per line, in the order of the outputs.",
            2: np.uint8(_TENSOR_AXIS_LABELS),
        }
    )
    target = table(
        {
            0: "probabilities",
            1: f"One value for each of {classes} classes, in the order of {LABELS_FILE}.",
            3: table({0: np.uint8(_FEATURE_PROPERTIES), 1: table({})}),
            5: table({0: [1.0], 1: [0.0]}),
            6: [labels],
        }
    )
    model = table(
        {
            0: "image classifier",
            1: f"Sorts images into {classes} classes.",
            3: [table({2: [source], 3: [target]})],
            7: _MIN_PARSER_VERSION,
        }
    )
    builder.Finish(model, file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _table(builder: flatbuffers.Builder, fields: Mapping[int, Any]) -> _Table:
    """Writes a table: numbers, strings, tables, and vectors of floats or tables, by field."""
    # A table's numbers stand inside it, and everything else must have been written before.
    written = {slot: _written(builder, value) for slot, value in fields.items()}
    builder.StartObject(8)
    for slot, value in written.items():
        if isinstance(value, np.uint8):
            builder.PrependUint8Slot(slot, int(value), 0)
        elif isinstance(value, np.uint32):
            builder.PrependUint32Slot(slot, int(value), 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    return _Table(builder.EndObject())


def _written(builder: flatbuffers.Builder, value: Any) -> Any:
    """Where a string or a vector was written; other values as they are."""
    if isinstance(value, str):
        return builder.CreateString(value)
    if not isinstance(value, list):
        return value
    builder.StartVector(4, len(value), 4)
    for item in reversed(value):
        if isinstance(item, _Table):
            builder.PrependUOffsetTRelative(item)
        else:
            builder.PrependFloat32(item)
    return builder.EndVector()
