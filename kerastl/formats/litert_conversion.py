"""The LiteRT route: from the SavedModel, built-in operators only, labels and metadata inside.

Runs in the export worker, under TensorFlow.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from kerastl.formats import CALIBRATED, LITERT
from kerastl.formats import quantization as quantizing
from kerastl.formats.conversion import Conversion
from kerastl.formats.labels import label_files
from kerastl.formats.litert_graph import Graph
from kerastl.formats.pairs import mediapipe, pair_of

_CUSTOM_OPERATOR = 32


def convert(conversion: Conversion) -> dict[str, dict[str, Any]]:
    """Writes the LiteRT files of a bundle: built-in operators only, labels and metadata inside.

    Raises RuntimeError where the network needs operators that the plain interpreter lacks.
    """
    saved = conversion.saved_model_of_fixed_lengths
    specs = conversion.input.specs(fixed_lengths=True)
    facts: dict[str, dict[str, Any]] = {}
    prepared = None
    for quantization in (None, *conversion.quantize.get(LITERT.name, ())):
        calibrated = quantization in CALIBRATED and conversion.calibration is not None
        if calibrated and prepared is None:
            with conversion.step("correcting weights on calibration images"):
                data = (conversion.bundle / LITERT.path()).read_bytes()
                prepared = quantizing.prepare(data, conversion)
        path = conversion.bundle / LITERT.path(quantization)
        with conversion.step(LITERT.step(quantization)):
            found: dict[str, Any] = {}
            if calibrated:
                assert prepared is not None
                assert quantization is not None
                data, found = quantizing.quantize(prepared, quantization, conversion)
            else:
                data = converted(saved, quantization)
            refuse_custom_operators(data)
            path.write_bytes(_finished(data, conversion))
            _append_labels(path, conversion)
        if specs != conversion.specs:
            found["length"] = specs[0].shape[0]
        facts[path.name] = found
    return facts


def _finished(data: bytes, conversion: Conversion) -> bytes:
    """The file with metadata and, where that is asked for, a batch of one."""
    pair = pair_of(conversion.input.kind, LITERT.name)
    metadata = None if pair is None else pair.metadata(conversion)
    if metadata is None and not conversion.batch_one:
        return data
    graph = Graph(data)
    if metadata is not None:
        graph.add_metadata(mediapipe.ENTRY, metadata)
    if conversion.batch_one:
        graph.fix_batch()
    return graph.pack()


def converted(saved_model: Path, quantization: str | None) -> bytes:
    """TensorFlow's own conversion, built-in operators only: None, float16 or dynamic."""
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved_model), signature_keys=["serving_default"]
    )
    # Keras's own export lets in Flex operators, which the plain interpreter cannot run:
    # https://github.com/keras-team/keras/pull/22188 describes it, and was closed.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantization is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return bytes(converter.convert())


def refuse_custom_operators(data: bytes) -> None:
    """Raises RuntimeError where a file needs operators that the plain interpreter lacks."""
    custom = custom_operators(data)
    if custom:
        raise RuntimeError(
            f"The plain LiteRT interpreter has no operator for {custom}, which this network "
            "uses. Leave 'litert' out of the formats, or replace the layers that need it."
        )


def custom_operators(data: bytes) -> list[str]:
    """Names of a file's custom operators, Flex ones included."""
    model = schema.Model.GetRootAs(data, 0)
    codes = [model.OperatorCodes(index) for index in range(model.OperatorCodesLength())]
    return sorted(
        (code.CustomCode() or b"?").decode()
        for code in codes
        if code.BuiltinCode() == _CUSTOM_OPERATOR
    )


def _append_labels(path: Path, conversion: Conversion) -> None:
    """Appends a zip archive with the files of labels, which interpreters pass over."""
    with zipfile.ZipFile(path, "a") as archive:
        for name, content in label_files(conversion.outputs).items():
            # A fixed date keeps the same network's file the same, byte for byte.
            archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), content)
