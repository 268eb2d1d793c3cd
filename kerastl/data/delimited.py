"""Tables of text: which character divides the fields, and how quotes are read."""

from __future__ import annotations

import contextlib
import csv
import io
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from kerastl.errors import ConfigurationError, DataError
from kerastl.outputs.names import listed

Column: TypeAlias = str | int
"""A column by its name in the heading, or by its number from 0 in a table without heading."""

Line: TypeAlias = tuple[int, list[str]]
"""A line's number from 1 as editors count, the last one of a row, and the row's fields."""

_SEPARATORS = ",\t;|"
# What spreadsheets divide by goes with quoting as in RFC 4180.
_QUOTED = ",;"
_LONGEST_FIELD = 2**31 - 1
# The limit on the length of a field is one number for the whole process.
_LIMIT_LOCK = threading.Lock()


def has_no_heading(columns: Sequence[Column]) -> bool:
    """Whether columns are numbers, as those of a table without heading; a mixture is refused."""
    numbers = [isinstance(column, int) and not isinstance(column, bool) for column in columns]
    if any(numbers) and not all(numbers):
        raise ConfigurationError(
            f"Columns must be all names, or all numbers from 0 for a table without heading. "
            f"Received: {listed(columns)}."
        )
    return all(numbers)


def separator_of(table: Path, text: str, columns: Sequence[Column]) -> str:
    """What divides the fields: the suffix says what comes first, the columns asked for decide.

    ``.csv`` is divided by commas, ``.tsv`` by tabs, ``.txt`` by whichever its first line holds.
    Where that does not give the columns, and another of comma, tab, semicolon and ``|`` does, it
    is that one.
    """
    suffix = table.suffix.lower()
    first_line = text.lstrip("\r\n").split("\n", 1)[0]
    tabs_first = suffix == ".tsv" or (suffix != ".csv" and "\t" in first_line)
    rows: dict[str, list[str]] = {}
    for each in sorted(_SEPARATORS, key=lambda each: tabs_first and each != "\t"):
        row = rows[each] = _first_row(text, each)
        held = range(len(row)) if has_no_heading(columns) else row
        if all(column in held for column in columns):
            return each
    return max(rows, key=lambda each: len(rows[each]))


def parse(table: Path, text: str, separator: str) -> list[Line]:
    """The rows of a table; empty ones are passed over.

    Commas and semicolons go with quoting as in RFC 4180: a field may be in double quotes, hold
    line breaks and separators, and write a quote as two. Between tabs and ``|`` a quote is an
    ordinary character, as in files that nobody quoted, unless the file parses as a quoted one:
    every field that begins with a quote ends with one, every row has as many fields as the first,
    and no row that is whole in itself would vanish into a quoted field.
    """
    if separator in _QUOTED:
        try:
            return _quoted(text, separator)
        except csv.Error as error:
            raise DataError(
                f"{table} is not a well-formed table: {error}. A field with a separator, a quote "
                "or a line break must stand in double quotes, and a quote in it must be doubled."
            ) from error
    plain = _plain(text, separator)
    if '"' not in text:
        return plain
    try:
        quoted = _quoted(text, separator)
    except csv.Error:
        return plain
    fits = len({len(row) for _, row in quoted}) == 1
    swallows = len(quoted) < len(plain) and len({len(row) for _, row in plain}) == 1
    return quoted if fits and not swallows else plain


def _first_row(text: str, separator: str) -> list[str]:
    with long_fields(), contextlib.suppress(csv.Error):
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            if any(map(str.strip, row)):
                return [value.strip() for value in row]
    return []


def _plain(text: str, separator: str) -> list[Line]:
    rows = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [(line, row.split(separator)) for line, row in enumerate(rows, start=1) if row.strip()]


def _quoted(text: str, separator: str) -> list[Line]:
    with long_fields():
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        try:
            return [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
        except csv.Error as error:
            raise csv.Error(f"line {reader.line_num}: {error}") from error


@contextlib.contextmanager
def long_fields() -> Iterator[None]:
    """Lets the fields that ``csv`` reads be of any length."""
    with _LIMIT_LOCK:
        before = csv.field_size_limit(_LONGEST_FIELD)
        try:
            yield
        finally:
            csv.field_size_limit(before)
