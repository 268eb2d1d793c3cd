"""A few examples that travel with a run, so that it can be exported without its data."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.errors import RunError
from kerastl.files import atomic_folder, read_arrays, read_json, write_json
from kerastl.inputs import Input

Array = np.ndarray[Any, Any]
FOLDER = "samples"
VALIDATION_EXAMPLES = 256
CALIBRATION_EXAMPLES = 128
SOURCE_FILES = 4
VALIDATION, TRAINING = "validation", "training"
_SOURCES, _LABELS, _CALIBRATION, _ABOUT = "validation", "labels.npz", "calibration", "about.json"


@dataclasses.dataclass(frozen=True)
class Samples:
    """Examples for proving, calibrating and showing an export.

    Attributes:
        sources: up to 256, as the task's input takes them; empty where there are none.
        labels: theirs, by output name; None where they are not known.
        calibration: sources of the training data, up to 128.
        files: a few source files of the same data as (name, bytes).
        kind: of the data that ``sources`` are of: ``"validation"`` or ``"training"``.
    """

    sources: Sequence[Any] = ()
    labels: Mapping[str, Array] | None = None
    calibration: Sequence[Any] = ()
    files: tuple[tuple[str, bytes], ...] = ()
    kind: str = VALIDATION

    def save(self, run: Path, input: Input) -> None:
        """Writes the samples below a run directory."""
        with atomic_folder(run / FOLDER, overwrite=True) as temporary:
            input.store(temporary, _SOURCES, self.sources)
            input.store(temporary, _CALIBRATION, self.calibration)
            if self.labels is not None:
                np.savez_compressed(temporary / _LABELS, **self.labels)  # type: ignore[arg-type]
            write_json(temporary / _ABOUT, {"kind": self.kind})
            (temporary / "files").mkdir()
            for name, content in self.files:
                (temporary / "files" / name).write_bytes(content)

    @staticmethod
    def load(run: Path, input: Input, output: str) -> Samples | None:
        """Reads the samples of a run directory, None where it has none; raises RunError.

        ``output`` is the name of the only output of runs of version 0.1.0.
        """
        folder = run / FOLDER
        if not folder.is_dir():
            return None
        try:
            old = _of_first_version(folder, output)
            if old is not None:
                return Samples(**old)
            labels = read_arrays(folder / _LABELS) if (folder / _LABELS).exists() else None
            return Samples(
                input.stored(folder, _SOURCES),
                labels,
                input.stored(folder, _CALIBRATION),
                _files(folder),
                read_json(folder / _ABOUT)["kind"] if (folder / _ABOUT).exists() else VALIDATION,
            )
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise RunError(f"The samples in {folder} are damaged: {error}.") from error


def _files(folder: Path) -> tuple[tuple[str, bytes], ...]:
    return tuple((path.name, path.read_bytes()) for path in sorted((folder / "files").iterdir()))


def _of_first_version(folder: Path, output: str) -> dict[str, Any] | None:
    """The arguments of ``Samples``, as version 0.1.0 wrote them; None of later versions."""
    if (folder / "texts.json").exists():
        content = read_json(folder / "texts.json")
        labels = content["labels"]
        if labels is not None:
            labels = {output: np.array(labels, dtype=content["dtype"])}
        return {
            "sources": tuple(content["texts"]),
            "labels": labels,
            "calibration": tuple(content["calibration"]),
        }
    if not (folder / "validation.npz").exists():
        return None
    validation = read_arrays(folder / "validation.npz")
    return {
        "sources": list(validation["images"]),
        "labels": {output: validation["labels"]},
        "calibration": list(read_arrays(folder / "calibration.npz")["images"]),
        "files": _files(folder),
    }
