"""Reading CSV and TSV tables of texts, in any encoding, with or without quoting."""

from __future__ import annotations

import codecs
import csv
import dataclasses
import io
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from kerastl.errors import ConfigurationError, DataError, did_you_mean
from kerastl.outputs.names import listed

Column = str | int
"""A column by its name in the heading, or by its number from 0 in a table without heading."""

_UTF8 = "utf-8"
_MOST_LINES = 10
_LONGEST_FIELD = 2**31 - 1
# The limit on the length of a field is one number for the whole process.
_LIMIT_LOCK = threading.Lock()


@dataclasses.dataclass(frozen=True)
class TextRows:
    """Some columns of a table.

    Attributes:
        lines: the line of each row, from 1 as editors count (the last one, where a quoted text
            runs over several).
        values: the values of each row, in the order in which the columns were asked for.
    """

    lines: tuple[int, ...]
    values: tuple[tuple[str, ...], ...]


def read_text_rows(table: Path, columns: Sequence[Column], *, encoding: str = _UTF8) -> TextRows:
    """Reads some columns of a table as they stand; empty rows are passed over.

    ``.csv`` is divided by commas, ``.tsv`` by tabs, ``.txt`` by whichever its first line holds.
    Commas go with quoting as in RFC 4180: a field may be in double quotes, hold line breaks and
    commas, and write a quote as two. Between tabs a quote is an ordinary character, as in files
    that nobody quoted, unless the file parses as a quoted one: every field that begins with a
    quote ends with one, every row has as many fields as the first, and no row that is whole in
    itself would vanish into a quoted field.

    Args:
        table: the file.
        columns: names in the heading; or numbers from 0, all of them, where there is none.
        encoding: of the file, as Python names it. A byte order mark is passed over.

    Raises:
        DataError: the table cannot be read or decoded, is empty, or lacks a column.
        ConfigurationError: no such encoding, or names mixed with numbers.
    """
    headless = _headless(columns)
    text = decode(table, encoding)
    delimiter = _delimiter(table, text)
    rows = _parse(table, text, delimiter)
    if not rows:
        raise DataError(f"{table} is empty. {'' if headless else 'Its first line must name the '}"
                        f"{'Add rows.' if headless else 'columns.'}")  # fmt: skip
    header = rows[0][1]
    if headless:
        places = [_numbered(table, int(column), len(header)) for column in columns]
    else:
        places = [_named(table, [name.strip() for name in header], str(c)) for c in columns]
        rows = rows[1:]
    if not rows:
        raise DataError(f"{table} has no rows below its heading.")
    width = max(places) + 1
    short = [line for line, row in rows if len(row) < width]
    if short:
        raise DataError(
            f"{table} has too few fields on {lines_of(short)}: {width} or more are needed. Fill "
            "them in, remove the rows, or check what divides the fields: commas in .csv, tabs in "
            ".tsv."
        )
    return TextRows(
        tuple(line for line, _ in rows), tuple(tuple(row[at] for at in places) for _, row in rows)
    )


def decode(path: Path, encoding: str) -> str:
    """The text in a file, without a byte order mark; line ends stay as they are.

    Raises:
        DataError: the file cannot be read, or is not in that encoding.
        ConfigurationError: Python knows no such encoding of text.
    """
    try:
        codec = codecs.lookup(encoding).name
        "".encode(codec)
    except (LookupError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"encoding={encoding!r} is no encoding of text that Python knows. Usual ones are "
            "'utf-8', 'latin-1', 'cp1252', 'utf-16'."
        ) from error
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    try:
        # Of UTF-16 and UTF-32 the codec itself takes the mark.
        return content.decode("utf-8-sig" if codec == _UTF8 else codec)
    except UnicodeError as error:
        at = getattr(error, "start", 0)
        line = content.count(b"\n", 0, at) + 1
        byte = f"0x{content[at]:02X}" if at < len(content) else "its end"
        raise DataError(
            f"{path} is not text in {encoding}: byte {at} (line {line}) is {byte}, which cannot "
            "be there. Say which encoding it is in with encoding=, as in encoding='latin-1' or "
            "'cp1252', or save it as UTF-8."
        ) from error


def lines_of(numbers: Sequence[int]) -> str:
    """Line numbers for a message, no more than ten of them."""
    text = ", ".join(map(str, numbers[:_MOST_LINES]))
    more = len(numbers) - _MOST_LINES
    return f"line{'s' if len(numbers) > 1 else ''} {text}" + (
        f" and {more} more" if more > 0 else ""
    )


def _headless(columns: Sequence[Column]) -> bool:
    numbers = [isinstance(column, int) and not isinstance(column, bool) for column in columns]
    if any(numbers) and not all(numbers):
        raise ConfigurationError(
            f"Columns must be all names, or all numbers from 0 for a table without heading. "
            f"Received: {listed(columns)}."
        )
    return all(numbers)


def _delimiter(table: Path, text: str) -> str:
    suffix = table.suffix.lower()
    first = text.lstrip("\r\n").split("\n", 1)[0]
    return "\t" if suffix == ".tsv" or (suffix != ".csv" and "\t" in first) else ","


def _parse(table: Path, text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    if delimiter == ",":
        try:
            return _quoted(text, delimiter)
        except csv.Error as error:
            raise DataError(
                f"{table} is no well-formed table: {error}. A text with a comma, a quote or a "
                "line break must stand in double quotes, and a quote in it must be doubled."
            ) from error
    plain = _plain(text, delimiter)
    if '"' not in text:
        return plain
    try:
        quoted = _quoted(text, delimiter)
    except csv.Error:
        return plain
    fits = len({len(row) for _, row in quoted}) == 1
    swallows = len(quoted) < len(plain) and len({len(row) for _, row in plain}) == 1
    return quoted if fits and not swallows else plain


def _plain(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    rows = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [(line, row.split(delimiter)) for line, row in enumerate(rows, start=1) if row.strip()]


def _quoted(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    with _LIMIT_LOCK:
        before = csv.field_size_limit(_LONGEST_FIELD)
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
            return list(_rows(reader))
        finally:
            csv.field_size_limit(before)


def _rows(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    try:
        for row in reader:
            if any(value.strip() for value in row):
                yield reader.line_num, row  # type: ignore[attr-defined]
    except csv.Error as error:
        raise csv.Error(f"line {reader.line_num}: {error}") from error  # type: ignore[attr-defined]


def _named(table: Path, header: list[str], column: str) -> int:
    if header.count(column) > 1:
        raise DataError(f"{table} has several columns named {column!r}. Rename all but one.")
    if column not in header:
        raise DataError(
            f"{table} has no column {column!r}. It has: {listed(header)}."
            f"{did_you_mean(column, header)} Name the columns with text_column= and "
            "label_column=; numbers from 0 name those of a table without heading."
        )
    return header.index(column)


def _numbered(table: Path, column: int, width: int) -> int:
    if not 0 <= column < width:
        raise DataError(
            f"{table} has no column {column}: its first row has {width}, numbered from 0."
        )
    return column
