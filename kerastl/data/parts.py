"""Data that are divided into training, validation and test parts, and how a part is named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kerastl.data.folders import Split, split_folders, warn_of_ignored
from kerastl.data.tables import Table
from kerastl.data.tfds import builder_splits, is_builder
from kerastl.errors import ConfigurationError, DataError
from kerastl.files import existing_path
from kerastl.inputs import Reader
from kerastl.outputs.names import listed


def part_of_folder(path: Path, split: Split | None, reader: Reader) -> Path:
    """The folder of a part where a folder is divided, else the folder itself."""
    parts = split_folders(path, reader)
    if parts:
        warn_of_ignored(path, parts, reader)
        return parts[named_part(split, {k: v.name for k, v in parts.items()}, str(path))]
    refuse_parts(split, f"a folder that is not divided into train/ and val/, as {path} is")
    return path


def parts_of(data: Any, reader: Reader) -> set[Split]:
    """The parts into which a folder, a table or a TFDS builder is divided; none of other data."""
    if isinstance(data, Table):
        return set(data.counts)
    if is_builder(data):
        return set(builder_splits(data))
    if isinstance(data, (str, os.PathLike)):
        path = existing_path(data)
        return set(split_folders(path, reader)) if path.is_dir() else set()
    return set()


def named_part(split: Split | None, parts: dict[Split, str], where: str) -> Split:
    """The part of divided data that is meant; raises DataError where that is not clear."""
    if split is None and len(parts) == 1:
        return next(iter(parts))
    if split is None:
        raise DataError(
            f"{where} is divided into {listed(parts.values())}. Name the part, as in "
            f"split={next(iter(parts), 'train')!r}, or give that folder itself."
        )
    if split not in parts:
        raise DataError(f"{where} has no {split} part. It has: {listed(parts.values())}.")
    return split


def refuse_parts(split: Split | None, kind: str) -> None:
    """Raises ConfigurationError where a part of data that are not divided is asked for."""
    if split is not None:
        raise ConfigurationError(
            f"split={split!r} does not go with {kind}. Leave it out, and give the data that is "
            "meant."
        )
