"""Texts from a folder of class folders."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from kerastl.data.folders import entries_of, files_below, is_folder
from kerastl.data.text_tables import decode
from kerastl.data.texts import TextDataset
from kerastl.errors import DataError
from kerastl.outputs.encoding import encode_names
from kerastl.outputs.names import check_class_count, normal

TEXT_SUFFIXES = frozenset({".txt"})
"""Suffixes, in lower case, of the files that are read as one text each."""

_LAYOUT = (
    "A folder of texts holds one folder of .txt files for each class, as in mails/spam/1.txt and "
    "mails/ham/1.txt, or train/ and val/ folders that do."
)


def texts_from_folder(
    root: str | os.PathLike[str],
    *,
    encoding: str = "utf-8",
    class_names: Iterable[str] | None = None,
    allow_missing: bool = False,
) -> TextDataset:
    """A data set from a folder of class folders of ``.txt`` files, one text each.

    Classes are the folders, sorted by name. Files may lie deeper; they are ordered by class and
    relative path. A single line end that closes a file is no part of its text.

    Args:
        root: the folder.
        encoding: of the files, as Python names it.
        class_names: the classes expected, in the order of the indices.
        allow_missing: accept a single class, and classes without texts.

    Raises:
        DataError: no class folder, a single one, one without texts, a file in another encoding,
            or classes other than ``class_names``.
    """
    base = Path(root)
    folders = [Path(entry.path) for entry in entries_of(base) if is_folder(entry)]
    if not folders:
        raise DataError(f"{base} holds no folders of texts. {_LAYOUT}")
    barred = {os.path.realpath(folder) for folder in [base, *folders]}
    paths: list[Path] = []
    labels: list[str] = []
    for folder in folders:
        found, others = files_below(folder, barred, TEXT_SUFFIXES)
        if not found and not allow_missing:
            hint = f" It holds {others.total()} files of other kinds." if others else ""
            raise DataError(
                f"The class {folder.name!r} has no texts: {folder} holds no .txt file.{hint} Add "
                f"some, or remove the folder. {_LAYOUT}"
            )
        paths += found
        labels += [folder.name] * len(found)
    names, indices = encode_names(labels, class_names, where=str(base), allow_missing=allow_missing)
    check_class_count(indices, names, where=str(base), allow_missing=allow_missing)
    return TextDataset(
        [_without_line_end(decode(path, encoding)) for path in paths],
        indices,
        names,
        names=[normal(path.relative_to(base).as_posix()) for path in paths],
    )


def _without_line_end(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")
