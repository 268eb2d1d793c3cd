"""Writes SavedModels.

Runs in the export worker, under TensorFlow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from kerastl.formats.conversion import Conversion
from kerastl.formats.labels import label_files
from kerastl.formats.tracing import signature_of
from kerastl.inputs import Spec


def convert(conversion: Conversion) -> dict[str, dict[str, Any]]:
    """Writes the SavedModel of a bundle."""
    path, facts = conversion.saved_model
    return {path.name: facts}


def write(
    conversion: Conversion,
    traced: Any,
    path: Path,
    pair: Any,
    *,
    specs: Sequence[Spec] | None = None,
) -> dict[str, Any]:
    """Writes a SavedModel with a signature of tensors, and one of strings where there is a pair.

    Weights stay variables: as constants of a graph they are held many times over, by TensorFlow
    and above all by the converter of LiteRT, which reads this.

    Returns what the manifest says of it: ``fingerprint``, the checksum that TensorFlow writes
    beside the graph, and ``signatures``.
    """
    names = list(conversion.outputs)

    def infer(*tensors: Any) -> dict[str, Any]:
        return dict(zip(names, tf.nest.flatten(traced(*tensors)), strict=True))

    module = tf.Module()
    module.weights = list(traced.variables)
    module.serve = tf.function(infer, input_signature=signature_of(specs or conversion.specs))
    signatures = {"serving_default": module.serve}
    facts: dict[str, Any] = {}
    if pair is not None:
        more, facts = pair.signatures(conversion, module, infer)
        signatures = {pair.tensors: module.serve, **more}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in label_files(conversion.outputs).items():
            labels = Path(folder) / name
            labels.write_text(content, encoding="utf-8")
            setattr(module, Path(name).stem, tf.saved_model.Asset(str(labels)))
        # What is served is not trained.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, str(path), signatures=signatures, options=options)
    fingerprint = tf.saved_model.experimental.read_fingerprint(str(path))
    return {
        "fingerprint": f"{fingerprint.saved_model_checksum:016x}",
        "signatures": sorted(signatures),
        **facts,
    }
