"""Examples without labels, as a person names them: files, folders, patterns, lists, texts."""

from __future__ import annotations

import dataclasses
import glob
import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerastl.data.rows import TABLE_SUFFIXES, read_rows
from kerastl.data.unreadable import check_on_error, report
from kerastl.data.walking import IgnoredFilesWarning, files_below, ignored_message
from kerastl.errors import ConfigurationError, DataError, DataWarning
from kerastl.inputs import Input, Reader
from kerastl.text.encodings import read_texts

_PATTERN_CHARACTERS = frozenset("*?[")


@dataclasses.dataclass(frozen=True)
class Item:
    """One example before it is read.

    Attributes:
        title: what it is called in answers: as it was given, or its path.
        source: as the reader takes it; of a file that has to be read first, its path.
        is_file: whether the reader still has to make a source of the path.
    """

    title: str
    source: Any
    is_file: bool = False


@dataclasses.dataclass(frozen=True)
class Skipped:
    """One example that has no answer, and why."""

    title: str
    error: str

    def as_dict(self) -> dict[str, str]:
        """As JSON data: ``input`` and ``error``."""
        return {"input": _writable(self.title), "error": _writable(self.error)}


@dataclasses.dataclass(frozen=True)
class Unlabelled:
    """Examples without labels, in order.

    Attributes:
        items: what can be read, as far as is known.
        skipped: what cannot.
        ignored: files of folders that are no examples, counted by suffix.
    """

    items: tuple[Item, ...]
    skipped: tuple[Skipped, ...] = ()
    ignored: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items) + len(self.skipped)

    def __add__(self, other: Unlabelled) -> Unlabelled:
        return Unlabelled(
            self.items + other.items,
            self.skipped + other.skipped,
            dict(Counter(self.ignored) + Counter(other.ignored)),
        )


def find_unlabelled(given: Sequence[str], reader: Reader) -> Unlabelled:
    """What a person names on a command line.

    A folder stands for the files below it that are examples, in the order of their paths. Where
    examples are files, a pattern such as ``photos/*.jpg`` that the shell left alone stands for
    the files that it matches.
    """
    found = Unlabelled(())
    for text in given:
        if _is_folder(text):
            found += _below(Path(text), reader)
        elif reader.sources_are_files and _PATTERN_CHARACTERS & set(text) and not _exists(text):
            matching = sorted(glob.glob(text, recursive=True))  # noqa: PTH207
            names = [name for name in matching if not _is_folder(name)]
            if names:
                found += Unlabelled(tuple(Item(_writable(name), name) for name in names))
            else:
                found += Unlabelled((), (Skipped(text, f"{text} matches no file."),))
        else:
            if not reader.sources_are_files and _exists(text):
                warnings.warn(
                    f"{text!r} is a file, and is answered as a {reader.noun} all the same. To "
                    "answer what is in it, give its folder, or --lines for a line each.",
                    DataWarning,
                    stacklevel=2,
                )
            found += Unlabelled((Item(_writable(text), text),))
    return found


def find_lines(path: Path, reader: Reader, encoding: str | None = None) -> Unlabelled:
    """One example for each line of a file of text.

    A blank line is an example where the reader takes blank ones, and is reported otherwise.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    try:
        [content] = read_texts([path], encoding)
    except DataError as error:
        raise ConfigurationError(f"--lines {path} cannot be read: {error}") from error
    # Not splitlines(), which ends a line at characters that a text may hold.
    lines = content.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines = lines[:-1] if lines[-1] == "" else lines
    blank = [
        Skipped(line, f"Line {number} of {path} is blank.")
        for number, line in enumerate(lines, start=1)
        if not reader.blank_cells and not line.strip()
    ]
    kept = lines if reader.blank_cells else [line for line in lines if line.strip()]
    return Unlabelled(tuple(Item(line, line) for line in kept), tuple(blank))


def find_in_table(path: Path, reader: Reader, column: str | int | None, **how: Any) -> Unlabelled:
    """The examples in a column of a table; ``how`` goes to ``read_rows``.

    Raises:
        DataError: the table has no such column, or cannot be read.
    """
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise DataError(
            f"--table {path} is not a table that can be read: "
            f"{', '.join(sorted(TABLE_SUFFIXES))}. A file with an example a line goes with --lines."
        )
    if not path.is_file():
        raise DataError(f"There is no table {path}.")
    advice = f"Say which column holds the {reader.nouns}: --column."
    rows = read_rows(path, [reader.column if column is None else column], advice=advice, **how)
    items: list[Item] = []
    skipped: list[Skipped] = []
    for line, (cell,) in zip(rows.lines, rows.values, strict=True):
        if isinstance(cell, str) and (reader.blank_cells or cell.strip()):
            items.append(Item(cell, reader.from_cell(cell, path.parent)))
        else:
            skipped.append(Skipped("", f"Line {line} of {path} holds no {reader.noun}."))
    return Unlabelled(tuple(items), tuple(skipped))


def warn_of_ignored(found: Unlabelled, where: str, reader: Reader) -> None:
    """Warns of files that are no examples, by suffix."""
    if found.ignored:
        message = ignored_message(where, found.ignored, reader)
        warnings.warn(message, IgnoredFilesWarning, stacklevel=3)


def read_items(
    items: Sequence[Item], input: Input, encoding: str | None = None
) -> tuple[list[tuple[Item, Any]], list[Skipped]]:
    """Sources of items for a network, and the items that cannot be read.

    Each is tried by itself only where one of them fails.
    """
    try:
        return list(zip(items, _sources(items, input, encoding), strict=True)), []
    except (DataError, OSError):
        pass
    good: list[tuple[Item, Any]] = []
    bad: list[Skipped] = []
    for item in items:
        try:
            [source] = _sources([item], input, encoding)
            good.append((item, source))
        except (DataError, OSError) as error:
            bad.append(Skipped(item.title, str(error)))
    return good, bad


def readable_only(
    sources: Sequence[Any], input: Input
) -> tuple[list[int], list[tuple[int, DataError]]]:
    """Positions of the sources that become arrays, and the errors of the others."""
    good: list[int] = []
    bad: list[tuple[int, DataError]] = []
    for position, source in enumerate(sources):
        try:
            for _ in input.batches([source], size=1):
                pass
            good.append(position)
        except DataError as error:
            bad.append((position, error))
    return good, bad


def sources_of(inputs: Any, input: Input, *, on_error: str = "raise") -> list[Any]:
    """Examples as Python code gives them: as ``Input.as_list`` takes them, or a folder of files.

    Args:
        inputs: examples, or the path of a folder: of texts as a ``Path``, since a string is a text.
        input: what a network takes.
        on_error: ``"warn"`` leaves out what cannot be read, with a warning that names it.
    """
    reader, skip = input.reader, check_on_error(on_error) == "warn"
    if isinstance(inputs, os.PathLike) or (reader.sources_are_files and isinstance(inputs, str)):
        folder = os.fspath(inputs)
        if isinstance(folder, str) and _is_folder(folder):
            found = _below(Path(folder), reader)
            warn_of_ignored(found, folder, reader)
            if not found.items:
                raise DataError(f"{folder} holds no {reader.nouns}.")
            inputs = list(reader.from_files([Path(item.source) for item in found.items], None))
    sources = input.as_list(inputs)
    if not skip:
        return sources
    good, bad = readable_only(sources, input)
    named = [(input.shown(sources[position]), error) for position, error in bad]
    report(named, reader, on_error="warn")
    if bad and not good:
        raise DataError(f"Not a single {reader.noun} could be read. The first: {bad[0][1]}")
    return [sources[position] for position in good]


def _sources(items: Sequence[Item], input: Input, encoding: str | None) -> list[Any]:
    paths = [Path(item.source) for item in items if item.is_file]
    read = iter(input.reader.from_files(paths, encoding) if paths else ())
    given = [next(read) if item.is_file else item.source for item in items]
    return input.as_list(given)


def _below(folder: Path, reader: Reader) -> Unlabelled:
    paths, others = files_below(folder, set(), reader.readable)
    items = tuple(Item(_writable(str(path)), path, is_file=True) for path in paths)
    return Unlabelled(items, (), others)


def _is_folder(text: str) -> bool:
    try:
        return bool(text) and Path(text).is_dir()
    except (OSError, ValueError):
        # A text may be longer than any path, or hold NUL.
        return False


def _exists(text: str) -> bool:
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):
        return False


def _writable(name: str) -> str:
    """A name of a file that UTF-8 can hold: bytes that are no text are written as escapes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
