"""The rows of a table in a file: .csv, .tsv and .txt, .jsonl, .parquet."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from kerastl.data.delimited import Column, has_no_heading, parse, separator_of
from kerastl.errors import ConfigurationError, DataError, did_you_mean, named
from kerastl.optional import require
from kerastl.outputs.encoding import lines_of
from kerastl.outputs.names import listed
from kerastl.outputs.source import Cell
from kerastl.text.encodings import read_texts


@dataclasses.dataclass(frozen=True)
class Rows:
    """Some columns of a table: of each row its line, and its cells in the order asked for.

    Lines count from 1 as in editors, the last one where a quoted field runs over several; of a
    Parquet file they are the numbers of the rows. ``optional`` are the cells of a column that
    need not be there, None where it is not.
    """

    lines: tuple[int, ...]
    values: tuple[tuple[Cell, ...], ...]
    optional: tuple[Cell, ...] | None = None

    def chosen(self, places: Sequence[int]) -> Rows:
        """Some of the rows."""
        return Rows(
            tuple(self.lines[at] for at in places),
            tuple(self.values[at] for at in places),
            None if self.optional is None else tuple(self.optional[at] for at in places),
        )


@dataclasses.dataclass(frozen=True)
class HowToRead:
    """How a table is read.

    Attributes:
        encoding: of text, as Python names it; None finds it.
        field_separator: the character between two fields of text; None finds it.
        optional: the name of a column that is read if it is there.
        advice: what errors say of how columns are named.
    """

    encoding: str | None = None
    field_separator: str | None = None
    optional: Column | None = None
    advice: str = ""

    def check(self) -> None:
        """Raises ConfigurationError where the separator is none."""
        separator: Any = self.field_separator
        if separator is not None and not (isinstance(separator, str) and len(separator) == 1):
            raise ConfigurationError(
                f"{named('field_separator')} is the one character between two fields of a table, "
                f"as in ';'. Received: {separator!r}."
            )


def read_rows(
    table: Path, columns: Sequence[Column], encoding: str | None = None, **how: Any
) -> Rows:
    """Reads some columns of a table as they stand; empty rows are passed over.

    Columns are names, or numbers from 0 where a file of text has no heading. ``how`` are further
    fields of ``HowToRead``.
    """
    reading = HowToRead(encoding, **how)
    reading.check()
    read = _READERS[table.suffix.lower()]
    if has_no_heading(columns) and read is not _delimited:
        raise ConfigurationError(
            f"{table} names its columns; numbers, as in {listed(columns)}, are for tables of text "
            "without heading. Give names."
        )
    rows = read(table, columns, reading)
    if not rows.lines:
        raise DataError(f"{table} has no rows. Add some.")
    return rows


def _delimited(table: Path, columns: Sequence[Column], how: HowToRead) -> Rows:
    [text] = read_texts([table], how.encoding)
    rows = parse(table, text, how.field_separator or separator_of(table, text, columns))
    if not rows:
        raise DataError(f"{table} is empty.")
    header = [name.strip() for name in rows[0][1]]
    if has_no_heading(columns):
        places = [int(column) for column in columns]
        for place in places:
            if not 0 <= place < len(header):
                raise DataError(
                    f"{table} has no column {place}: its first row has {len(header)}, numbered "
                    "from 0."
                )
    else:
        places = [_named(table, header, str(column), how.advice) for column in columns]
        rows = rows[1:]
    extra = _place(header, how.optional)
    if not rows:
        raise DataError(f"{table} has no rows below its heading.")
    width = max(places) + 1
    short = [line for line, row in rows if len(row) < width]
    if short:
        raise DataError(
            f"{table} has too few fields on {lines_of(short)}: {width} or more are needed. Fill "
            "them in, remove the rows, or check what divides the fields."
        )
    return Rows(
        tuple(line for line, _ in rows),
        tuple(tuple(row[at] for at in places) for _, row in rows),
        None if extra is None else tuple(row[extra] if extra < len(row) else "" for _, row in rows),
    )


def _json_lines(table: Path, columns: Sequence[Column], how: HowToRead) -> Rows:
    [text] = read_texts([table], how.encoding)
    lines: list[int] = []
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{table} is not JSON on line {number}: {error}.") from error
        if not isinstance(row, dict):
            raise DataError(
                f"{table} must hold a JSON object on each line. Line {number} holds a "
                f"{type(row).__name__}."
            )
        lines.append(number)
        rows.append(row)
    known = list(dict.fromkeys(name for row in rows for name in row))
    for column in columns if rows else ():
        _named(table, known, str(column), how.advice)
    values = [
        tuple(_cell(row.get(str(column)), table, column, line) for column in columns)
        for line, row in zip(lines, rows, strict=True)
    ]
    at = _place(known, how.optional)
    extra = None if at is None else tuple(_plain(row.get(known[at])) for row in rows)
    return Rows(tuple(lines), tuple(values), extra)


def _parquet(table: Path, columns: Sequence[Column], how: HowToRead) -> Rows:
    parquet = require("pyarrow.parquet", extra="parquet", purpose=f"Reading {table}")
    try:
        with parquet.ParquetFile(table) as file:
            known = list(file.schema_arrow.names)
            at = _place(known, how.optional)
            held = {*columns, *([] if at is None else [known[at]])}
            content = file.read(columns=[name for name in known if name in held])
    except (OSError, ValueError) as error:
        raise DataError(f"{table} cannot be read as a Parquet file: {error}.") from error
    for column in columns:
        _named(table, known, str(column), how.advice)
    cells = [
        [
            _cell(value, table, column, row)
            for row, value in enumerate(content.column(column).to_pylist(), start=1)
        ]
        for column in columns
    ]
    extra = None if at is None else tuple(map(_plain, content.column(known[at]).to_pylist()))
    return Rows(tuple(range(1, content.num_rows + 1)), tuple(zip(*cells, strict=True)), extra)


_ADVICE: Final = (
    f"Say which columns are meant, as in {named('label_column')}; numbers from 0 are for a table "
    f"of text without heading."
)

_READERS: Final[dict[str, Callable[[Path, Sequence[Column], HowToRead], Rows]]] = {
    ".csv": _delimited,
    ".tsv": _delimited,
    ".txt": _delimited,
    ".jsonl": _json_lines,
    ".parquet": _parquet,
}

TABLE_SUFFIXES: Final = frozenset(_READERS)
"""Suffixes, in lower case, of the files that are read as tables."""


def _cell(value: Any, table: Path, column: Column, line: int) -> Cell:
    """A typed value as a table of text would have it."""
    if value is None or value != value:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return tuple(_text(item, table, column, line) for item in value)
    return _text(value, table, column, line)


def _text(value: Any, table: Path, column: Column, line: int) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None or isinstance(value, (dict, list, bytes)):
        raise DataError(
            f"{table} has a {type(value).__name__} in column {column!r} on line {line}. Text, "
            "numbers and lists of these can be read."
        )
    return str(value)


def _plain(value: Any) -> str:
    """A typed value of a column that is not refused, whatever it holds."""
    return "" if value is None else str(value)


def _place(names: Sequence[str], column: Column | None) -> int | None:
    """Where a column that need not be there stands; names are the same in whatever case."""
    if column is None or isinstance(column, int):
        return column
    alike = [at for at, name in enumerate(names) if name.lower() == column.lower()]
    return alike[0] if len(alike) == 1 else None


def _named(table: Path, names: Sequence[str], column: str, advice: str) -> int:
    if names.count(column) > 1:
        raise DataError(f"{table} has several columns named {column!r}. Rename all but one.")
    if column not in names:
        # One column often means that what divides the fields was not found.
        divided = f" {named('field_separator')} says what divides them." if len(names) == 1 else ""
        raise DataError(
            f"{table} has no column {column!r}. It has: {listed(names)}."
            f"{did_you_mean(column, names)} {advice or _ADVICE}{divided}"
        )
    return names.index(column)
