"""ONNX files in ONNX Runtime."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.formats.format import Array, Session
from kerastl.optional import require

# In the file's metadata: "1" where an answer would depend on the other examples of a batch.
BATCH_KEY = "batch"


class OnnxSession(Session):
    """An ONNX file, on the processor."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        runtime = require("onnxruntime", extra="onnx", purpose="running an ONNX file")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3
        self._session = runtime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._metadata = self._session.get_modelmeta().custom_metadata_map
        self.inputs = {
            item.name: tuple(side if isinstance(side, int) else None for side in item.shape[1:])
            for item in self._session.get_inputs()
        }
        self.outputs = tuple(item.name for item in self._session.get_outputs())
        self.batch = str(self._metadata.get(BATCH_KEY, "dynamic"))

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the graph."""
        found = self._session.run(list(self.outputs), dict(feeds))
        named = zip(self.outputs, found, strict=True)
        return {name: np.asarray(value, np.float32) for name, value in named}

    def class_names(self) -> Any:
        """``class_names`` in the file's metadata."""
        return json.loads(self._metadata["class_names"])
