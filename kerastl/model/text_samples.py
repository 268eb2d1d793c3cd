"""A few texts that travel with a run, so that it can be exported without its data."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.errors import RunError
from kerastl.files import atomic_folder, read_json, write_json
from kerastl.model.samples import FOLDER

Array = np.ndarray[Any, Any]
_FILE = "texts.json"


@dataclasses.dataclass(frozen=True)
class TextSamples:
    """Texts for proving and calibrating an export.

    Attributes:
        texts: of the validation data, up to 256.
        labels: theirs: int64 (n,), float32 (n, classes) or float32 (n,); None where they are
            not known.
        calibration: texts of the training data, up to 128.
    """

    texts: tuple[str, ...]
    labels: Array | None
    calibration: tuple[str, ...]

    def save(self, run: Path) -> None:
        """Writes the samples below a run directory."""
        content = {
            "texts": self.texts,
            "labels": None if self.labels is None else self.labels.tolist(),
            "dtype": None if self.labels is None else self.labels.dtype.name,
            "calibration": self.calibration,
        }
        with atomic_folder(run / FOLDER, overwrite=True) as temporary:
            write_json(temporary / _FILE, content)

    @staticmethod
    def load(run: Path) -> TextSamples | None:
        """Reads the samples of a run directory; None where it has none.

        Raises:
            RunError: they are damaged.
        """
        if not (run / FOLDER).is_dir():
            return None
        try:
            content = read_json(run / FOLDER / _FILE)
            labels = content["labels"]
            return TextSamples(
                tuple(content["texts"]),
                None if labels is None else np.array(labels, dtype=content["dtype"]),
                tuple(content["calibration"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"The samples in {run / FOLDER} are damaged: {error}.") from error
