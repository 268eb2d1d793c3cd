"""The golden folder: inputs and files with the answers that every artifact must give."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kerastl.data import decode_image
from kerastl.errors import ConfigurationError
from kerastl.files import write_json

Array = np.ndarray[Any, Any]

MAX_INPUTS = 32
MAX_FILES = 16


def read_files(
    files: Sequence[str | os.PathLike[str]], size: tuple[int, int]
) -> tuple[dict[str, Path], Array]:
    """Gives golden source files distinct names and decodes them.

    Returns:
        The files by the name they get in the bundle, and their pixels, uint8 ``(n, *size, 3)``.
    """
    if len(files) > MAX_FILES:
        raise ConfigurationError(
            f"files= holds {len(files)} images; a bundle keeps at most {MAX_FILES} source files."
        )
    named: dict[str, Path] = {}
    for file in map(Path, files):
        name, again = file.name, 1
        while name in named:
            again += 1
            name = f"{again}_{file.name}"
        named[name] = file
    pixels = [decode_image(file, size) for file in named.values()]
    return named, np.stack(pixels) if pixels else np.zeros((0, *size, 3), dtype=np.uint8)


def is_servable(path: Path) -> bool:
    """Whether ``serve_bytes`` takes a file: JPEG and PNG, by content."""
    with Image.open(path) as image:
        return image.format in ("JPEG", "PNG")


def chosen(n: int) -> Array:
    """Which of n examples become golden inputs: at most 32, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, MAX_INPUTS)).astype(int))


def write(
    folder: Path,
    inputs: Array,
    outputs: dict[str, Array],
    files: dict[str, Path],
    file_outputs: dict[str, Array],
    class_names: Sequence[str],
) -> None:
    """Writes golden/.

    Args:
        folder: the bundle.
        inputs: uint8 ``(n, height, width, 3)``.
        outputs: ``(n, classes)`` under ``"network"`` and under every artifact's path.
        files: the source files by name.
        file_outputs: like ``outputs``, one row per file.
        class_names: one name per output.
    """
    golden = folder / "golden"
    (golden / "files").mkdir(parents=True)
    np.savez_compressed(golden / "inputs.npz", image=inputs)
    np.savez_compressed(golden / "outputs.npz", **outputs)  # type: ignore[arg-type]
    answers = {}
    for index, (name, source) in enumerate(files.items()):
        shutil.copyfile(source, golden / "files" / name)
        row = file_outputs["network"][index]
        answers[name] = {
            "label": class_names[int(row.argmax())],
            "probability": float(row.max()),
            "artifacts": {
                path: class_names[int(rows[index].argmax())]
                for path, rows in file_outputs.items()
                if path != "network"
            },
        }
    write_json(golden / "labels.json", answers)
