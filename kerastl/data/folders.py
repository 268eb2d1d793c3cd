"""Data sets from folders: a folder of class folders, or one divided into train, val and test."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from pathlib import Path
from typing import Literal, TypeAlias

from kerastl.data.dataset import ExampleDataset
from kerastl.data.request import Request
from kerastl.errors import DataError
from kerastl.inputs import Reader
from kerastl.outputs.names import found_class_names, listed, normal

Split: TypeAlias = Literal["train", "validation", "test"]
"""The parts that data may be divided into."""

SPLIT_FOLDERS: dict[Split, frozenset[str]] = {
    "train": frozenset({"train", "training"}),
    "validation": frozenset({"val", "valid", "validation"}),
    "test": frozenset({"test", "testing"}),
}
"""Names, in lower case, of the folders that hold the parts."""


class IgnoredFilesWarning(UserWarning):
    """Files or folders were left out because they belong to no class."""


def split_folders(root: Path, reader: Reader) -> dict[Split, Path]:
    """The train, validation and test folders in ``root``; empty where it is not divided so.

    Only folders that hold folders, and no examples of their own, count: a class may well be named
    ``train``.
    """
    found: dict[Split, Path] = {}
    folders = _folders_of(root)
    for folder in folders:
        for split, names in SPLIT_FOLDERS.items():
            if folder.name.lower() not in names:
                continue
            strays = reader.stray_files_are_examples and _strays(folder, reader)
            if strays or not _folders_of(folder):
                return {}
            if split in found:
                raise DataError(
                    f"{root} has two folders of {split} data, {found[split].name!r} and "
                    f"{folder.name!r}. Name the one that is meant, or merge them."
                )
            found[split] = folder
    others = [folder.name for folder in folders if folder not in found.values()]
    if others and len(found) < 2:
        return {}
    return {split: found[split] for split in SPLIT_FOLDERS if split in found}


def warn_of_ignored(root: Path, parts: dict[Split, Path]) -> None:
    """Warns of folders beside the train, validation and test folders of ``root``."""
    others = [folder.name for folder in _folders_of(root) if folder not in parts.values()]
    if others:
        warnings.warn(
            f"{root} is divided into {listed(path.name for path in parts.values())}; other folders "
            f"there are ignored: {listed(others)}.",
            IgnoredFilesWarning,
            stacklevel=3,
        )


def from_folder(root: Path, request: Request) -> ExampleDataset:
    """A data set from a folder of class folders, each file of which is one example.

    Classes are the folders, sorted by name. Files may lie deeper; hidden files and folders and
    files with other suffixes are passed over; links are followed, never in circles. Files are
    ordered by class and relative path.
    """
    reader, where = request.reader, str(root)
    name, output = request.one_class("A folder of class folders")
    request.check_groups_by_name("a folder")
    folders, strays = _folders_of(root), _strays(root, reader)
    if not folders:
        held = f"{len(strays)} {reader.nouns} but no folders" if strays else "no folders"
        raise DataError(f"{root} holds {held} of {reader.nouns}. {_layout(reader)}")
    if not output.labelling.class_names:
        # Checked on its own, because a class can clash by name and hold no example.
        found_class_names([folder.name for folder in folders], where=where)
    barred = {os.path.realpath(folder) for folder in [root, *folders]}
    paths: list[Path] = []
    classes: list[str] = []
    for folder in folders:
        found, others = files_below(folder, barred, reader.suffixes)
        if not found and not request.allow_missing:
            counted = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(3))
            hint = f" Other files there are not read: {counted}." if others else ""
            raise DataError(
                f"The class {folder.name!r} has no {reader.nouns}: {folder} holds none.{hint} Add "
                f"some, or remove the folder. {_layout(reader)}"
            )
        paths += found
        classes += [folder.name] * len(found)
    if strays and reader.stray_files_are_examples:
        one = len(strays) == 1
        warnings.warn(
            f"{root} holds {len(strays)} {reader.noun if one else reader.nouns} outside any class "
            f"folder, which {'is' if one else 'are'} ignored: {listed(strays)}.",
            IgnoredFilesWarning,
            stacklevel=3,
        )
    labels = output.read_array(classes, request.source(where, name))
    names = [normal(path.relative_to(root).as_posix()) for path in paths]
    return request.dataset(
        where, reader.from_files(paths, request.encoding), {name: labels}, names=names, screen=True
    )


def files_below(
    folder: Path, barred: set[str], suffixes: frozenset[str]
) -> tuple[list[Path], Counter[str]]:
    """Files of a kind at any depth, sorted by path, and the suffixes of what was passed over.

    Links must not lead into the folders whose real paths are ``barred``.
    """
    found: list[Path] = []
    others: Counter[str] = Counter()
    seen = set(barred)
    pending = [folder]
    while pending:
        for entry in entries_of(pending.pop()):
            if is_folder(entry):
                real = os.path.realpath(entry.path)
                if real not in seen:
                    seen.add(real)
                    pending.append(Path(entry.path))
            elif not _has_suffix(entry.name, suffixes):
                others[Path(entry.name).suffix.lower() or "without suffix"] += 1
            elif entry.is_symlink() or entry.is_file():
                # A link that leads nowhere is kept, to be reported as unreadable.
                found.append(Path(entry.path))
    return sorted(found, key=lambda path: normal(path.as_posix())), others


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds, hidden things left out, sorted by name; raises DataError."""
    try:
        with os.scandir(folder) as found:
            visible = [entry for entry in found if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}.") from error
    return sorted(visible, key=lambda entry: normal(entry.name))


def _folders_of(root: Path) -> list[Path]:
    return [Path(entry.path) for entry in entries_of(root) if is_folder(entry)]


def _strays(root: Path, reader: Reader) -> list[str]:
    """Files that look like examples outside of any class folder."""
    return [
        entry.name
        for entry in entries_of(root)
        if not is_folder(entry) and _has_suffix(entry.name, reader.suffixes)
    ]


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself has no kind.
        return False


def _has_suffix(name: str, suffixes: frozenset[str]) -> bool:
    return os.path.splitext(name)[1].lower() in suffixes  # noqa: PTH122


def _layout(reader: Reader) -> str:
    return (
        f"A data folder holds one folder of {reader.nouns} for each class, as in {reader.layout}, "
        "or train/ and val/ folders that do."
    )
