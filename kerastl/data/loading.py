"""The entry for data of every kind: ``load`` and ``load_pair``."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any, get_args

import numpy as np

from kerastl.data.arrays import from_arrays
from kerastl.data.dataset import Dataset, Groups, ImageDataset
from kerastl.data.folders import Split, from_folder, split_folders, warn_of_ignored
from kerastl.data.splits import check_fraction, check_seed
from kerastl.data.streams import StreamDataset, stream_kind
from kerastl.data.tables import IMAGE_COLUMN, LABEL_COLUMN, TABLE_SUFFIXES, from_table
from kerastl.data.tfds import TFDS_PREFIX, builder_of, builder_splits, from_builder, is_builder
from kerastl.data.unreadable import OnError, check_on_error
from kerastl.errors import ConfigurationError, DataError, did_you_mean
from kerastl.outputs.names import given_class_names, listed

VALIDATION_FRACTION = 0.2
"""Share of the examples that validates where no validation data are given."""

_ACCEPTED = (
    "Data can be: a folder of class folders, or one holding train/, val/ and test/; a CSV or TSV "
    "table of image paths and labels; arrays as a tuple (x, y); 'tfds:NAME' or a TFDS builder; a "
    "tf.data.Dataset, keras PyDataset or grain dataset; a kerastl.data.Dataset."
)


def load(
    data: Any,
    *,
    class_names: Iterable[str] | None = None,
    split: Split | None = None,
    image_column: str = IMAGE_COLUMN,
    label_column: str = LABEL_COLUMN,
    group_column: str | None = None,
    groups: Groups | Callable[[str], Hashable] | None = None,
    on_error: OnError = "warn",
    allow_missing_classes: bool = False,
) -> Dataset:
    """Loads labelled images of any kind.

    Args:
        data: a folder of class folders, or one holding ``train/``, ``val/`` and ``test/``; a CSV
            or TSV table; arrays ``(x, y)``; ``"tfds:NAME"`` or a TFDS builder; a
            ``tf.data.Dataset``, keras ``PyDataset`` or grain dataset; or a ``Dataset``, which is
            returned as it is.
        class_names: names of the classes in the order of the indices. Streams and numeric labels
            need them; elsewhere they are what the data must hold.
        split: which part of a divided folder or TFDS data set; such data need it named.
        image_column: the column of a table that holds paths.
        label_column: the column of a table that holds class names.
        group_column: the column of a table that holds groups, for splits.
        groups: for arrays the group of each example; for folders and tables a function that
            gives the group from an example's relative path.
        on_error: ``"warn"`` skips unreadable images with a warning that counts and names them,
            ``"raise"`` raises.
        allow_missing_classes: accept a single class, and classes without examples, as data for
            anomaly detection or a partial test set may have.

    Returns:
        A ``StreamDataset`` for streams, an ``ImageDataset`` for everything else.

    Raises:
        DataError: data that cannot be trained on; the message says what to do.
        ImageError: an image is unreadable and ``on_error`` is ``"raise"``.
        ConfigurationError: an argument that cannot be, or does not go with this kind of data.
        MissingExtraError: TFDS is needed and not installed.
    """
    check_on_error(on_error)
    if split is not None and split not in get_args(Split):
        raise ConfigurationError(
            f"split must be one of {listed(get_args(Split))}, or None. Received: {split!r}."
            f"{did_you_mean(str(split), get_args(Split))}"
        )
    common: dict[str, Any] = {
        "class_names": None if class_names is None else tuple(given_class_names(class_names)),
        "on_error": on_error,
        "allow_missing_classes": allow_missing_classes,
    }
    if isinstance(data, str) and data.startswith(TFDS_PREFIX):
        data = builder_of(data)
    if is_builder(data):
        part = named_part(split, builder_splits(data), "The TFDS data set")
        return from_builder(data, split=part, **common)
    if isinstance(data, (str, os.PathLike)):
        path = existing_path(data)
        if path.is_dir():
            return _from_folder(path, split, _function_or_none(groups, "a folder"), common)
        no_parts(split, "a table")
        if path.suffix.lower() not in TABLE_SUFFIXES:
            raise DataError(f"{path} is no folder and no table ending in .csv or .tsv. {_ACCEPTED}")
        return from_table(
            path,
            image_column=image_column,
            label_column=label_column,
            group_column=group_column,
            groups=_function_or_none(groups, "a table"),
            **common,
        )
    if isinstance(data, Dataset):
        no_parts(split, "a Dataset")
        if common["class_names"] not in (None, data.class_names):
            raise DataError(
                f"The data set has the classes {listed(data.class_names)}, in this order. "
                f"Expected: {listed(common['class_names'])}."
            )
        return data
    if stream_kind(data) is not None:
        no_parts(split, "a stream")
        if class_names is None:
            raise DataError(
                f"A {stream_kind(data)} does not name its classes: give class_names=[...], one "
                "name a class in the order of the labels."
            )
        return StreamDataset(data, common["class_names"])
    if isinstance(data, tuple) and len(data) == 2:
        no_parts(split, "arrays")
        if callable(groups):
            raise ConfigurationError("For arrays, groups must be the group of each example.")
        return from_arrays(data[0], data[1], groups=groups, **common)
    received = f"a tuple of {len(data)}" if isinstance(data, tuple) else type(data).__name__
    raise DataError(f"Data of this kind cannot be loaded: {received}. {_ACCEPTED}")


def load_pair(
    data: Any,
    validation: Any = None,
    *,
    validation_fraction: float = VALIDATION_FRACTION,
    seed: int = 0,
    class_names: Iterable[str] | None = None,
    **options: Any,
) -> tuple[Dataset, Dataset | None]:
    """Loads training and validation data with the same classes.

    Args:
        data: training data of any kind that ``load`` takes; of divided data the training part.
        validation: validation data of any kind; a fraction of the training data; False for none.
            None takes the validation part of divided data, and otherwise splits off
            ``validation_fraction``, except from a stream, which then has no validation data.
        validation_fraction: share of the split that None makes.
        seed: seed of the split.
        class_names: see ``load``.
        **options: further options of ``load`` but ``split``, for both.

    Returns:
        The training data, and the validation data or None.

    Raises:
        DataError: the classes differ, a class is too small to be split, or a stream is to be
            split; and as ``load``.
        ImageError: an image is unreadable and ``on_error`` is ``"raise"``.
        ConfigurationError: an argument cannot be.
    """
    check_fraction(validation_fraction)
    check_seed(seed)
    if validation is True:
        raise ConfigurationError("validation must be data, a fraction, False or None, not True.")
    if isinstance(data, str) and data.startswith(TFDS_PREFIX):
        data = builder_of(data)
    parts = parts_of(data)
    train = load(data, class_names=class_names, split="train" if parts else None, **options)
    if validation is False:
        return train, None
    if validation is None and "validation" in parts:
        names = train.class_names
        return train, load(data, class_names=names, split="validation", **options)
    if validation is None or isinstance(validation, (float, int, np.number)):
        fraction = validation_fraction if validation is None else float(validation)
        check_fraction(fraction)
        if isinstance(train, ImageDataset):
            return train.split(fraction, seed=seed)
        if validation is None:
            return train, None
        raise DataError(
            "A stream cannot be split into training and validation. Give validation data of their "
            "own, or validation=False."
        )
    # Groups given one by one belong to the training examples.
    own = {k: v for k, v in options.items() if k != "groups" or callable(v)}
    split: Split | None = None
    if isinstance(validation, str) and validation.startswith(TFDS_PREFIX):
        validation = builder_of(validation)
    validation_parts = parts_of(validation)
    if validation_parts:
        split = "validation" if "validation" in validation_parts else "test"
    return train, load(validation, class_names=train.class_names, split=split, **own)


def existing_path(path: str | os.PathLike[str]) -> Path:
    """Returns a path that exists.

    Raises:
        DataError: nothing is there; near misses of the name are suggested.
    """
    found = Path(path).expanduser()
    try:
        exists = found.exists()
    except (OSError, ValueError) as error:
        raise DataError(f"{path!r} cannot be read: {error}.") from error
    if exists:
        return found
    parent = found.parent
    near = ""
    if parent.is_dir():
        try:
            near = did_you_mean(found.name, [entry.name for entry in parent.iterdir()])
        except OSError:
            near = ""
    where = "" if parent.is_dir() else f" Its folder {parent} does not exist either."
    raise DataError(f"There is no file or folder {str(path)!r}.{where}{near}")


def _from_folder(
    path: Path,
    split: Split | None,
    groups: Callable[[str], Hashable] | None,
    common: dict[str, Any],
) -> ImageDataset:
    parts = split_folders(path)
    if parts:
        warn_of_ignored(path, parts)
        path = parts[named_part(split, {k: v.name for k, v in parts.items()}, str(path))]
    else:
        no_parts(split, f"a folder that is not divided into train/ and val/, as {path} is")
    return from_folder(path, groups=groups, **common)


def parts_of(data: Any) -> set[Split]:
    """The parts into which a folder or a TFDS builder is divided; none of other data."""
    if is_builder(data):
        return set(builder_splits(data))
    if isinstance(data, (str, os.PathLike)):
        path = existing_path(data)
        return set(split_folders(path)) if path.is_dir() else set()
    return set()


def named_part(split: Split | None, parts: dict[Split, str], where: str) -> Split:
    """The part of divided data that is meant.

    Raises:
        DataError: it is not named and there are several, or there is none of that name.
    """
    if split is None and len(parts) == 1:
        return next(iter(parts))
    if split is None:
        raise DataError(
            f"{where} is divided into {listed(parts.values())}. Name the part, as in "
            f"split={next(iter(parts), 'train')!r}, or give that folder itself."
        )
    if split not in parts:
        raise DataError(f"{where} has no {split} part. It has: {listed(parts.values())}.")
    return split


def no_parts(split: Split | None, kind: str) -> None:
    """Raises ConfigurationError where a part of data that are not divided is asked for."""
    if split is not None:
        raise ConfigurationError(
            f"split={split!r} does not go with {kind}. Leave it out, and give the data that is "
            "meant."
        )


def _function_or_none(
    groups: Groups | Callable[[str], Hashable] | None, kind: str
) -> Callable[[str], Hashable] | None:
    if groups is None or callable(groups):
        return groups
    raise ConfigurationError(
        f"For {kind}, groups must be a function that gives the group from an example's relative "
        f"path. Received: {type(groups).__name__}"
    )
