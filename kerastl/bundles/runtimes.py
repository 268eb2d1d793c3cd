"""Artifacts opened in their own runtimes, behind one small interface."""

from __future__ import annotations

import json
import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.errors import BundleError
from kerastl.optional import require

Array = np.ndarray[Any, Any]

BATCH_SIZE = 32


class Runtime(ABC):
    """An artifact that is loaded and ready to run."""

    @abstractmethod
    def run(self, images: Array) -> Array:
        """Runs one batch: float32 ``(n, height, width, 3)`` to ``(n, classes)``."""

    @abstractmethod
    def class_names(self) -> list[str]:
        """The class names that the artifact itself holds."""

    def predict(self, images: Array) -> Array:
        """Runs pixels 0 to 255 of any number and dtype, in batches."""
        outputs = [
            self.run(np.asarray(images[start : start + BATCH_SIZE], dtype=np.float32))
            for start in range(0, len(images), BATCH_SIZE)
        ]
        return np.concatenate(outputs).astype(np.float32)

    def batch(self, images: Array) -> str:
        """``"dynamic"`` where a batch gives what its images give alone, else ``"1"``."""
        return "dynamic"


def load_saved_model(path: Path, threads: int | None = None) -> tuple[Any, Any]:
    """TensorFlow, and a SavedModel loaded in it."""
    tf = require("tensorflow", extra="tensorflow", purpose="running a SavedModel")
    if threads is not None:
        # For the whole process, and only before TensorFlow has run anything.
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    return tf, tf.saved_model.load(str(path))


def read_labels(path: Path) -> list[str]:
    """The class names in a SavedModel's asset labels.txt."""
    return (path / "assets" / "labels.txt").read_text(encoding="utf-8").split("\n")[:-1]


def onnx_session(path: Path, threads: int | None = None) -> Any:
    """An ONNX file loaded in ONNX Runtime, on the processor."""
    runtime = require("onnxruntime", extra="onnx", purpose="running an ONNX file")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class SavedModelRuntime(Runtime):
    """A SavedModel in TensorFlow."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._path = path
        # The signatures hold no reference of their own: without the model they fail.
        self._tf, self._model = load_saved_model(path, threads)

    def run(self, images: Array) -> Array:
        """Runs ``serving_default``."""
        outputs = self._model.signatures["serving_default"](image=self._tf.constant(images))
        return np.asarray(outputs["probabilities"])

    def class_names(self) -> list[str]:
        """The lines of the asset labels.txt."""
        return read_labels(self._path)

    def serve_bytes(self, encoded: Sequence[bytes]) -> tuple[Array, list[str]]:
        """Runs ``serve_bytes``."""
        outputs = self._model.signatures["serve_bytes"](image_bytes=self._tf.constant(encoded))
        labels = [label.decode("utf-8") for label in outputs["label"].numpy()]
        return np.asarray(outputs["probabilities"]), labels


class OnnxRuntime(Runtime):
    """An ONNX file in ONNX Runtime."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._session = onnx_session(path, threads)

    def run(self, images: Array) -> Array:
        """Runs the graph."""
        return np.asarray(self._session.run(["probabilities"], {"image": images})[0])

    def class_names(self) -> list[str]:
        """``class_names`` in the file's metadata."""
        names: list[str] = json.loads(
            self._session.get_modelmeta().custom_metadata_map["class_names"]
        )
        return names


class LiteRTRuntime(Runtime):
    """A LiteRT file in its interpreter; integers in and out are scaled here."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        module = require(
            "ai_edge_litert.interpreter", extra="litert", purpose="running a LiteRT file"
        )
        self._path = path
        self._interpreter = module.Interpreter(
            str(path), num_threads=threads or os.cpu_count() or 1
        )
        signature = self._interpreter.get_signature_list()["serving_default"]
        if signature != {"inputs": ["image"], "outputs": ["probabilities"]}:
            raise BundleError(f"{path} has the signature {signature}, not image -> probabilities.")
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        # A batch of one that is written into the file is a promise, even where a kernel would
        # take more.
        self._resizable = bool(self._input["shape_signature"][0] == -1)

    def run(self, images: Array) -> Array:
        """Runs a batch at once, or image by image where the graph holds a batch of one."""
        if self._resizable:
            try:
                return self._invoke(images)
            except (RuntimeError, ValueError):
                self._resizable = False
        return np.concatenate([self._invoke(image[None]) for image in images])

    def _invoke(self, images: Array) -> Array:
        self._interpreter.resize_tensor_input(self._input["index"], images.shape)
        self._interpreter.allocate_tensors()
        scale, zero_point = self._input["quantization"]
        if self._input["dtype"] != np.float32:
            limits = np.iinfo(self._input["dtype"])
            images = np.clip(np.rint(images / scale + zero_point), limits.min, limits.max)
        self._interpreter.set_tensor(self._input["index"], images.astype(self._input["dtype"]))
        self._interpreter.invoke()
        outputs = self._interpreter.get_tensor(self._output["index"])
        if len(outputs) != len(images):
            raise ValueError("the graph holds a fixed batch size")
        if self._output["dtype"] == np.float32:
            return np.asarray(outputs)
        scale, zero_point = self._output["quantization"]
        return np.asarray((outputs.astype(np.float32) - zero_point) * scale, dtype=np.float32)

    def batch(self, images: Array) -> str:
        """Tries a batch of a size that no run before had."""
        self.run(np.asarray(images, dtype=np.float32))
        return "dynamic" if self._resizable else "1"

    def class_names(self) -> list[str]:
        """labels.txt in the zip archive at the file's end."""
        with zipfile.ZipFile(self._path) as archive:
            return archive.read("labels.txt").decode("utf-8").split("\n")[:-1]


class OpenVINORuntime(Runtime):
    """An OpenVINO model in its CPU plugin."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        openvino = require("openvino", extra="openvino", purpose="running an OpenVINO model")
        core = openvino.Core()
        self._path = path
        self._model = core.read_model(str(path / "model.xml"))
        # Left to itself, it computes in 16 bits on processors that can.
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        self._compiled = core.compile_model(self._model, "CPU", settings)

    def run(self, images: Array) -> Array:
        """Runs the graph."""
        return np.asarray(self._compiled({"image": images})["probabilities"])

    def class_names(self) -> list[str]:
        """``class_names`` in the section ``kerastl`` of the file's ``rt_info``."""
        path = ["kerastl", "class_names"]
        if not self._model.has_rt_info(path):
            raise BundleError(f"{self._path} holds no class names. Export the bundle again.")
        names: list[str] = json.loads(self._model.get_rt_info(path).value)
        return names


class TorchRuntime(Runtime):
    """A program of torch.export. Reading one runs what it holds: see ``bundle.refuse_code``."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._torch = torch = require("torch", extra="torch", purpose="running a .pt2 file")
        if threads is not None:
            torch.set_num_threads(threads)
        self._extra = {"class_names": ""}
        self._module = torch.export.load(path, extra_files=self._extra).module()

    def run(self, images: Array) -> Array:
        """Runs the program."""
        with self._torch.no_grad():
            outputs = self._module(image=self._torch.from_numpy(np.ascontiguousarray(images)))
        return np.asarray(outputs["probabilities"])

    def class_names(self) -> list[str]:
        """The extra file ``class_names``."""
        names: list[str] = json.loads(self._extra["class_names"])
        return names


_RUNTIMES: dict[str, Callable[[Path, int | None], Runtime]] = {
    "saved_model": SavedModelRuntime,
    "onnx": OnnxRuntime,
    "litert": LiteRTRuntime,
    "openvino": OpenVINORuntime,
    "torch": TorchRuntime,
}


def open_artifact(format: str, path: Path, threads: int | None = None) -> Runtime:
    """Loads an artifact in its own runtime.

    Args:
        format: one of :data:`kerastl.bundles.bundle.FORMATS`.
        path: the file or folder.
        threads: to run on; None leaves it to the runtime.

    Raises:
        MissingExtraError: the runtime is not installed.
    """
    return _RUNTIMES[format](path, threads)
