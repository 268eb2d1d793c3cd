"""Labels of texts: names, several names a text, zeros and ones, or numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kerastl.data.text_tables import lines_of
from kerastl.data.texts import TextKind, TextLabels
from kerastl.errors import DataError
from kerastl.outputs.encoding import class_indices, encode_names
from kerastl.outputs.names import (
    check_class_count,
    found_class_names,
    given_class_names,
    listed,
    match_class_names,
    normal,
)

Names = tuple[str, ...]


def encode_columns(
    values: Sequence[tuple[str, ...]],
    lines: Sequence[int],
    columns: Sequence[str | int],
    *,
    kind: TextKind,
    class_names: Iterable[str] | None,
    separator: str,
    where: str,
    allow_missing: bool,
) -> tuple[Names, TextLabels]:
    """Class names and labels from the label columns of a table.

    Args:
        values: of each row, one string a column.
        lines: the line of each row, for messages.
        columns: what the columns are called.
        kind: what the labels are.
        class_names: the classes expected, in the order of the indices.
        separator: divides the names in a single column of several.
        where: what messages call the table.
        allow_missing: accept a single class, and classes without examples.

    Raises:
        DataError: a label is missing or cannot be, or the classes cannot be as they are.
    """
    stripped = [tuple(value.strip() for value in row) for row in values]
    several_may_be_none = kind == "multi_label" and len(columns) == 1
    for at, column in enumerate(columns):
        blank = [line for line, row in zip(lines, stripped, strict=True) if not row[at]]
        if blank and not several_may_be_none:
            raise DataError(
                f"{where} has no label in column {column!r} on {lines_of(blank)}. Fill it in, or "
                "remove the row."
            )
    if kind == "regression":
        return (), _numbers([row[0] for row in stripped], lines, where)
    if kind == "single_label":
        names, indices = encode_names(
            [row[0] for row in stripped], class_names, where=where, allow_missing=allow_missing
        )
        check_class_count(indices, names, where=where, allow_missing=allow_missing)
        return names, indices
    if len(columns) > 1:
        return _flags(stripped, lines, columns, class_names, where, allow_missing)
    several = [
        tuple(part.strip() for part in row[0].split(separator) if part.strip()) for row in stripped
    ]
    return encode_several(several, class_names, where=where, allow_missing=allow_missing)


def encode_several(
    labels: Sequence[Iterable[str]],
    class_names: Iterable[str] | None,
    *,
    where: str,
    allow_missing: bool,
) -> tuple[Names, npt.NDArray[np.float32]]:
    """Class names, and zeros and ones ``(n, classes)``, from several names a text.

    Raises:
        DataError: names that clash, that are not among ``class_names``, or without an example.
    """
    rows = [{normal(name) for name in row} for row in labels]
    found = sorted(set().union(*rows))
    if class_names is None:
        if not found:
            raise DataError(f"{where} names no class in any label. Add labels.")
        names = found_class_names(found, where=where)
    else:
        names = given_class_names(class_names)
        match_class_names(found, names, where=where, allow_missing=allow_missing)
    flags = np.array([[name in row for name in names] for row in rows], dtype=np.float32)
    flags = flags.reshape(len(rows), len(names))
    _check_flags(flags, names, where=where, allow_missing=allow_missing)
    return names, flags


def encode_array(
    y: Any,
    *,
    kind: TextKind,
    class_names: Iterable[str] | None,
    where: str,
    allow_missing: bool,
) -> tuple[Names, TextLabels]:
    """Class names and labels from what stands beside a list of texts.

    Args:
        y: for one class a text names or indices ``(n,)``, or one-hot ``(n, classes)``; for
            several labels zeros and ones ``(n, classes)`` or a list of lists of names; for
            regression numbers ``(n,)``.
        kind: what the labels are.
        class_names: as in ``encode_columns``; labels that are numbers need it.
        where: what messages call the data.
        allow_missing: as in ``encode_columns``.

    Raises:
        DataError: labels that cannot be.
    """
    values = list(y)
    named = [isinstance(v, (list, tuple, set, frozenset)) for v in values]
    if kind == "multi_label" and all(named) and all(isinstance(n, str) for v in values for n in v):
        return encode_several(values, class_names, where=where, allow_missing=allow_missing)
    if kind == "single_label" and any(isinstance(v, str) for v in values):
        bad = [i for i, v in enumerate(values) if not isinstance(v, str) or not v.strip()]
        if bad:
            raise DataError(
                f"{where}: {len(bad)} labels are missing or no string, the first at position "
                f"{bad[0]}: {values[bad[0]]!r}."
            )
        names, indices = encode_names(values, class_names, where=where, allow_missing=allow_missing)
        check_class_count(indices, names, where=where, allow_missing=allow_missing)
        return names, indices
    try:
        array = np.asarray(y)
    except ValueError as error:
        raise DataError(f"{where}: the labels are of different lengths: {error}.") from error
    if array.dtype.kind not in "iufb":
        raise DataError(
            f"{where}: labels of kind {kind!r} cannot be taken from an array of {array.dtype}. "
            "Give names or class indices for 'single_label', lists of names or zeros and ones for "
            "'multi_label', numbers for 'regression'."
        )
    if kind == "regression":
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        return (), _finite(array.astype(np.float32), where)
    if class_names is None:
        raise DataError(
            "Labels that are numbers need class_names=[...], one name a class in the order of the "
            "numbers; they are never guessed."
        )
    names = given_class_names(class_names)
    if kind == "multi_label":
        if array.ndim != 2 or array.shape[1] != len(names) or not np.isin(array, (0, 1)).all():
            raise DataError(
                f"{where}: labels must be zeros and ones of the shape (n, {len(names)}), one "
                f"column a class name. Received: {array.dtype} of the shape {array.shape}."
            )
        flags = array.astype(np.float32)
        _check_flags(flags, names, where=where, allow_missing=allow_missing)
        return names, flags
    indices = class_indices(array, len(names), what=f"{where}: the labels")
    check_class_count(indices, names, where=where, allow_missing=allow_missing)
    return names, indices


def _flags(
    rows: Sequence[tuple[str, ...]],
    lines: Sequence[int],
    columns: Sequence[str | int],
    class_names: Iterable[str] | None,
    where: str,
    allow_missing: bool,
) -> tuple[Names, npt.NDArray[np.float32]]:
    headings = tuple(normal(str(column)) for column in columns)
    names = headings if class_names is None else given_class_names(class_names)
    if sorted(names) != sorted(headings):
        raise DataError(
            f"The label columns of {where} are {listed(headings)}, and the classes expected are "
            f"{listed(names)}. They must be the same."
        )
    numbers = np.array(
        [
            [_flag(value, line, column, where) for value, column in zip(row, columns, strict=True)]
            for row, line in zip(rows, lines, strict=True)
        ],
        dtype=np.float32,
    )
    flags = numbers[:, [headings.index(name) for name in names]]
    _check_flags(flags, names, where=where, allow_missing=allow_missing)
    return names, flags


def _flag(value: str, line: int, column: str | int, where: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if number not in (0.0, 1.0):
        raise DataError(
            f"{where} has {value!r} in the label column {column!r} on line {line}. With several "
            "label columns each must hold 0 or 1."
        )
    return number


def _check_flags(
    flags: npt.NDArray[np.float32], names: Names, *, where: str, allow_missing: bool
) -> None:
    if allow_missing:
        return
    empty = [name for name, count in zip(names, flags.sum(axis=0), strict=True) if count == 0]
    if empty:
        raise DataError(
            f"{where} has no example of the class{'es' if len(empty) > 1 else ''} {listed(empty)}. "
            "Add some, or take the class out."
        )


def _numbers(values: Sequence[str], lines: Sequence[int], where: str) -> npt.NDArray[np.float32]:
    numbers, bad = [], []
    for value, line in zip(values, lines, strict=True):
        try:
            numbers.append(float(value))
        except ValueError:
            numbers.append(math.nan)
        if not math.isfinite(numbers[-1]):
            bad.append((line, value))
    if bad:
        raise DataError(
            f"{where} has labels that are no finite numbers on "
            f"{lines_of([line for line, _ in bad])}, the first being {bad[0][1]!r}. With "
            "kind='regression' each must be a number, with a point for decimals."
        )
    return np.array(numbers, dtype=np.float32)


def _finite(values: npt.NDArray[np.float32], where: str) -> npt.NDArray[np.float32]:
    if values.ndim != 1 or not np.isfinite(values).all():
        raise DataError(
            f"{where}: for regression the labels must be finite numbers of the shape (n,). "
            f"Received the shape {values.shape}"
            f"{'' if np.isfinite(values).all() else ', with NaN or infinity'}."
        )
    return values
