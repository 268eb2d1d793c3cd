"""Data sets from folders: a folder of class folders, or one divided into train, val and test."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from kerastl.data.dataset import ExampleDataset
from kerastl.data.request import Request
from kerastl.data.walking import (
    IgnoredFilesWarning,
    files_below,
    files_in,
    folders_in,
    ignored_message,
    outside_message,
)
from kerastl.errors import ConfigurationError, DataError, DataWarning, counted, some_of
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


def split_folders(root: Path, reader: Reader) -> dict[Split, Path]:
    """The train, validation and test folders in ``root``; empty where it is not divided so.

    Only folders that hold folders, and no examples of their own, count: a class may well be named
    ``train``.
    """
    found: dict[Split, Path] = {}
    folders = folders_in(root)
    for folder in folders:
        for split, names in SPLIT_FOLDERS.items():
            if folder.name.lower() not in names:
                continue
            strays = reader.stray_files_are_examples and files_in(folder, reader.suffixes)[0]
            if strays or not folders_in(folder):
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


def warn_of_ignored(root: Path, parts: dict[Split, Path], reader: Reader) -> None:
    """Warns of folders and files beside the train, validation and test folders of ``root``."""
    others = [folder.name for folder in folders_in(root) if folder not in parts.values()]
    if others:
        warnings.warn(
            f"{root} is divided into {listed(path.name for path in parts.values())}; other folders "
            f"there are ignored: {listed(others)}.",
            IgnoredFilesWarning,
            stacklevel=3,
        )
    _warn(root, reader, *files_in(root, reader.readable), {}, 1)


def from_folder(root: Path, request: Request, depth: int = 1) -> ExampleDataset:
    """A data set from a folder of class folders, each file of which is one example.

    Classes are the folders ``depth`` levels down, sorted by name: by their path below ``root``
    with ``/``, as in ``"animals/cat"``. Files may lie deeper; hidden files and folders and
    files with other suffixes are passed over; links are followed, never in circles. Files are
    ordered by class and relative path.
    """
    reader, where = request.reader, str(root)
    name, output = request.one_class("A folder of class folders")
    request.check_groups_by_name("a folder")
    above, folders = _class_folders(root, depth)
    strays, ignored = _outside(above, reader)
    if not folders:
        held = f"{counted(len(strays), reader.noun, reader.nouns)} but " if strays else ""
        level = "" if depth == 1 else f" {counted(depth, 'level')} down"
        raise DataError(
            f"{root} holds {held}no folders of {reader.nouns}{level}. {_layout(reader)}"
        )
    titles = {folder: folder.relative_to(root).as_posix() for folder in folders}
    if not output.labelling.class_names:
        # Checked on its own, because a class can clash by name and hold no example.
        found_class_names(titles.values(), where=where)
    barred = {os.path.realpath(folder) for folder in [*above, *folders]}
    paths: list[Path] = []
    classes: list[str] = []
    inner: dict[str, list[str]] = {}
    for folder, title in titles.items():
        found, others = files_below(folder, barred, reader.readable)
        if not found and not request.allow_missing:
            raise _empty_class(folder, title, others, reader)
        ignored += others
        paths += found
        classes += [title] * len(found)
        inner[title] = _subfolders(folder, found)
    _warn(root, reader, strays, ignored, inner, depth)
    labels = output.read_array(classes, request.source(where, name))
    names = [normal(path.relative_to(root).as_posix()) for path in paths]
    return request.dataset(
        where, reader.from_files(paths, request.encoding), {name: labels}, names=names, screen=True
    )


def check_depth(depth: int) -> int:
    """Returns how many levels down the classes lie; raises ConfigurationError."""
    if not isinstance(depth, int) or isinstance(depth, bool) or depth < 1:
        raise ConfigurationError(
            "depth (--depth) says how many levels below the data folder the class folders lie: a "
            f"whole number of at least 1. Received: {depth!r}."
        )
    return depth


def _class_folders(root: Path, depth: int) -> tuple[list[Path], list[Path]]:
    """The folders above the class folders, and the class folders, both sorted by path."""
    above: list[Path] = []
    folders = [root]
    for _ in range(depth):
        above += folders
        seen = {os.path.realpath(folder) for folder in above}
        inner = [path for folder in folders for path in folders_in(folder)]
        # Deeper down a link may lead back up.
        folders = [path for path in inner if depth == 1 or os.path.realpath(path) not in seen]
    return above, folders


def _outside(above: list[Path], reader: Reader) -> tuple[list[Path], Counter[str]]:
    """Examples outside of any class folder, and what else lies there by suffix."""
    strays: list[Path] = []
    ignored: Counter[str] = Counter()
    for folder in above:
        found, others = files_in(folder, reader.readable)
        strays += found
        ignored += others
    return strays, ignored


def _empty_class(folder: Path, title: str, others: Counter[str], reader: Reader) -> DataError:
    counts = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(3))
    hint = f" Other files there are not read: {counts}." if others else ""
    ways = {way for suffix, way in reader.lacking.items() if suffix in others}
    hint += "".join(f" To read them: {way}." for way in sorted(ways))
    return DataError(
        f"The class {title!r} has no {reader.nouns}: {folder} holds none.{hint} Add "
        f"some, or remove the folder. {_layout(reader)}"
    )


def _subfolders(folder: Path, found: list[Path]) -> list[str]:
    """The subfolders of a class folder, each with the number of its examples."""
    inner = Counter(parts[0] for path in found if len(parts := path.relative_to(folder).parts) > 1)
    return [f"{name} ({count})" for name, count in inner.items()]


def _warn(
    root: Path,
    reader: Reader,
    strays: list[Path],
    ignored: Counter[str],
    below: Mapping[str, list[str]],
    depth: int,
) -> None:
    """Warns of what is left out, and of classes that may be folders of classes."""
    if strays and reader.stray_files_are_examples:
        message = outside_message(str(root), strays, root, reader)
        warnings.warn(message, IgnoredFilesWarning, stacklevel=4)
    if ignored:
        message = ignored_message(str(root), ignored, reader)
        warnings.warn(message, IgnoredFilesWarning, stacklevel=4)
    divided = [f"{title!r} has {some_of(inner)}" for title, inner in below.items() if inner]
    if divided:
        warnings.warn(
            f"{root} has class folders with subfolders, whose {reader.nouns} all count as the "
            f"class above them: {some_of(divided)}. If the subfolders are the classes, give "
            f"depth={depth + 1} (--depth {depth + 1}).",
            DataWarning,
            stacklevel=4,
        )


def _layout(reader: Reader) -> str:
    return (
        f"A data folder holds one folder of {reader.nouns} for each class, as in {reader.layout}, "
        "or train/ and val/ folders that do."
    )
