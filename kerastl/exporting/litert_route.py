"""The LiteRT route: from the SavedModel, built-in operators only, labels inside the file.

Runs in the export worker, under TensorFlow.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

MAX_CALIBRATION_IMAGES = 256
_CUSTOM_OPERATOR = 32


def convert(
    saved_model: Path,
    path: Path,
    quantization: str | None,
    class_names: list[str],
    calibration: np.ndarray[Any, Any] | None,
) -> dict[str, Any]:
    """Writes one LiteRT file.

    Args:
        saved_model: the folder to convert; its ``serving_default`` becomes the signature.
        path: the file to write.
        quantization: None, ``"float16"``, ``"dynamic"`` or ``"int8"``.
        class_names: appended to the file as a zip archive that holds labels.txt.
        calibration: uint8 ``(n, height, width, 3)``, for ``"int8"``.

    Raises:
        RuntimeError: the network needs operators that the plain interpreter lacks.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved_model), signature_keys=["serving_default"]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantization is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantization == "int8":
        assert calibration is not None, "export() refuses int8 without calibration images"
        images = calibration
        converter.representative_dataset = lambda: _samples(images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.uint8
    path.write_bytes(converter.convert())
    custom = custom_operators(path)
    if custom:
        raise RuntimeError(
            f"The plain LiteRT interpreter has no operator for {custom}, which this network "
            "uses. Leave 'litert' out of the formats, or replace the layers that need it."
        )
    append_labels(path, class_names)
    return {}


def _samples(images: np.ndarray[Any, Any]) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    chosen = np.linspace(0, len(images) - 1, min(len(images), MAX_CALIBRATION_IMAGES)).astype(int)
    for index in chosen:
        image = images[index : index + 1].astype(np.float32)
        # Both ends of the range in every sample: the input's scale is then exactly 1 and its
        # zero point 0, so that the uint8 input takes pixels as they are.
        image[0, 0, 0], image[0, -1, -1] = 0.0, 255.0
        yield {"image": image}


def custom_operators(path: Path) -> list[str]:
    """Names of a file's custom operators, Flex ones included."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    codes = [model.OperatorCodes(index) for index in range(model.OperatorCodesLength())]
    return sorted(
        (code.CustomCode() or b"?").decode()
        for code in codes
        if code.BuiltinCode() == _CUSTOM_OPERATOR
    )


def append_labels(path: Path, class_names: list[str]) -> None:
    """Appends a zip archive with labels.txt, which interpreters pass over."""
    # A fixed date keeps the same network's file the same, byte for byte.
    entry = zipfile.ZipInfo("labels.txt", date_time=(1980, 1, 1, 0, 0, 0))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, "".join(f"{name}\n" for name in class_names))
