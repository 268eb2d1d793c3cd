"""Programs of torch.export in PyTorch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.formats.format import Array, Session
from kerastl.optional import require

# Files beside the program inside its archive.
EXTRA_FILES = ("class_names", "shapes", "outputs")


class TorchSession(Session):
    """A ``.pt2`` file. Reading one runs what it holds: see ``bundle.refuse_code``."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self._torch = torch = require("torch", extra="torch", purpose="running a .pt2 file")
        if threads is not None:
            torch.set_num_threads(threads)
        self._extra = dict.fromkeys(EXTRA_FILES, "")
        self._module = torch.export.load(path, extra_files=self._extra).module()
        # Files of version 0.1.0 are of images and probabilities.
        shapes = json.loads(self._extra["shapes"] or '{"image": [null, null, 3]}')
        self.inputs = {name: tuple(shape) for name, shape in shapes.items()}
        self.outputs = tuple(json.loads(self._extra["outputs"] or '["probabilities"]'))

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the program."""
        given = {
            name: self._torch.from_numpy(np.ascontiguousarray(value))
            for name, value in feeds.items()
        }
        with self._torch.no_grad():
            found = self._module(**given)
        return {name: np.asarray(found[name], np.float32) for name in self.outputs}

    def class_names(self) -> Any:
        """The extra file ``class_names``."""
        return json.loads(self._extra["class_names"])
