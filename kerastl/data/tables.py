"""Data sets from tables: a column of examples, columns of labels for each output, groups."""

from __future__ import annotations

import dataclasses
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from kerastl.data.dataset import ExampleDataset
from kerastl.data.delimited import Column
from kerastl.data.folders import SPLIT_FOLDERS, Split
from kerastl.data.request import Request
from kerastl.data.rows import Rows, read_rows
from kerastl.data.splits import Groups
from kerastl.errors import ConfigurationError, DataError, DataWarning, did_you_mean, named
from kerastl.inputs import Reader
from kerastl.outputs import Output
from kerastl.outputs.encoding import lines_of
from kerastl.outputs.names import listed

LABEL_COLUMN: Final = "label"
SPLIT_COLUMN: Final = "split"

# How columns name the parts, in lower case.
_PARTS: Final[dict[str, Split]] = {
    **{name: split for split, names in SPLIT_FOLDERS.items() for name in names},
    "dev": "validation",
}

LabelColumns: TypeAlias = Column | tuple[Column, ...]
"""The column of an output's labels, or several, one for each class."""


SplitColumn: TypeAlias = Column | Literal[False] | None
"""The column that divides a table; None finds it, False leaves the table whole."""


@dataclasses.dataclass(frozen=True)
class Columns:
    """Which columns of a table hold the examples, the labels of each output, and the groups.

    Attributes:
        examples: the column of the examples.
        labels: those of each output, by its name.
        group: the column of the groups.
        separator: divides the names in a single column of several labels.
        split: the column that divides the rows into parts; None where none is looked for.
        split_required: whether that column has to be there.
        field_separator: the character between two fields; None finds it.
        advice: what errors say of how columns are named.
    """

    examples: Column
    labels: Mapping[str, tuple[Column, ...]]
    group: Column | None = None
    separator: str = ","
    split: Column | None = SPLIT_COLUMN
    split_required: bool = False
    field_separator: str | None = None
    advice: str = ""

    @property
    def all(self) -> list[Column]:
        """Every column but the one that divides, the examples first, the group last."""
        labels = [column for columns in self.labels.values() for column in columns]
        return [self.examples, *labels, *([] if self.group is None else [self.group])]

    @property
    def optional(self) -> Column | None:
        """The column that may divide the rows; None where it is one of the others."""
        if self.split_required or self.split is None:
            return self.split
        numbers = isinstance(self.examples, int) and isinstance(self.split, str)
        taken = {str(column).lower() for column in self.all}
        return None if numbers or str(self.split).lower() in taken else self.split

    def numbered(self, heading: Sequence[str]) -> Columns:
        """The same columns by their numbers, in a table whose heading stands elsewhere.

        Raises:
            ConfigurationError: it lacks one of the columns.
        """

        def number(column: Column) -> Column:
            if isinstance(column, str) and column not in heading:
                raise ConfigurationError(
                    f"There is no column {column!r} among {listed(heading)}."
                    f"{did_you_mean(column, heading)}"
                )
            return heading.index(column) if isinstance(column, str) else column

        split = self.optional
        if split not in heading and not self.split_required:
            split = None
        return dataclasses.replace(
            self,
            examples=number(self.examples),
            labels={name: tuple(map(number, columns)) for name, columns in self.labels.items()},
            group=None if self.group is None else number(self.group),
            split=None if split is None else number(split),
        )


def named_columns(
    reader: Reader,
    outputs: Mapping[str, Output],
    *,
    examples: Mapping[str, Column],
    labels: LabelColumns | Mapping[str, LabelColumns] | None = None,
    separator: str = ",",
    split: SplitColumn = None,
    **others: Any,
) -> Columns:
    """Columns as the user names them; raises ConfigurationError where they cannot be.

    ``examples`` is the option that names the column of the examples, as ``{"image_column": ...}``;
    ``column`` works with every reader. ``others`` are further fields of ``Columns``.
    """
    own = f"{reader.column}_column"
    for option in examples:
        if option not in (own, "column"):
            raise ConfigurationError(
                f"There is no option {option!r}.{did_you_mean(option, [own, 'label_column'])} The "
                f"column of {reader.nouns} is named by {own}= (--column)."
            )
    if not isinstance(separator, str) or not separator:
        raise ConfigurationError(
            f"{named('label_separator')} must be a string. Received: {separator!r}"
        )
    if labels is None:
        # The only output is called as artifacts call it, unless the user gave it a name.
        [(first, output), *more] = outputs.items()
        unnamed = not more and first == output.tensor
        labels = LABEL_COLUMN if unnamed else {name: name for name in outputs}
    if not isinstance(labels, Mapping) and len(outputs) == 1:
        labels = dict.fromkeys(outputs, labels)
    if not isinstance(labels, Mapping) or set(labels) != set(outputs):
        raise ConfigurationError(
            f"{named('label_column')} must name the columns of the outputs {listed(outputs)}, as "
            f"in label_column={{{next(iter(outputs))!r}: 'column', ...}} (--label-column "
            f"{next(iter(outputs))}=column). Received: {labels!r}"
        )
    columns = {name: _columns_of(output, labels[name]) for name, output in outputs.items()}
    advice = (
        f"Say which columns are meant: {own}= (--column) for the {reader.nouns}, "
        f"{named('label_column')} for the labels. Numbers from 0 are for a table of text without "
        "heading."
    )
    return Columns(
        next(iter(examples.values()), reader.column),
        columns,
        separator=separator,
        split=SPLIT_COLUMN if split is None else (None if split is False else split),
        split_required=split is not None and split is not False,
        advice=advice,
        **others,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """A table that was read, before its labels are.

    Attributes:
        path: the file.
        rows: the columns that were asked for.
        parts: the part of each row, where a column divides them.
        column: the name of that column.
    """

    path: Path
    rows: Rows
    parts: tuple[Split, ...] | None = None
    column: Column = SPLIT_COLUMN

    @property
    def counts(self) -> dict[Split, int]:
        """How many rows each part has, in the usual order; empty where nothing divides them."""
        found = Counter(self.parts or ())
        return {split: found[split] for split in get_args(Split) if found[split]}


def open_table(path: Path, columns: Columns, encoding: str | None) -> Table:
    """Reads a table, and what divides it.

    Raises:
        DataError: it cannot be read, or the column that should divide it cannot.
    """
    rows = read_rows(
        path,
        columns.all,
        encoding,
        field_separator=columns.field_separator,
        optional=columns.optional,
        advice=columns.advice,
    )
    column, required = columns.optional, columns.split_required
    if column is None:
        return Table(path, rows)
    if rows.optional is None:
        if not required:
            return Table(path, rows)
        raise DataError(f"{path} has no column {column!r}, which {named('split_column')} names.")
    words = [str(cell or "").strip().lower() for cell in rows.optional]
    unknown = list(dict.fromkeys(word for word in words if word not in _PARTS))
    if not unknown:
        return Table(path, rows, tuple(_PARTS[word] for word in words), column)
    message = (
        f"{path}: the column {column!r} is not used to divide the rows: it holds "
        f"{listed(unknown)}, and train, validation (val) and test are read."
    )
    if required:
        raise DataError(message)
    warnings.warn(message, DataWarning, stacklevel=3)
    return Table(path, rows)


def divided_to_train(table: Table) -> Table:
    """A table that is to be trained on: undivided where no row is for training; says which."""
    if table.parts is None:
        return table
    if "train" not in table.counts:
        warnings.warn(
            f"{table.path}: the column {table.column!r} is not used to divide the rows: it has no "
            f"row of train, only {_and(table.counts)}.",
            DataWarning,
            stacklevel=3,
        )
        return dataclasses.replace(table, parts=None)
    warnings.warn(
        f"{table.path}: the column {table.column!r} divides its rows into {_and(table.counts)}, "
        "and they are used so. To divide them otherwise: split_column=False (--split-column none).",
        DataWarning,
        stacklevel=3,
    )
    return table


def _and(counts: Mapping[Split, int]) -> str:
    *others, last = [f"{split} ({count:,})" for split, count in counts.items()]
    return f"{', '.join(others)} and {last}" if others else last


def from_table(
    table: Table, request: Request, columns: Columns, split: Split | None = None
) -> ExampleDataset:
    """A data set from a table; class names are strings, even where they look like numbers."""
    request.check_groups_by_name("a table")
    path, rows = table.path, _rows_of(table, split)
    examples = _filled(path, rows, 0, columns.examples, blank=request.reader.blank_cells)
    found = {}
    at = 1
    for name, output in request.outputs.items():
        own = columns.labels[name]
        source = request.source(
            str(path), name, lines=rows.lines, columns=own, separator=columns.separator
        )
        found[name] = output.read_columns([row[at : at + len(own)] for row in rows.values], source)
        at += len(own)
    names = [
        request.reader.name_in_table(value, path, line)
        for value, line in zip(examples, rows.lines, strict=True)
    ]
    groups: Groups | None = None
    if columns.group is not None:
        written = _filled(path, rows, at, columns.group, blank=False)
        groups = [value.strip() for value in written]
    sources = [request.reader.from_cell(value, path.parent) for value in examples]
    return request.dataset(
        str(path),
        sources,
        found,
        names=names,
        groups=groups,
        screen=True,
        where_paths_begin=f" Paths in {path.name} start at its folder, {path.parent.resolve()}.",
    )


def _rows_of(table: Table, split: Split | None) -> Rows:
    """The rows of a part, or all of them."""
    if split is None:
        if len(table.counts) > 1:
            warnings.warn(
                f"{table.path}: the column {table.column!r} divides its rows into "
                f"{_and(table.counts)}; all of them are read. To read one part: split='test' "
                "(--split test).",
                DataWarning,
                stacklevel=4,
            )
        return table.rows
    if table.parts is None:
        raise ConfigurationError(
            f"split={split!r} does not go with {table.path}: it has no column {table.column!r} of "
            f"train, validation (val) and test. Name it with {named('split_column')}, or leave "
            "split out and give the data that is meant."
        )
    places = [at for at, part in enumerate(table.parts) if part == split]
    if not places:
        raise DataError(f"{table.path} has no row of {split}. It has: {_and(table.counts)}.")
    return table.rows.chosen(places)


def _columns_of(output: Output, given: Any) -> tuple[Column, ...]:
    columns = given if isinstance(given, tuple) else (given,)
    if not columns:
        raise ConfigurationError(f"{named('label_column')} names no column. Give one or more.")
    if len(columns) > 1 and not output.several_columns:
        raise ConfigurationError(
            f"label_column={columns!r} (--label-column) names several columns, and labels of the "
            f"kind {output.kind!r} stand in one. Give one column, or kind='multi_label' (--kind "
            "multi_label)."
        )
    return columns


def _filled(table: Path, rows: Rows, at: int, column: Column, *, blank: bool) -> Sequence[str]:
    """A column whose every field must hold a text, which may be blank if ``blank``."""
    cells = [row[at] for row in rows.values]
    bad = [
        line
        for line, cell in zip(rows.lines, cells, strict=True)
        if not isinstance(cell, str) or not (blank or cell.strip())
    ]
    if bad:
        raise DataError(
            f"{table} has no value in column {column!r} on {lines_of(bad)}. Fill it in, or remove "
            "the row."
        )
    return [cell for cell in cells if isinstance(cell, str)]
