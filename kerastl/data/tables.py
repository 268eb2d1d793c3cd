"""Data sets from tables: a column of examples, columns of labels for each output, groups."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from kerastl.data.dataset import ExampleDataset
from kerastl.data.delimited import Column
from kerastl.data.request import Request
from kerastl.data.rows import Rows, read_rows
from kerastl.data.splits import Groups
from kerastl.errors import ConfigurationError, DataError, did_you_mean
from kerastl.inputs import Reader
from kerastl.outputs import Output
from kerastl.outputs.encoding import lines_of
from kerastl.outputs.names import listed

LABEL_COLUMN: Final = "label"

LabelColumns: TypeAlias = Column | tuple[Column, ...]
"""The column of an output's labels, or several, one for each class."""


@dataclasses.dataclass(frozen=True)
class Columns:
    """Which columns of a table hold the examples, the labels of each output, and the groups.

    ``separator`` divides the names in a single column of several labels.
    """

    examples: Column
    labels: Mapping[str, tuple[Column, ...]]
    group: Column | None = None
    separator: str = ","

    @property
    def all(self) -> list[Column]:
        """Every column, the examples first, the group last."""
        labels = [column for columns in self.labels.values() for column in columns]
        return [self.examples, *labels, *([] if self.group is None else [self.group])]

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

        return Columns(
            number(self.examples),
            {name: tuple(map(number, columns)) for name, columns in self.labels.items()},
            None if self.group is None else number(self.group),
            self.separator,
        )


def named_columns(
    reader: Reader,
    outputs: Mapping[str, Output],
    *,
    examples: Mapping[str, Column],
    labels: LabelColumns | Mapping[str, LabelColumns] | None,
    group: Column | None,
    separator: str,
) -> Columns:
    """Columns as the user names them; raises ConfigurationError where they cannot be.

    ``examples`` is the option that names the column of the examples, as ``{"image_column": ...}``;
    ``column`` works with every reader.
    """
    own = f"{reader.column}_column"
    for option in examples:
        if option not in (own, "column"):
            raise ConfigurationError(
                f"There is no option {option!r}.{did_you_mean(option, [own, 'label_column'])} The "
                f"column of {reader.nouns} is named by {own}=."
            )
    if not isinstance(separator, str) or not separator:
        raise ConfigurationError(f"label_separator must be a string. Received: {separator!r}")
    if labels is None:
        # The only output is called as artifacts call it, unless the user gave it a name.
        [(first, output), *others] = outputs.items()
        unnamed = not others and first == output.tensor
        labels = LABEL_COLUMN if unnamed else {name: name for name in outputs}
    if not isinstance(labels, Mapping) and len(outputs) == 1:
        labels = dict.fromkeys(outputs, labels)
    if not isinstance(labels, Mapping) or set(labels) != set(outputs):
        raise ConfigurationError(
            f"label_column must name the columns of the outputs {listed(outputs)}, as in "
            f"label_column={{{next(iter(outputs))!r}: 'column', ...}}. Received: {labels!r}"
        )
    columns = {name: _columns_of(output, labels[name]) for name, output in outputs.items()}
    named = next(iter(examples.values()), reader.column)
    return Columns(named, columns, group, separator)


def from_table(table: Path, request: Request, columns: Columns) -> ExampleDataset:
    """A data set from a table; class names are strings, even where they look like numbers."""
    request.check_groups_by_name("a table")
    rows = read_rows(table, columns.all, request.encoding)
    examples = _filled(table, rows, 0, columns.examples, blank=request.reader.blank_cells)
    found = {}
    at = 1
    for name, output in request.outputs.items():
        own = columns.labels[name]
        source = request.source(
            str(table), name, lines=rows.lines, columns=own, separator=columns.separator
        )
        found[name] = output.read_columns([row[at : at + len(own)] for row in rows.values], source)
        at += len(own)
    names = [
        request.reader.name_in_table(value, table, line)
        for value, line in zip(examples, rows.lines, strict=True)
    ]
    groups: Groups | None = None
    if columns.group is not None:
        written = _filled(table, rows, at, columns.group, blank=False)
        groups = [value.strip() for value in written]
    sources = [request.reader.from_cell(value, table.parent) for value in examples]
    return request.dataset(str(table), sources, found, names=names, groups=groups, screen=True)


def _columns_of(output: Output, given: Any) -> tuple[Column, ...]:
    columns = given if isinstance(given, tuple) else (given,)
    if not columns:
        raise ConfigurationError("label_column=() names no column. Give one or more.")
    if len(columns) > 1 and not output.several_columns:
        raise ConfigurationError(
            f"label_column={columns!r} names several columns, and labels of the kind "
            f"{output.kind!r} stand in one. Give one column, or kind='multi_label'."
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
