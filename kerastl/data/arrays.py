"""Data sets from arrays ``(x, y)``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from kerastl.data.dataset import Groups, ImageDataset
from kerastl.data.unreadable import OnError
from kerastl.errors import DataError
from kerastl.inputs.pixels import PixelArray, check_array
from kerastl.outputs.encoding import class_indices, encode_names
from kerastl.outputs.names import (
    check_class_count,
    given_class_names,
)

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
