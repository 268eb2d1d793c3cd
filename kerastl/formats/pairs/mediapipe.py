"""TFLite model metadata: what MediaPipe's Tasks API and Android's tools read from a file.

Written with the flatbuffers library alone, after the public schema
https://github.com/google-ai-edge/mediapipe/blob/master/mediapipe/tasks/metadata/metadata_schema.fbs:
the package that used to write it, tflite-support, is no longer kept. Numbers of fields and of
enumerations are those of the schema, which only ever grows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import flatbuffers

LABELS_FILE = "labels.txt"
ENTRY = "TFLITE_METADATA"

_IDENTIFIER = b"M001"
_TENSOR_AXIS_LABELS = 2
_RGB = 1
_IMAGE_PROPERTIES, _FEATURE_PROPERTIES = 2, 1
_NORMALIZATION_OPTIONS = 1
_MIN_PARSER_VERSION = "1.0.0"


class ImageMetadata:
    """Metadata of image classifiers, as MediaPipe's ``ImageClassifier`` asks for it.

    Attributes:
        packages: modules that are needed, and the extra that brings each.
    """

    packages: ClassVar[Mapping[str, str]] = {}

    def metadata(self, conversion: Any) -> bytes | None:
        """What the entry ``TFLITE_METADATA`` holds; None where the outputs are no one class."""
        outputs = list(conversion.outputs.values())
        if len(outputs) > 1 or not outputs[0].names_one_class:
            return None
        height, width = conversion.input.size
        return image_classifier(height, width, outputs[0].width)


_Field = tuple[int, Callable[[flatbuffers.Builder, int], None]]


def image_classifier(height: int, width: int, classes: int) -> bytes:
    """Metadata of a classifier of RGB pixels from 0 to 255, as the entry ``TFLITE_METADATA``."""
    builder = flatbuffers.Builder(1024)
    source = _tensor(
        builder,
        "image",
        f"RGB pixels, 0 to 255, {height} x {width}; no other preprocessing.",
        _image_content(builder, height, width),
        units=[_pixels_as_they_are(builder)],
        low=0.0,
        high=255.0,
    )
    target = _tensor(
        builder,
        "probabilities",
        f"One value for each of {classes} classes, in the order of {LABELS_FILE}.",
        _feature_content(builder),
        files=[_labels(builder)],
        low=0.0,
        high=1.0,
    )
    graph = _table(
        builder,
        [(2, _offset(_vector(builder, [source]))), (3, _offset(_vector(builder, [target])))],
    )
    model = _table(
        builder,
        [
            (0, _text(builder, "image classifier")),
            (1, _text(builder, f"Sorts images into {classes} classes.")),
            (3, _offset(_vector(builder, [graph]))),
            (7, _text(builder, _MIN_PARSER_VERSION)),
        ],
    )
    builder.Finish(model, file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def _table(builder: flatbuffers.Builder, fields: Sequence[_Field]) -> int:
    builder.StartObject(8)
    for slot, add in fields:
        add(builder, slot)
    return int(builder.EndObject())


def _offset(offset: int) -> Callable[[flatbuffers.Builder, int], None]:
    return lambda builder, slot: builder.PrependUOffsetTRelativeSlot(slot, offset, 0)


def _text(builder: flatbuffers.Builder, text: str) -> Callable[[flatbuffers.Builder, int], None]:
    return _offset(builder.CreateString(text))


def _byte(value: int) -> Callable[[flatbuffers.Builder, int], None]:
    return lambda builder, slot: builder.PrependUint8Slot(slot, value, 0)


def _number(value: int) -> Callable[[flatbuffers.Builder, int], None]:
    return lambda builder, slot: builder.PrependUint32Slot(slot, value, 0)


def _vector(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _floats(builder: flatbuffers.Builder, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())


def _image_content(builder: flatbuffers.Builder, height: int, width: int) -> int:
    size = _table(builder, [(0, _number(width)), (1, _number(height))])
    properties = _table(builder, [(0, _byte(_RGB)), (1, _offset(size))])
    return _table(builder, [(0, _byte(_IMAGE_PROPERTIES)), (1, _offset(properties))])


def _feature_content(builder: flatbuffers.Builder) -> int:
    properties = _table(builder, [])
    return _table(builder, [(0, _byte(_FEATURE_PROPERTIES)), (1, _offset(properties))])


def _pixels_as_they_are(builder: flatbuffers.Builder) -> int:
    """Normalisation with mean 0 and deviation 1, without which a float input is refused."""
    mean, deviation = _floats(builder, [0.0]), _floats(builder, [1.0])
    options = _table(builder, [(0, _offset(mean)), (1, _offset(deviation))])
    return _table(builder, [(0, _byte(_NORMALIZATION_OPTIONS)), (1, _offset(options))])


def _labels(builder: flatbuffers.Builder) -> int:
    name = _text(builder, LABELS_FILE)
    description = _text(builder, "Class names, one a line, in the order of the outputs.")
    return _table(builder, [(0, name), (1, description), (2, _byte(_TENSOR_AXIS_LABELS))])


def _tensor(
    builder: flatbuffers.Builder,
    name: str,
    description: str,
    content: int,
    *,
    low: float,
    high: float,
    units: Sequence[int] = (),
    files: Sequence[int] = (),
) -> int:
    fields: list[_Field] = [
        (0, _text(builder, name)),
        (1, _text(builder, description)),
        (3, _offset(content)),
    ]
    if units:
        fields.append((4, _offset(_vector(builder, units))))
    largest, smallest = _floats(builder, [high]), _floats(builder, [low])
    stats = _table(builder, [(0, _offset(largest)), (1, _offset(smallest))])
    fields.append((5, _offset(stats)))
    if files:
        fields.append((6, _offset(_vector(builder, files))))
    return _table(builder, fields)
