"""The LiteRT route: from the SavedModel, built-in operators only, labels and metadata inside.

Runs in the export worker, under TensorFlow.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from kerastl.bundles import litert_metadata
from kerastl.bundles.bundle import LiteRTOptions
from kerastl.bundles.litert_graph import Graph
from kerastl.bundles.quantization import Prepared, quantize

_CUSTOM_OPERATOR = 32
_DYNAMIC_BATCH = LiteRTOptions()


def convert(
    saved_model: Path,
    path: Path,
    quantization: str | None,
    class_names: list[str],
    *,
    shape: tuple[int, int, int],
    options: LiteRTOptions = _DYNAMIC_BATCH,
    prepared: Prepared | None = None,
    gate: float = 1.0,
    layers: Sequence[str] = (),
) -> dict[str, Any]:
    """Writes one LiteRT file.

    Args:
        saved_model: the folder to convert; its ``serving_default`` becomes the signature.
        path: the file to write.
        quantization: None, or one of :data:`kerastl.bundles.bundle.QUANTIZATIONS`.
        class_names: go into the file, where MediaPipe's Tasks API looks for them.
        shape: ``(height, width, 3)``.
        options: batch dimension and input of the file.
        prepared: for ``"int8"`` and ``"int16x8"``; ``"dynamic"`` without it rounds each weight to
            the nearest step and corrects nothing.
        gate: label agreement that the file will have to reach, for the choice of float layers.
        layers: names of the network's layers.

    Returns:
        What the manifest says of it beside its parity.

    Raises:
        RuntimeError: the network needs operators that the plain interpreter lacks.
    """
    facts: dict[str, Any] = {}
    if prepared is None or quantization in (None, "float16"):
        data = converted(saved_model, quantization)
    else:
        data, facts = quantize(
            prepared, quantization, gate=gate, layers=layers, float_input=options.float_input
        )
    refuse_custom_operators(data)
    graph = Graph(data)
    metadata = litert_metadata.image_classifier(
        height=shape[0],
        width=shape[1],
        classes=len(class_names),
        name="image classifier",
        description=f"Sorts images into {len(class_names)} classes.",
    )
    graph.add_metadata(litert_metadata.ENTRY, metadata)
    if options.batch == 1:
        graph.fix_batch()
    path.write_bytes(graph.pack())
    append_labels(path, class_names)
    return facts


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


def append_labels(path: Path, class_names: list[str]) -> None:
    """Appends a zip archive with labels.txt, which interpreters pass over."""
    # A fixed date keeps the same network's file the same, byte for byte.
    entry = zipfile.ZipInfo(litert_metadata.LABELS_FILE, date_time=(1980, 1, 1, 0, 0, 0))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(entry, "".join(f"{name}\n" for name in class_names))
