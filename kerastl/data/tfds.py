"""Data sets from TensorFlow Datasets, by random access where the data set allows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from kerastl.data.dataset import ImageDataset
from kerastl.data.folders import Split
from kerastl.data.unreadable import OnError
from kerastl.errors import DataError, KerastlError, TextError
from kerastl.optional import require
from kerastl.outputs.encoding import class_indices
from kerastl.outputs.names import check_class_count, given_class_names, listed, match_class_names

TFDS_PREFIX: Final = "tfds:"
"""A string that begins so names a TFDS data set, as in ``"tfds:tf_flowers"``."""

_SPLIT_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("validation", "valid", "val"),
    "test": ("test",),
}
_OTHER_WAYS = (
    "Other ways: prepare the data set where there is a network and set TFDS_DATA_DIR, pass a "
    "builder that is prepared, or give the images as a folder, a table or arrays."
)


def is_builder(data: object) -> bool:
    """Whether an object is a TFDS builder: it has ``info`` and ``as_data_source``."""
    return hasattr(data, "as_data_source") and hasattr(data, "info")


def builder_of(name: str) -> Any:
    """The prepared builder of ``"tfds:NAME"``; downloads the data set where it has to.

    Raises:
        MissingExtraError: tensorflow_datasets is not installed.
        DataError: there is no such data set, or it cannot be downloaded.
    """
    tfds = require("tensorflow_datasets", extra="tfds", purpose=f"Loading {name!r}")
    try:
        # Random access needs a file format other than TFDS's own default.
        builder = tfds.builder(name.removeprefix(TFDS_PREFIX), file_format="array_record")
        builder.download_and_prepare()
    except Exception as error:
        raise DataError(f"{name!r} cannot be loaded: {error}. {_OTHER_WAYS}") from error
    return builder


def builder_splits(builder: Any) -> dict[Split, str]:
    """The parts that a builder has, with its own names for them."""
    available = list(getattr(builder.info, "splits", None) or {})
    found: dict[Split, str] = {}
    for split, names in _SPLIT_NAMES.items():
        for name in names:
            if name in available:
                found.setdefault(split, name)
    return found


def from_builder(
    builder: Any,
    *,
    split: Split,
    class_names: Iterable[str] | None = None,
    on_error: OnError = "warn",
    allow_missing_classes: bool = False,
) -> ImageDataset:
    """A data set from one part of a TFDS builder with the features ``image`` and ``label``.

    Labels are read once at entry, images when they are needed.

    Args:
        builder: a prepared builder, or any object with its ``info`` and ``as_data_source``.
        split: which part.
        class_names: the classes expected; they must be the data set's own, in its order.
        on_error: kept for data that can be unreadable.
        allow_missing_classes: accept a single class, and classes without examples.

    Raises:
        DataError: the part or the features are missing, the data cannot be read, or the classes
            are other than ``class_names``.
    """
    source, labels, expected = _labelled(
        builder, "image", split, class_names, allow_missing_classes
    )
    splits = builder_splits(builder)
    return ImageDataset(
        _Images(source),
        labels,
        expected,
        names=[f"{splits[split]}/{i}" for i in range(len(labels))],
        on_error=on_error,
    )


def texts_of_builder(
    builder: Any,
    *,
    split: Split,
    class_names: Iterable[str] | None = None,
    allow_missing: bool = False,
) -> tuple[list[str], npt.NDArray[np.int64], tuple[str, ...]]:
    """Texts, class indices ``(n,)`` and class names of one part of a TFDS builder.

    Args:
        builder: as ``from_builder`` takes it, with the features ``text`` and ``label``.
        split: which part.
        class_names: as in ``from_builder``.
        allow_missing: accept a single class, and classes without examples.

    Raises:
        DataError: as ``from_builder``, and texts that are not in UTF-8.
    """
    source, labels, names = _labelled(builder, "text", split, class_names, allow_missing)
    texts = [_text(source[i]["text"], i) for i in range(len(source))]
    return texts, labels, names


def _text(value: Any, position: int) -> str:
    if isinstance(value, str):
        return value
    try:
        return bytes(value).decode("utf-8")
    except (TypeError, UnicodeDecodeError) as error:
        raise TextError(f"The text of example {position} is not in UTF-8: {error}.") from error


def _labelled(
    builder: Any,
    feature: str,
    split: Split,
    class_names: Iterable[str] | None,
    allow_missing: bool,
) -> tuple[Any, npt.NDArray[np.int64], tuple[str, ...]]:
    """The data source of a part, its class indices, and the class names."""
    where = f"The TFDS data set {getattr(builder, 'name', type(builder).__name__)!r}"
    splits = builder_splits(builder)
    if split not in splits:
        raise DataError(f"{where} has no {split} part. It has: {listed(splits.values())}.")
    names = given_class_names(_names_of_labels(builder, where, feature))
    if class_names is not None:
        expected = given_class_names(class_names)
        match_class_names(names, expected, where=where, allow_missing=allow_missing)
    else:
        expected = names
    try:
        source = builder.as_data_source(splits[split])
        raw = [source[i]["label"] for i in range(len(source))]
    except KerastlError:
        raise
    except Exception as error:
        raise DataError(f"{where} cannot be read: {error}. {_OTHER_WAYS}") from error
    own = class_indices(np.asarray(raw), len(names), what=f"{where}: its labels")
    order = np.array([expected.index(name) for name in names], dtype=np.int64)
    labels = order[own]
    check_class_count(labels, expected, where=where, allow_missing=allow_missing)
    return source, labels, expected


def _names_of_labels(builder: Any, where: str, feature: str) -> Sequence[str]:
    features: Mapping[str, Any] = builder.info.features
    missing = [name for name in (feature, "label") if name not in features]
    if missing:
        raise DataError(
            f"{where} has no feature {listed(missing)}, so that it is no {feature} classification. "
            f"It has: {listed(features)}."
        )
    names: Sequence[str] | None = getattr(features["label"], "names", None)
    if not names:
        raise DataError(f"{where} does not name its classes. Give its examples in another way.")
    return names


class _Images(Sequence[Any]):
    """The images of a data source whose elements are dictionaries."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, i: Any) -> Any:
        return self._source[i]["image"]
