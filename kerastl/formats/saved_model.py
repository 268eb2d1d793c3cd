"""SavedModels in TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.errors import BundleError
from kerastl.formats.format import Array, Session
from kerastl.formats.labels import read_label_files
from kerastl.optional import require

# The signature of tensors is called so where another one takes strings.
_SIGNATURES = ("serve_tokens", "serving_default")


class SavedModelSession(Session):
    """A SavedModel with ``signatures``, by name; tensors go through its signature of tensors."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._tf = tf = require("tensorflow", extra="tensorflow", purpose="running a SavedModel")
        if threads is not None:
            # For the whole process, and only before TensorFlow has run anything.
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        self._path = path
        # Signatures hold no reference of their own: without the model they fail.
        self._model = _loaded(tf, path)
        self.signatures = self._model.signatures
        found = [name for name in _SIGNATURES if name in self.signatures]
        if not found:
            raise BundleError(
                f"{path} has the signatures {list(self.signatures)}, none of tensors."
            )
        self._serve = self.signatures[found[0]]
        specs = self._serve.structured_input_signature[1]
        self.inputs = {name: tuple(spec.shape[1:]) for name, spec in specs.items()}
        self.outputs = tuple(self._serve.structured_outputs)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the signature of tensors."""
        found = self._serve(**{name: self._tf.constant(value) for name, value in feeds.items()})
        return {name: np.asarray(found[name], np.float32) for name in self.outputs}

    def call(self, signature: str, name: str, values: list[bytes] | list[str]) -> dict[str, Any]:
        """Runs a signature of strings; outputs that are strings come as lists of ``str``."""
        found = self.signatures[signature](**{name: self._tf.constant(values)})
        return {
            key: [item.decode("utf-8") for item in value.numpy()]
            if value.dtype == self._tf.string
            else np.asarray(value, np.float32)
            for key, value in found.items()
        }

    def class_names(self) -> Any:
        """The assets that hold labels."""
        assets = sorted((self._path / "assets").glob("labels*.txt"))
        return read_label_files({item.name: item.read_text(encoding="utf-8") for item in assets})


def _loaded(tf: Any, path: Path) -> Any:
    try:
        return tf.saved_model.load(str(path))
    except Exception as error:
        if "Op type not registered" not in str(error):
            raise
    # Tokenizers in a graph are operators of another package, which registers them on import.
    require(
        "tensorflow_text", extra="text-serving", purpose="loading a SavedModel that takes texts"
    )
    return tf.saved_model.load(str(path))
