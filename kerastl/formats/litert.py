"""LiteRT files in their interpreter."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.errors import BundleError
from kerastl.formats.format import Array, Session
from kerastl.formats.labels import read_label_files
from kerastl.optional import require

SIGNATURE = "serving_default"


class LiteRTSession(Session):
    """A LiteRT file; integers in and out are scaled here."""

    def __init__(self, path: Path | bytes, threads: int | None = None) -> None:
        module = require(
            "ai_edge_litert.interpreter", extra="litert", purpose="running a LiteRT file"
        )
        self._path = path
        self._name = str(path) if isinstance(path, Path) else "The file"
        # Kept: the runner does not hold it.
        content = {"model_path": str(path)} if isinstance(path, Path) else {"model_content": path}
        self._interpreter = module.Interpreter(
            **content, num_threads=threads or os.cpu_count() or 1
        )
        signatures = self._interpreter.get_signature_list()
        if SIGNATURE not in signatures:
            raise BundleError(
                f"{self._name} has the signatures {list(signatures)}, not {SIGNATURE!r}."
            )
        self._run = self._interpreter.get_signature_runner(SIGNATURE)
        self._taken = self._run.get_input_details()
        self._given = self._run.get_output_details()
        self.outputs = tuple(sorted(self._given))
        self.inputs = {
            name: tuple(None if side == -1 else int(side) for side in item["shape_signature"][1:])
            for name, item in self._taken.items()
        }
        # A batch of one that is written into the file is a promise, even where a kernel would
        # take more.
        if any(item["shape_signature"][0] != -1 for item in self._taken.values()):
            self.batch = "1"

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs a batch at once, or example by example where the graph holds a batch of one."""
        count = len(next(iter(feeds.values())))
        if self.batch == "dynamic":
            try:
                return self._invoke(feeds, count)
            except (RuntimeError, ValueError):
                if count == 1:
                    raise
                self.batch = "1"
        rows = [
            self._invoke({name: value[i : i + 1] for name, value in feeds.items()}, 1)
            for i in range(count)
        ]
        return {name: np.concatenate([row[name] for row in rows]) for name in self.outputs}

    def _invoke(self, feeds: Mapping[str, Array], count: int) -> dict[str, Array]:
        found = self._run(**{name: _scaled(feeds[name], self._taken[name]) for name in feeds})
        outputs = {name: _unscaled(found[name], self._given[name]) for name in self.outputs}
        if any(len(value) != count for value in outputs.values()):
            raise ValueError("the graph holds a fixed batch size")
        return outputs

    def class_names(self) -> Any:
        """The files of labels in the zip archive at the file's end."""
        assert isinstance(self._path, Path)
        with zipfile.ZipFile(self._path) as archive:
            names = [name for name in archive.namelist() if name.startswith("labels")]
            return read_label_files({name: archive.read(name).decode("utf-8") for name in names})


def _scaled(values: Array, detail: Mapping[str, Any]) -> Array:
    scale, zero_point = detail["quantization"]
    if detail["dtype"] == np.float32 or not scale:
        return values.astype(detail["dtype"], copy=False)
    limits = np.iinfo(detail["dtype"])
    steps = np.clip(np.rint(values / scale + zero_point), limits.min, limits.max)
    return np.asarray(steps.astype(detail["dtype"]))


def _unscaled(values: Array, detail: Mapping[str, Any]) -> Array:
    scale, zero_point = detail["quantization"]
    if detail["dtype"] == np.float32:
        return np.asarray(values)
    return np.asarray((values.astype(np.float32) - zero_point) * scale, dtype=np.float32)
