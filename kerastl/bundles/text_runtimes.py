"""Artifacts of texts opened in their own runtimes: strings in, outputs out."""

from __future__ import annotations

import json
import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles.runtimes import BATCH_SIZE, load_saved_model, onnx_session, read_labels
from kerastl.bundles.text_parity import EMBEDDING, PROBABILITIES
from kerastl.data import check_text
from kerastl.errors import BundleError
from kerastl.optional import require
from kerastl.text import TOKENIZER_FILE, Tokenizer

Array = np.ndarray[Any, Any]

_INPUTS = ["padding_mask", "token_ids"]
_OUTPUTS = (PROBABILITIES, EMBEDDING)


class TextTokens:
    """A bundle's tokenizer with its settings: texts to what artifacts take.

    Args:
        folder: the bundle.
        settings: ``tokenizer`` of its manifest.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.tokenizer = Tokenizer.from_file(folder / TOKENIZER_FILE, pad_id=settings["pad_id"])
        self.max_length = int(settings["max_length"])

    def ids(self, texts: Sequence[str]) -> list[Array]:
        """Token ids of each text, int32 ``(length,)``."""
        return list(self.tokenizer.encode(texts, self.max_length).ids)

    def pad(self, ids: Sequence[Array], length: int | None = None) -> tuple[Array, Array]:
        """Token ids and mask, int32 ``(n, length)`` each."""
        padded, mask = self.tokenizer.pad(list(ids), length)
        return padded, mask.astype(np.int32)


class TextRuntime(ABC):
    """An artifact that is loaded and ready to run."""

    length: int | None = None
    """Tokens a text that it takes; None for any number."""

    output: str
    """What it calls its output: ``"probabilities"`` or ``"embedding"``."""

    @abstractmethod
    def run(self, ids: Array, mask: Array) -> Array:
        """Runs one batch: ids and mask, int32 ``(n, length)``, to float32 ``(n, outputs)``."""

    @abstractmethod
    def class_names(self) -> list[str]:
        """The class names that the artifact itself holds."""

    def predict(self, texts: Sequence[str], tokens: TextTokens) -> Array:
        """Outputs float32 ``(n, outputs)`` of any number of texts, at least one."""
        return self.predict_tokens(texts, tokens)

    def predict_tokens(self, texts: Sequence[str], tokens: TextTokens) -> Array:
        """The same, with the texts tokenised here and not in the graph."""
        outputs = []
        for start in range(0, len(texts), BATCH_SIZE):
            ids = tokens.ids(texts[start : start + BATCH_SIZE])
            outputs.append(self.run(*tokens.pad(ids, self.length)))
        return np.concatenate(outputs).astype(np.float32)

    def batch(self) -> str:
        """``"dynamic"``, or ``"1"`` where the artifact takes one text at a time."""
        return "dynamic"


class SavedModelText(TextRuntime):
    """A SavedModel in TensorFlow: by strings where it has a tokenizer, else by tokens."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        require("tensorflow_text", extra="text-serving", purpose="loading a SavedModel of texts")
        self._path = path
        self._tf, self._model = load_saved_model(path, threads)
        self.takes_strings = "serving_default" in self._model.signatures
        serve = self._model.signatures["serve_tokens"]
        self.output = _output_of(path, list(serve.structured_outputs))

    def run(self, ids: Array, mask: Array) -> Array:
        """Runs ``serve_tokens``."""
        serve = self._model.signatures["serve_tokens"]
        outputs = serve(token_ids=self._tf.constant(ids), padding_mask=self._tf.constant(mask))
        return np.asarray(outputs[self.output])

    def predict(self, texts: Sequence[str], tokens: TextTokens) -> Array:
        """Runs ``serving_default`` where it is there."""
        if not self.takes_strings:
            return self.predict_tokens(texts, tokens)
        return self.serve(texts)[0]

    def serve(self, texts: Sequence[str]) -> tuple[Array, list[str]]:
        """Runs ``serving_default``: outputs, and labels where it gives any."""
        outputs: list[Array] = []
        labels: list[str] = []
        for start in range(0, len(texts), BATCH_SIZE):
            batch = [check_text(text) for text in texts[start : start + BATCH_SIZE]]
            found = self._model.signatures["serving_default"](text=self._tf.constant(batch))
            outputs.append(np.asarray(found[self.output]))
            if "label" in found:
                labels += [label.decode("utf-8") for label in found["label"].numpy()]
        return np.concatenate(outputs).astype(np.float32), labels

    def class_names(self) -> list[str]:
        """The lines of the asset labels.txt."""
        return read_labels(self._path)


class OnnxText(TextRuntime):
    """An ONNX file in ONNX Runtime."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._session = onnx_session(path, threads)
        self._metadata = self._session.get_modelmeta().custom_metadata_map
        self.output = _output_of(path, [item.name for item in self._session.get_outputs()])

    def run(self, ids: Array, mask: Array) -> Array:
        """Runs the graph; a text at a time, without padding, where the file says so."""
        if self.batch() == "dynamic":
            return self._invoke(ids, mask)
        # Padding is on the right: up to the last token that counts.
        ends = [int(np.flatnonzero(row)[-1]) + 1 if row.any() else 1 for row in mask]
        return np.concatenate(
            [
                self._invoke(ids[i : i + 1, :end], mask[i : i + 1, :end])
                for i, end in enumerate(ends)
            ]
        )

    def _invoke(self, ids: Array, mask: Array) -> Array:
        feeds = {"token_ids": ids, "padding_mask": mask}
        return np.asarray(self._session.run([self.output], feeds)[0])

    def batch(self) -> str:
        """``"1"`` of files whose answers would depend on the other texts of a batch."""
        return str(self._metadata.get("batch", "dynamic"))

    def class_names(self) -> list[str]:
        """``class_names`` in the file's metadata."""
        names: list[str] = json.loads(self._metadata["class_names"])
        return names


class LiteRTText(TextRuntime):
    """A LiteRT file in its interpreter."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        module = require(
            "ai_edge_litert.interpreter", extra="litert", purpose="running a LiteRT file"
        )
        self._path = path
        self._interpreter = module.Interpreter(
            str(path), num_threads=threads or os.cpu_count() or 1
        )
        signature = self._interpreter.get_signature_list()["serving_default"]
        if sorted(signature["inputs"]) != _INPUTS:
            raise BundleError(
                f"{path} has the signature {signature}, not the inputs token_ids and padding_mask."
            )
        self.output = _output_of(path, signature["outputs"])
        self._run = self._interpreter.get_signature_runner("serving_default")
        shape = self._run.get_input_details()["token_ids"]["shape_signature"]
        self.length = int(shape[1])
        self._resizable = bool(shape[0] == -1)

    def run(self, ids: Array, mask: Array) -> Array:
        """Runs a batch at once, or text by text where the graph holds a batch of one."""
        if self._resizable:
            try:
                return self._invoke(ids, mask)
            except (RuntimeError, ValueError):
                self._resizable = False
        rows = range(len(ids))
        return np.concatenate([self._invoke(ids[i : i + 1], mask[i : i + 1]) for i in rows])

    def _invoke(self, ids: Array, mask: Array) -> Array:
        outputs = np.asarray(self._run(token_ids=ids, padding_mask=mask)[self.output])
        if len(outputs) != len(ids):
            raise ValueError("the graph holds a fixed batch size")
        return outputs

    def batch(self) -> str:
        """Tries a batch of a size that no run before had."""
        ids = np.ones((3, self.length or 1), np.int32)
        self.run(ids, ids)
        return "dynamic" if self._resizable else "1"

    def class_names(self) -> list[str]:
        """labels.txt in the zip archive at the file's end."""
        with zipfile.ZipFile(self._path) as archive:
            return archive.read("labels.txt").decode("utf-8").split("\n")[:-1]


def _output_of(path: Path, names: Sequence[str]) -> str:
    """The one output of an artifact.

    Raises:
        BundleError: it is none that a bundle of texts has.
    """
    if len(names) != 1 or names[0] not in _OUTPUTS:
        raise BundleError(f"{path} has the outputs {list(names)}, not one of {_OUTPUTS}.")
    return names[0]


_RUNTIMES: dict[str, Callable[[Path, int | None], TextRuntime]] = {
    "saved_model": SavedModelText,
    "onnx": OnnxText,
    "litert": LiteRTText,
}


def open_text_artifact(format: str, path: Path, threads: int | None = None) -> TextRuntime:
    """Loads an artifact of a text bundle in its own runtime.

    Args:
        format: ``"saved_model"``, ``"onnx"`` or ``"litert"``.
        path: the file or folder.
        threads: to run on; None leaves it to the runtime.

    Raises:
        MissingExtraError: the runtime is not installed.
    """
    return _RUNTIMES[format](path, threads)
