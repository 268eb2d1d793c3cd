"""Data sets from folders: a folder of class folders, or one divided into train, val and test."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Literal, TypeAlias

from kerastl.data.dataset import ImageDataset
from kerastl.data.unreadable import OnError, check_on_error, readable
from kerastl.errors import DataError
from kerastl.inputs.images import IMAGE_SUFFIXES
from kerastl.outputs.encoding import encode_names
from kerastl.outputs.names import check_class_count, found_class_names, listed, normal

Split: TypeAlias = Literal["train", "validation", "test"]
"""The parts that data may be divided into."""

SPLIT_FOLDERS: dict[Split, frozenset[str]] = {
    "train": frozenset({"train", "training"}),
    "validation": frozenset({"val", "valid", "validation"}),
    "test": frozenset({"test", "testing"}),
}
"""Names, in lower case, of the folders that hold the parts."""

_LAYOUT = (
    "A data folder holds one folder of images for each class, as in photos/cat/1.jpg and "
    "photos/dog/1.jpg, or train/ and val/ folders that do."
)


class IgnoredFilesWarning(UserWarning):
    """Files or folders were left out because they belong to no class."""


def split_folders(root: Path) -> dict[Split, Path]:
    """The train, validation and test folders in ``root``; empty where it is not divided so.

    Only folders that hold folders, and no images of their own, count: a class may well be named
    ``train``.

    Raises:
        DataError: two folders are named as the same part, as ``val`` and ``valid`` are.
    """
    found: dict[Split, Path] = {}
    folders = [Path(entry.path) for entry in entries_of(root) if is_folder(entry)]
    for folder in folders:
        for split, names in SPLIT_FOLDERS.items():
            if folder.name.lower() not in names:
                continue
            if not _holds_folders_only(folder):
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
    folders = [Path(entry.path) for entry in entries_of(root) if is_folder(entry)]
    others = [folder.name for folder in folders if folder not in parts.values()]
    if others:
        warnings.warn(
            f"{root} is divided into {listed(path.name for path in parts.values())}; other folders "
            f"there are ignored: {listed(others)}.",
            IgnoredFilesWarning,
            stacklevel=2,
        )


def from_folder(
    root: str | os.PathLike[str],
    *,
    class_names: Iterable[str] | None = None,
    groups: Callable[[str], Hashable] | None = None,
    on_error: OnError = "warn",
    allow_missing_classes: bool = False,
) -> ImageDataset:
    """A data set from a folder of class folders.

    Classes are the folders, sorted by name. Images may lie deeper; hidden files and folders and
    files that are no images are passed over; links are followed, never in circles. Files are
    ordered by class and relative path.

    Args:
        root: the folder.
        class_names: the classes expected, in the order of the indices; without it the names of
            the folders, sorted.
        groups: gives the group of an example from its relative path, for splits.
        on_error: ``"warn"`` skips unreadable images with a warning, ``"raise"`` raises.
        allow_missing_classes: accept a single class, and classes without images.

    Raises:
        DataError: no class folder, a single one, one without images, names that clash, or
            classes other than ``class_names``.
        ImageError: an image is unreadable and ``on_error`` is ``"raise"``.
    """
    base, check = Path(root), check_on_error(on_error)
    folders = [Path(entry.path) for entry in entries_of(base) if is_folder(entry)]
    strays = [e.name for e in entries_of(base) if not is_folder(e) and _is_image(e.name)]
    where = str(base)
    if not folders:
        held = f"{len(strays)} images but no folders" if strays else "no folders of images"
        raise DataError(f"{base} holds {held}. {_LAYOUT}")
    if class_names is None:
        # Checked on its own, because a class can clash by name and hold no image.
        found_class_names([folder.name for folder in folders], where=where)
    barred = {os.path.realpath(folder) for folder in [base, *folders]}
    paths: list[Path] = []
    labels: list[str] = []
    for folder in folders:
        images, others = files_below(folder, barred)
        if not images and not allow_missing_classes:
            hint = f" It holds {_counted(others)} that are not read as images." if others else ""
            raise DataError(
                f"The class {folder.name!r} has no images: {folder} holds none.{hint} Add some, or "
                f"remove the folder. {_LAYOUT}"
            )
        paths += images
        labels += [folder.name] * len(images)
    if strays:
        warnings.warn(
            f"{base} holds {len(strays)} image{'s' if len(strays) > 1 else ''} outside any class "
            f"folder, which {'are' if len(strays) > 1 else 'is'} ignored: {listed(strays)}.",
            IgnoredFilesWarning,
            stacklevel=2,
        )
    names, indices = encode_names(
        labels, class_names, where=where, allow_missing=allow_missing_classes
    )
    good, bad = readable(paths, on_error=check)
    relative = [normal(path.relative_to(base).as_posix()) for path in paths]
    kept = indices[good]
    check_class_count(kept, names, where=where, allow_missing=allow_missing_classes)
    return ImageDataset(
        [paths[i] for i in good],
        kept,
        names,
        names=[relative[i] for i in good],
        groups=None if groups is None else [groups(relative[i]) for i in good],
        on_error=check,
        unreadable=[relative[i] for i in bad],
    )


def files_below(
    folder: Path, barred: set[str], suffixes: frozenset[str] = IMAGE_SUFFIXES
) -> tuple[list[Path], Counter[str]]:
    """Files of a kind at any depth, sorted by path, and the suffixes of what was passed over.

    Args:
        folder: where to look.
        barred: real paths of folders that links must not lead into.
        suffixes: in lower case; images without it.

    Raises:
        DataError: a folder cannot be read.
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
                others[Path(entry.name).suffix.lower() or "no suffix"] += 1
            elif entry.is_symlink() or entry.is_file():
                # A link that leads nowhere is kept, to be reported as unreadable.
                found.append(Path(entry.path))
    return sorted(found, key=lambda path: normal(path.as_posix())), others


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds, hidden things left out, sorted by name.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with os.scandir(folder) as found:
            visible = [entry for entry in found if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}.") from error
    return sorted(visible, key=lambda entry: normal(entry.name))


def _holds_folders_only(folder: Path) -> bool:
    entries = entries_of(folder)
    return any(is_folder(entry) for entry in entries) and not any(
        _is_image(entry.name) for entry in entries if not is_folder(entry)
    )


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself has no kind.
        return False


def _is_image(name: str) -> bool:
    return _has_suffix(name, IMAGE_SUFFIXES)


def _has_suffix(name: str, suffixes: frozenset[str]) -> bool:
    return os.path.splitext(name)[1].lower() in suffixes  # noqa: PTH122


def _counted(others: Counter[str]) -> str:
    return ", ".join(f"{count} of {suffix}" for suffix, count in others.most_common(3))
