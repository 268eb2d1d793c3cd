"""Data sets from TensorFlow Datasets, by random access where the data set allows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from kerastl.data.dataset import ExampleDataset
from kerastl.data.folders import Split
from kerastl.data.request import Request
from kerastl.errors import DataError, KerastlError
from kerastl.inputs import Reader
from kerastl.optional import require
from kerastl.outputs.encoding import class_indices
from kerastl.outputs.names import given_class_names, listed, match_class_names

TFDS_PREFIX: Final = "tfds:"
"""A string that begins so names a TFDS data set, as in ``"tfds:tf_flowers"``."""

_SPLIT_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("validation", "valid", "val"),
    "test": ("test",),
}
_OTHER_WAYS = (
    "Other ways: prepare the data set where there is a network and set TFDS_DATA_DIR, pass a "
    "builder that is prepared, or give the examples as a folder, a table or arrays."
)


def is_builder(data: object) -> bool:
    """Whether an object is a TFDS builder: it has ``info`` and ``as_data_source``."""
    return hasattr(data, "as_data_source") and hasattr(data, "info")


def builder_of(name: str) -> Any:
    """The prepared builder of ``"tfds:NAME"``; downloads the data set where it has to."""
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
    held = {
        split: [name for name in names if name in available]
        for split, names in _SPLIT_NAMES.items()
    }
    return {split: names[0] for split, names in held.items() if names}


def builder_name(builder: Any) -> str:
    """What messages call a builder."""
    return repr(getattr(builder, "name", type(builder).__name__))


def from_builder(builder: Any, split: str, request: Request) -> ExampleDataset:
    """A data set from the part of a TFDS builder that it calls ``split``.

    Each row has the reader's feature and ``label``. Labels are read once at entry, examples as the
    reader says. The classes expected must be the data set's own, in any order.
    """
    where = f"The TFDS data set {builder_name(builder)}"
    name, output = request.one_class("A TFDS data set")
    request.check_groups_by_name("a TFDS data set")
    classes = given_class_names(_names_of_labels(builder, where, request.reader))
    expected = output.labelling.class_names or classes
    match_class_names(classes, expected, where=where, allow_missing=request.allow_missing)
    try:
        rows = builder.as_data_source(split)
        raw = [rows[i]["label"] for i in range(len(rows))]
    except KerastlError:
        raise
    except Exception as error:
        raise DataError(f"{where} cannot be read: {error}. {_OTHER_WAYS}") from error
    own = class_indices(np.asarray(raw), len(classes), what=f"{where}: its labels")
    source = request.source(where, name)
    found = output.with_classes(expected).read_array([classes[i] for i in own], source)
    return request.dataset(
        where,
        request.reader.from_features(rows),
        {name: found},
        names=[f"{split}/{i}" for i in range(len(own))],
    )


def _names_of_labels(builder: Any, where: str, reader: Reader) -> Sequence[str]:
    features: Mapping[str, Any] = builder.info.features
    missing = [name for name in (reader.column, "label") if name not in features]
    if missing:
        raise DataError(
            f"{where} has no feature {listed(missing)}, which a classification of {reader.nouns} "
            f"needs. It has: {listed(features)}."
        )
    names: Sequence[str] | None = getattr(features["label"], "names", None)
    if not names:
        raise DataError(f"{where} does not name its classes. Give its examples in another way.")
    return names
