"""Predicts with a bundle's artifact, without the network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles.bundle import refuse_code
from kerastl.bundles.hashing import refuse_changed
from kerastl.bundles.manifest import read_manifest, task_of
from kerastl.bundles.sessions import run_sources
from kerastl.data.unlabelled import sources_of
from kerastl.errors import BundleError, ConfigurationError, KerastlError, MissingExtraError
from kerastl.formats import FORMATS, Session, format_named
from kerastl.inputs import Examples
from kerastl.task import Array, Task

# Examples whose sources are held at once.
_CHUNK = 256
# The quickest to start and to run first.
_PREFERENCE = ("onnx", "litert", "openvino", "saved_model", "torch")

# Class names are in the manifest, golden examples are for proofs, scripts for others.
_NOT_NEEDED = ("golden/", "labels", "run/")


class Predictor:
    """An artifact of a bundle, ready to predict.

    Attributes:
        task: what goes in and what comes out.
        class_names: names of the classes of a task of one output.
        format: the artifact's format.
        path: the artifact's path inside the bundle.
    """

    def __init__(self, session: Session, task: Task, format: str, path: str) -> None:
        self.task = task
        self.class_names = task.class_names
        self.format = format
        self.path = path
        self._session = session

    def outputs(self, inputs: Any, *, on_error: str = "raise") -> dict[str, Array]:
        """Outputs by name, float32 ``(n, width)``.

        Args:
            inputs: one example or any number of them: of images paths, encoded bytes, Pillow
                images or uint8 arrays ``(height, width, 3)`` of any size; of texts, strings. Or
                the path of a folder, for the files below it in the order of their paths.
            on_error: ``"warn"`` leaves out what cannot be read, with a warning that names it.

        Raises:
            DataError: one of them cannot be read, or with ``"warn"`` none of them.
        """
        sources = sources_of(inputs, self.task.input, on_error=on_error)
        if not sources:
            return {
                name: np.zeros((0, output.width), dtype=np.float32)
                for name, output in self.task.outputs.items()
            }
        return run_sources(self._session, self.task.input, sources)

    def answer_examples(self, examples: Examples) -> dict[str, Array]:
        """Outputs by name for examples that were read before, float32 ``(n, width)``."""
        rows = np.arange(len(examples))
        parts = [
            run_sources(self._session, self.task.input, examples.sources(rows[i : i + _CHUNK]))
            for i in range(0, len(rows), _CHUNK)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def predict(self, inputs: Any, *, on_error: str = "raise") -> Any:
        """Outputs float32 ``(n, width)``; of several outputs a dict. See ``outputs``."""
        found = self.outputs(inputs, on_error=on_error)
        return next(iter(found.values())) if len(found) == 1 else found

    def answers(self, outputs: Any) -> list[dict[str, Any]]:
        """What ``kerastl predict`` prints of what ``predict`` returned."""
        return self.task.answers(self._named(outputs))

    def labels(self, outputs: Any) -> list[Any]:
        """The label of each row of what ``predict`` returned."""
        return self.task.decode(self._named(outputs))

    def _named(self, outputs: Any) -> Mapping[str, Array]:
        return outputs if isinstance(outputs, Mapping) else self.task.by_name(outputs)


def load_bundle(
    path: str | os.PathLike[str],
    format: str | None = None,
    quantization: str | None = None,
    *,
    trusted: bool = False,
) -> Predictor:
    """Opens one artifact of a bundle for prediction, after checking its hash.

    Args:
        path: the bundle.
        format: one of ``kerastl.formats.FORMATS``; None takes the first that is in the bundle
            and whose runtime is installed.
        quantization: of the artifact, None for float32.
        trusted: you trust the bundle's maker, as ``"torch"`` needs: see :func:`verify`.

    Raises:
        BundleError: the folder is not a bundle, the artifact is missing or was changed, or it can
            run code and ``trusted`` is False.
        ConfigurationError: the bundle has no such artifact.
        MissingExtraError: its runtime is not installed.
    """
    folder = Path(path)
    formats: Iterable[str] = _PREFERENCE if format is None else (format_named(format).name,)
    manifest = read_manifest(folder)
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
    # What the input may be made of.
    files = {x: sha for x, sha in manifest["files"].items() if not x.startswith(_NOT_NEEDED)}
    missing: MissingExtraError | None = None
    for entry in entries:
        refuse_changed(folder, {entry["path"]: entry["sha256"], **files})
        refuse_code(folder, [entry], trusted)
        try:
            task = task_of(manifest, folder)
            session = FORMATS[entry["format"]].open(folder / entry["path"])
        except MissingExtraError as error:
            missing = error
            continue
        except KerastlError:
            raise
        except Exception as error:
            # Each runtime has errors of its own.
            raise BundleError(
                f"{folder / entry['path']} cannot be read by its runtime: {error}. Export the "
                "bundle again."
            ) from error
        return Predictor(session, task, entry["format"], entry["path"])
    assert missing is not None
    raise missing
