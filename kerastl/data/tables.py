"""Data sets from CSV and TSV tables of image paths and labels."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Final

from kerastl.data.dataset import Groups, ImageDataset
from kerastl.data.unreadable import OnError, check_on_error, readable
from kerastl.errors import DataError, did_you_mean
from kerastl.outputs.encoding import encode_names
from kerastl.outputs.names import check_class_count, listed, normal

TABLE_SUFFIXES: Final = frozenset({".csv", ".tsv", ".txt"})
"""Suffixes, in lower case, of the files that are read as tables."""

IMAGE_COLUMN: Final = "image"
LABEL_COLUMN: Final = "label"

_MOST_LINES = 10


def from_table(
    path: str | os.PathLike[str],
    *,
    image_column: str = IMAGE_COLUMN,
    label_column: str = LABEL_COLUMN,
    group_column: str | None = None,
    class_names: Iterable[str] | None = None,
    groups: Callable[[str], Hashable] | None = None,
    on_error: OnError = "warn",
    allow_missing_classes: bool = False,
) -> ImageDataset:
    """A data set from a table with a heading, in UTF-8.

    ``.csv`` is divided by commas, ``.tsv`` by tabs, ``.txt`` by whichever its heading holds.

    Args:
        path: the table.
        image_column: the column of image paths; relative ones start at the table's folder.
        label_column: the column of class names, which are strings even where they look like
            numbers.
        group_column: a column that names the group of each example, for splits.
        class_names: the classes expected, in the order of the indices; without it the distinct
            labels, sorted as text.
        groups: gives the group of an example from its path as the table has it.
        on_error: ``"warn"`` skips unreadable and missing images with a warning, ``"raise"``
            raises.
        allow_missing_classes: accept a single class, and classes without images.

    Raises:
        DataError: a column, a label or a path is missing, or classes cannot be as they are.
        ImageError: an image is unreadable and ``on_error`` is ``"raise"``.
    """
    table, check = Path(path), check_on_error(on_error)
    columns = [image_column, label_column, *([] if group_column is None else [group_column])]
    lines, rows = read_columns(table, columns)
    for position, column in enumerate(columns):
        blank = [line for line, row in zip(lines, rows, strict=True) if not row[position]]
        if blank:
            raise DataError(
                f"{table} has no value in column {column!r} on {_lines(blank)}. Fill it in, or "
                "remove the row."
            )
    where = str(table)
    names, labels = encode_names(
        [row[1] for row in rows], class_names, where=where, allow_missing=allow_missing_classes
    )
    written = [normal(row[0]) for row in rows]
    paths = [table.parent / row[0] for row in rows]
    good, bad = readable(paths, on_error=check)
    check_class_count(labels[good], names, where=where, allow_missing=allow_missing_classes)
    by: Groups | None = None
    if group_column is not None:
        by = [rows[i][2] for i in good]
    elif groups is not None:
        by = [groups(written[i]) for i in good]
    return ImageDataset(
        [paths[i] for i in good],
        labels[good],
        names,
        names=[written[i] for i in good],
        groups=by,
        on_error=check,
        unreadable=[written[i] for i in bad],
    )


def read_columns(table: Path, columns: list[str]) -> tuple[list[int], list[list[str]]]:
    """Reads some columns of a table, stripped of surrounding blanks; empty rows are passed over.

    Returns:
        The line number of each row, from 1 as editors count, and its values in the order of
        ``columns``; a value is ``""`` where the row is too short.

    Raises:
        DataError: the table cannot be read, is empty, or lacks a column.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as handle:
            heading = handle.readline()
            handle.seek(0)
            reader = csv.reader(handle, delimiter=_delimiter(table, heading), strict=True)
            header = [name.strip() for name in next(reader, [])]
            places = [_place(table, header, column) for column in columns]
            lines: list[int] = []
            rows: list[list[str]] = []
            for row in reader:
                if not any(value.strip() for value in row):
                    continue
                lines.append(reader.line_num)
                rows.append([row[at].strip() if at < len(row) else "" for at in places])
    except OSError as error:
        raise DataError(f"{table} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{table} is not text in UTF-8. Save it in that encoding.") from error
    except csv.Error as error:
        raise DataError(
            f"{table} is no well-formed table: line {reader.line_num}: {error}."
        ) from error
    if not rows:
        raise DataError(f"{table} has no rows below its heading.")
    return lines, rows


def _delimiter(table: Path, heading: str) -> str:
    suffix = table.suffix.lower()
    if suffix == ".tsv" or (suffix != ".csv" and "\t" in heading):
        return "\t"
    return ","


def _place(table: Path, header: list[str], column: str) -> int:
    if not header or header == [""]:
        raise DataError(f"{table} is empty. Its first line must name the columns.")
    if header.count(column) > 1:
        raise DataError(f"{table} has several columns named {column!r}. Rename all but one.")
    if column not in header:
        raise DataError(
            f"{table} has no column {column!r}. It has: {listed(header)}."
            f"{did_you_mean(column, header)} Name the columns with image_column= and "
            "label_column=."
        )
    return header.index(column)


def _lines(numbers: list[int]) -> str:
    text = ", ".join(map(str, numbers[:_MOST_LINES]))
    more = len(numbers) - _MOST_LINES
    return f"line{'s' if len(numbers) > 1 else ''} {text}" + (
        f" and {more} more" if more > 0 else ""
    )
