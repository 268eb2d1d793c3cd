"""Labels as they stand in data, turned into numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kerastl.errors import DataError, some_of
from kerastl.outputs.names import listed
from kerastl.outputs.source import Cell, Source


def class_indices(
    labels: npt.NDArray[Any], num_classes: int, *, what: str
) -> npt.NDArray[np.int64]:
    """Class indices from labels: indices ``(n,)`` or ``(n, 1)``, or one-hot ``(n, classes)``."""
    if labels.dtype.kind not in "iufb":
        raise DataError(f"{what} must be class indices or one-hot. Received: {labels.dtype}.")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise DataError(f"{what} hold NaN or infinite values: some labels are missing.")
    if labels.ndim == 2 and labels.shape[1] == num_classes and num_classes > 1:
        if not (((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise DataError(
                f"{what} have the shape {labels.shape}, as one-hot labels have, but not every row "
                "holds a single 1 among zeros. Soft labels are not accepted; several labels per "
                "example are another kind of output."
            )
        return np.asarray(labels.argmax(axis=1), dtype=np.int64)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"{what} must have the shape (n,), or (n, {num_classes}) for one-hot with "
            f"{num_classes} class names. Received: {labels.shape}."
        )
    indices = labels.astype(np.int64)
    if (indices != labels).any():
        raise DataError(f"{what} must be whole numbers. Received: {labels[indices != labels][0]}.")
    outside = indices[(indices < 0) | (indices >= num_classes)]
    if len(outside):
        raise DataError(
            f"{what} must be from 0 to {num_classes - 1}, one for each of {num_classes} class "
            f"names. Received {listed(np.unique(outside).tolist())}."
        )
    return indices


def column_of(cells: Sequence[Cell], column: str | int, source: Source) -> list[str]:
    """The labels in a column of a table, stripped; ``""`` where an optional one is missing."""
    lists = [i for i, cell in enumerate(cells) if isinstance(cell, tuple)]
    if lists:
        raise DataError(
            f"{source.where} has lists in column {column!r} on "
            f"{lines_of([source.lines[i] for i in lists])}, where one label is wanted."
        )
    written = [cell.strip() if isinstance(cell, str) else "" for cell in cells]
    check_filled([not label for label in written], column, source)
    return written


def check_filled(blank: Sequence[bool], column: str | int, source: Source) -> None:
    """Refuses labels that are missing and not optional; ``blank`` says which rows have none."""
    lines = [line for line, none in zip(source.lines, blank, strict=True) if none]
    if lines and not source.optional:
        raise DataError(
            f"{source.where} has no label in column {column!r} on {lines_of(lines)}. Fill it in, "
            "or remove the row."
        )


def array_of(labels: Any, where: str) -> npt.NDArray[Any]:
    """Labels as an array, None among numbers as NaN."""
    try:
        array = np.asarray(labels)
    except ValueError as error:
        raise DataError(f"{where}: the labels are of different lengths: {error}.") from error
    if array.dtype == object and array.ndim == 1:
        values = array.tolist()
        if all(v is None or isinstance(v, (int, float, np.number)) for v in values):
            return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    return array


_MOST_LINES = 10


def lines_of(numbers: Sequence[int]) -> str:
    """Line numbers for a message, no more than ten of them."""
    text = some_of([str(number) for number in numbers], _MOST_LINES)
    return f"line{'s' if len(numbers) > 1 else ''} {text}"
