"""Predicts with a bundle's artifact, without the network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles import text_manifest
from kerastl.bundles.bundle import FORMATS, refuse_code
from kerastl.bundles.hashing import sha256_path
from kerastl.bundles.manifest import read_manifest
from kerastl.bundles.runtimes import BATCH_SIZE, Runtime, open_artifact
from kerastl.bundles.text_predictor import TextPredictor
from kerastl.bundles.text_runtimes import TextTokens, open_text_artifact
from kerastl.bundles.text_verification import decisions_of
from kerastl.data import ImageSource, decode_full_size, decode_image, image_list
from kerastl.errors import (
    BundleError,
    ConfigurationError,
    KerastlError,
    MissingExtraError,
    did_you_mean,
)
from kerastl.outputs import Classes
from kerastl.text import TOKENIZER_FILE

# The quickest to start and to run first.
_PREFERENCE = ("onnx", "litert", "openvino", "saved_model", "torch")


class Predictor:
    """An artifact of a bundle, ready to predict from image files.

    Attributes:
        class_names: one name per output.
        format: the artifact's format.
        path: the artifact's path inside the bundle.
    """

    def __init__(
        self,
        runtime: Runtime,
        class_names: Sequence[str],
        size: tuple[int, int] | None,
        format: str,
        path: str,
    ) -> None:
        self.class_names = tuple(class_names)
        self.format = format
        self.path = path
        self._runtime = runtime
        self._size = size

    def predict(self, sources: ImageSource | Iterable[ImageSource]) -> np.ndarray[Any, Any]:
        """Predicts from image files, their bytes, or pixels.

        Args:
            sources: paths, bytes, Pillow images or uint8 arrays ``(height, width, 3)`` of any
                size; one of them, or any number. An artifact that takes any size gets images as
                they are, others as they are resized for training.

        Returns:
            float32 ``(n, classes)``.
        """
        items = image_list(sources)
        if self._size is None:
            outputs = [self._runtime.predict(decode_full_size(item)[None]) for item in items]
        else:
            outputs = [
                self._runtime.predict(
                    np.stack([decode_image(x, self._size) for x in items[at : at + BATCH_SIZE]])
                )
                for at in range(0, len(items), BATCH_SIZE)
            ]
        empty = np.zeros((0, len(self.class_names)), dtype=np.float32)
        return np.concatenate(outputs) if outputs else empty

    def answers(self, outputs: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
        """What ``kerastl predict`` prints of outputs."""
        return Classes(self.class_names).answers(outputs)


def load_bundle(
    path: str | os.PathLike[str],
    format: str | None = None,
    quantization: str | None = None,
    *,
    trusted: bool = False,
) -> Predictor | TextPredictor:
    """Opens one artifact of a bundle for prediction, after checking its hash.

    Args:
        path: the bundle.
        format: ``"saved_model"``, ``"onnx"``, ``"litert"``, ``"openvino"`` or ``"torch"``; None
            takes the first that is in the bundle and whose runtime is installed.
        quantization: of the artifact, None for float32.
        trusted: you trust the bundle's maker, as ``"torch"`` needs: see :func:`verify`.

    Returns:
        What predicts from images, or of a bundle of texts from strings.

    Raises:
        BundleError: the folder is no bundle, the artifact is missing or was changed, or it can
            run code and ``trusted`` is False.
        ConfigurationError: the bundle has no such artifact.
        MissingExtraError: its runtime is not installed.
    """
    folder = Path(path)
    if format is not None and format not in FORMATS:
        raise ConfigurationError(
            f"format must be one of {FORMATS}; received {format!r}.{did_you_mean(format, FORMATS)}"
        )
    manifest = read_manifest(folder)
    formats = _PREFERENCE if format is None else (format,)
    entries = [
        entry
        for name in formats
        for entry in manifest["artifacts"]
        if entry["format"] == name and entry["quantization"] == quantization
    ]
    if not entries:
        held = [(entry["format"], entry["quantization"]) for entry in manifest["artifacts"]]
        raise ConfigurationError(
            f"{folder} has no artifact with format={format!r} and quantization="
            f"{quantization!r}; it has {held}."
        )
    missing: MissingExtraError | None = None
    for entry in entries:
        file = folder / entry["path"]
        if not file.exists() or sha256_path(file) != entry["sha256"]:
            raise BundleError(f"{file} is missing or was changed. Export the bundle again.")
        refuse_code(folder, [entry], trusted)
        try:
            if manifest["task"] in text_manifest.TASKS:
                return _text_predictor(folder, manifest, entry)
            runtime = open_artifact(entry["format"], file)
        except MissingExtraError as error:
            missing = error
            continue
        except KerastlError:
            raise
        except Exception as error:
            # Each runtime has errors of its own.
            raise BundleError(
                f"{file} cannot be read by its runtime: {error}. Export the bundle again."
            ) from error
        resize = manifest["input"]["resize"]
        size = None if resize["in_graph"] else (resize["size"][0], resize["size"][1])
        return Predictor(runtime, manifest["class_names"], size, entry["format"], entry["path"])
    assert missing is not None
    raise missing


def _text_predictor(folder: Path, manifest: dict[str, Any], entry: dict[str, Any]) -> TextPredictor:
    file = folder / TOKENIZER_FILE
    if not file.exists() or sha256_path(file) != manifest["tokenizer"]["sha256"]:
        raise BundleError(f"{file} is missing or was changed. Export the bundle again.")
    return TextPredictor(
        open_text_artifact(entry["format"], folder / entry["path"]),
        TextTokens(folder, manifest["tokenizer"]),
        decisions_of(manifest),
        entry["format"],
        entry["path"],
    )
