"""A few examples that travel with a run, so that it can be exported without its data."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.errors import RunError
from kerastl.files import atomic_folder

Array = np.ndarray[Any, Any]
FOLDER = "samples"
VALIDATION_EXAMPLES = 256
CALIBRATION_EXAMPLES = 128
SOURCE_FILES = 4


@dataclasses.dataclass(frozen=True)
class Samples:
    """Examples for proving, calibrating and showing an export.

    Attributes:
        validation: uint8 (n, height, width, 3), n up to 256.
        labels: int64 (n,), their true classes.
        calibration: uint8 (m, height, width, 3) of the training data, m up to 128.
        files: a few source files of the validation data as (name, bytes).
    """

    validation: Array
    labels: Array
    calibration: Array
    files: tuple[tuple[str, bytes], ...] = ()

    def save(self, run: Path) -> None:
        """Writes the samples below a run directory."""
        folder = run / FOLDER
        with atomic_folder(folder, overwrite=True) as temporary:
            np.savez_compressed(
                temporary / "validation.npz", images=self.validation, labels=self.labels
            )
            np.savez_compressed(temporary / "calibration.npz", images=self.calibration)
            (temporary / "files").mkdir()
            for name, content in self.files:
                (temporary / "files" / name).write_bytes(content)

    @staticmethod
    def load(run: Path) -> Samples | None:
        """Reads the samples of a run directory; None where it has none.

        Raises:
            RunError: they are damaged.
        """
        folder = run / FOLDER
        if not folder.is_dir():
            return None
        try:
            validation, labels = _read(folder / "validation.npz", "images", "labels")
            [calibration] = _read(folder / "calibration.npz", "images")
            files = tuple(
                (path.name, path.read_bytes()) for path in sorted((folder / "files").iterdir())
            )
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise RunError(f"The samples in {folder} are damaged: {error}.") from error
        return Samples(validation, labels, calibration, files)


def _read(path: Path, *names: str) -> list[Array]:
    # Opened here, since np.load leaves a damaged file open.
    with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
        return [file[name] for name in names]
