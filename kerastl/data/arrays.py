"""Data sets from arrays ``(x, y)``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kerastl.data.classes import (
    check_class_count,
    found_class_names,
    given_class_names,
    listed,
    match_class_names,
    normal,
)
from kerastl.data.dataset import Groups, ImageDataset
from kerastl.data.pixels import PixelArray, check_array
from kerastl.data.unreadable import OnError
from kerastl.errors import DataError

_WHERE = "The arrays (x, y)"


def from_arrays(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    class_names: Iterable[str] | None = None,
    groups: Groups | None = None,
    on_error: OnError = "warn",
    allow_missing_classes: bool = False,
) -> ImageDataset:
    """A data set from images and labels in memory, or in a memory map.

    Args:
        x: pixel values from 0 to 255, ``(n, h, w, 3)``, ``(n, h, w, 1)``, ``(n, h, w, 4)`` or
            ``(n, h, w)``; integers, or floats, which are rounded.
        y: class indices ``(n,)`` or ``(n, 1)``, one-hot ``(n, classes)``, or strings ``(n,)``.
        class_names: names of the classes, in the order of the indices. Strings can do without:
            then the names are the distinct strings, sorted.
        groups: the group of each example, for splits.
        on_error: kept for data that can be unreadable; arrays are checked here.
        allow_missing_classes: accept a single class, and classes without examples.

    Raises:
        DataError: shapes, dtypes, ranges, lengths or labels that cannot be.
    """
    images = np.asarray(x)
    if images.dtype == object:
        raise DataError(
            "x must be one array of numbers. Received an array of objects: are the images of "
            "different sizes? Give them as files, or resize them first."
        )
    shapes = ("(n, h, w, 3)", "(n, h, w, 1)", "(n, h, w, 4)", "(n, h, w)")
    check_array(images, what="x", shapes=shapes, batched=True)
    targets = np.asarray(y)
    if targets.ndim == 0 or len(targets) != len(images):
        received = "a single value" if targets.ndim == 0 else str(len(targets))
        raise DataError(f"x holds {len(images)} images but y holds {received} labels.")
    if len(images) == 0:
        raise DataError(f"{_WHERE} hold no examples.")
    names, labels = _labels(targets, class_names, allow_missing=allow_missing_classes)
    check_class_count(labels, names, where=_WHERE, allow_missing=allow_missing_classes)
    return ImageDataset(PixelArray(images), labels, names, groups=groups, on_error=on_error)


def class_indices(
    labels: npt.NDArray[Any], num_classes: int, *, what: str
) -> npt.NDArray[np.int64]:
    """Class indices from labels that are indices ``(n,)``, ``(n, 1)`` or one-hot ``(n, classes)``.

    Raises:
        DataError: NaN, fractions, values out of range, or rows that are not one-hot.
    """
    if labels.dtype.kind not in "iufb":
        raise DataError(f"{what} must be class indices or one-hot. Received: {labels.dtype}.")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise DataError(f"{what} hold NaN or infinite values: some labels are missing.")
    if labels.ndim == 2 and labels.shape[1] == num_classes and num_classes > 1:
        if not (((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise DataError(
                f"{what} have the shape {labels.shape}, as one-hot labels have, but not every row "
                "holds a single 1 among zeros. Soft labels and several labels an image are not "
                "taken."
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


def encode_names(
    labels: Sequence[str],
    class_names: Iterable[str] | None,
    *,
    where: str,
    allow_missing: bool,
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Class names and indices from labels that are names.

    Raises:
        DataError: names that clash, or that are not among ``class_names``.
    """
    if class_names is None:
        names = found_class_names(labels, where=where)
    else:
        names = given_class_names(class_names)
        found = sorted({normal(label) for label in labels})
        match_class_names(found, names, where=where, allow_missing=allow_missing)
    index = {name: k for k, name in enumerate(names)}
    return names, np.array([index[normal(label)] for label in labels], dtype=np.int64)


def _labels(
    y: npt.NDArray[Any], class_names: Iterable[str] | None, *, allow_missing: bool
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    if y.dtype.kind in "UTO":
        values: list[Any] = y.ravel().tolist() if y.ndim == 1 or y.shape[1:] == (1,) else [None]
        bad = [i for i, v in enumerate(values) if not isinstance(v, str) or not v.strip()]
        if bad:
            raise DataError(
                f"y must hold one name of a class for each image; {len(bad)} "
                f"{'is' if len(bad) == 1 else 'are'} missing or no string, the first at position "
                f"{bad[0]}. Received an array of shape {y.shape}."
            )
        return encode_names(values, class_names, where=_WHERE, allow_missing=allow_missing)
    if class_names is None:
        raise DataError(
            "Labels that are numbers need class_names=[...], one name a class in the order of the "
            "numbers; they are never guessed."
        )
    names = given_class_names(class_names)
    return names, class_indices(y, len(names), what="y")
