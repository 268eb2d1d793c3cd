"""OpenVINO models in their CPU plugin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.errors import BundleError
from kerastl.formats.format import Array, Session
from kerastl.optional import require

MODEL = "model.xml"
# The section of the file's rt_info that holds class names and metadata.
SECTION = "kerastl"


class OpenVINOSession(Session):
    """A folder with ``model.xml`` and ``model.bin``."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        openvino = require("openvino", extra="openvino", purpose="running an OpenVINO model")
        core = openvino.Core()
        self._path = path
        self._model = core.read_model(str(path / MODEL))
        # Left to itself, it computes in 16 bits on processors that can.
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        self._compiled = core.compile_model(self._model, "CPU", settings)
        self.inputs = {
            port.get_any_name(): tuple(
                None if side.is_dynamic else side.get_length()
                for side in list(port.get_partial_shape())[1:]
            )
            for port in self._model.inputs
        }
        self.outputs = tuple(port.get_any_name() for port in self._model.outputs)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the graph."""
        found = self._compiled(dict(feeds))
        return {name: np.asarray(found[name], np.float32) for name in self.outputs}

    def class_names(self) -> Any:
        """``class_names`` in the section ``kerastl`` of the file's ``rt_info``."""
        path = [SECTION, "class_names"]
        if not self._model.has_rt_info(path):
            raise BundleError(f"{self._path} holds no class names. Export the bundle again.")
        return json.loads(self._model.get_rt_info(path).value)
