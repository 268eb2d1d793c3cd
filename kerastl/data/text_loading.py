"""The entry for texts of every kind: ``load_texts`` and ``load_text_pair``."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np

from kerastl.data.dataset import Groups
from kerastl.data.folders import Split, split_folders, warn_of_ignored
from kerastl.data.loading import (
    VALIDATION_FRACTION,
    existing_path,
    named_part,
    no_parts,
    parts_of,
)
from kerastl.data.splits import check_fraction, check_seed
from kerastl.data.tables import LABEL_COLUMN, TABLE_SUFFIXES
from kerastl.data.text_folders import texts_from_folder
from kerastl.data.text_labels import encode_array, encode_columns
from kerastl.data.text_tables import Column, read_text_rows
from kerastl.data.texts import TextDataset, TextKind, check_kind
from kerastl.data.tfds import TFDS_PREFIX, builder_of, builder_splits, is_builder, texts_of_builder
from kerastl.errors import ConfigurationError, DataError, DataWarning, did_you_mean
from kerastl.outputs.names import given_class_names, listed

TEXT_COLUMN: Final = "text"

_MOST_NAMED = 5
_ACCEPTED = (
    "Texts can be given as: a CSV or TSV table; a folder of class folders of .txt files, or one "
    "holding train/, val/ and test/; lists as a tuple (texts, labels); 'tfds:NAME' or a TFDS "
    "builder; a kerastl.data.TextDataset."
)


def load_texts(
    data: Any,
    *,
    text_column: Column = TEXT_COLUMN,
    label_column: Column | tuple[Column, ...] = LABEL_COLUMN,
    class_names: Iterable[str] | None = None,
    kind: TextKind = "single_label",
    encoding: str = "utf-8",
    split: Split | None = None,
    allow_missing_classes: bool = False,
    group_column: Column | None = None,
    label_separator: str = ",",
) -> TextDataset:
    """Loads labelled texts of any kind.

    Empty texts are kept, with a ``DataWarning`` that counts them.

    Args:
        data: a CSV or TSV table; a folder of class folders of ``.txt`` files, one text each, or
            one holding ``train/``, ``val/`` and ``test/``; lists ``(texts, labels)``;
            ``"tfds:NAME"`` or a TFDS builder with the features ``text`` and ``label``; or a
            ``TextDataset``, which is returned as it is.
        text_column: the column of a table that holds texts. Numbers from 0 name the columns of a
            table without heading.
        label_column: the column of labels. Several, as a tuple, hold 0 or 1 each and are named
            like their classes (``kind="multi_label"``).
        class_names: names of the classes in the order of the indices. Labels that are numbers
            need them, except for regression; elsewhere they are what the data must hold.
        kind: ``"single_label"``, ``"multi_label"`` or ``"regression"``.
        encoding: of tables and text files, as Python names it.
        split: which part of a divided folder or TFDS data set; such data need it named.
        allow_missing_classes: accept a single class, and classes without examples.
        group_column: the column of a table that holds groups, for splits.
        label_separator: what divides the names in a single column of ``"multi_label"``; an
            empty field there means none of the classes.

    Raises:
        DataError: data that cannot be trained on; the message says what to do.
        TextError: a text that cannot be written as UTF-8.
        ConfigurationError: an argument that cannot be, or does not go with this kind of data.
        MissingExtraError: TFDS is needed and not installed.
    """
    _check_arguments(kind, split, label_column, label_separator)
    names = None if class_names is None else given_class_names(class_names)
    common: dict[str, Any] = {"class_names": names, "allow_missing": allow_missing_classes}
    if isinstance(data, str) and data.startswith(TFDS_PREFIX):
        data = builder_of(data)
    if is_builder(data):
        _single(kind, "A TFDS data set")
        part = named_part(split, builder_splits(data), "The TFDS data set")
        texts, labels, found = texts_of_builder(data, split=part, **common)
        return _warned(TextDataset(texts, labels, found), "The TFDS data set")
    if isinstance(data, (str, os.PathLike)):
        path = existing_path(data)
        if path.is_dir():
            _single(kind, "A folder of class folders")
            return _warned(_folder(path, split, encoding, common), str(path))
        no_parts(split, "a table")
        if path.suffix.lower() not in TABLE_SUFFIXES:
            raise DataError(f"{path} is no folder and no table ending in .csv or .tsv. {_ACCEPTED}")
        columns = label_column if isinstance(label_column, tuple) else (label_column,)
        table = _table(path, text_column, columns, group_column, encoding, kind, label_separator,
                       common)  # fmt: skip
        return _warned(table, str(path))
    no_parts(split, "lists and data sets")
    if isinstance(data, TextDataset):
        _check_given(data, names, kind)
        return data
    if isinstance(data, tuple) and len(data) == 2:
        return _warned(_lists(data[0], data[1], kind, common), "The lists (texts, labels)")
    received = f"a tuple of {len(data)}" if isinstance(data, tuple) else type(data).__name__
    raise DataError(f"Texts of this kind cannot be loaded: {received}. {_ACCEPTED}")


def load_text_pair(
    data: Any,
    validation: Any = None,
    *,
    validation_fraction: float = VALIDATION_FRACTION,
    seed: int = 0,
    class_names: Iterable[str] | None = None,
    **options: Any,
) -> tuple[TextDataset, TextDataset | None]:
    """Loads training and validation texts with the same classes.

    Texts that are in both are counted in a ``DataWarning``, since what validation says of them
    it says of training.

    Args:
        data: training data of any kind that ``load_texts`` takes; of divided data the training
            part.
        validation: validation data of any kind; a fraction of the training data; False for
            none. None takes the validation part of divided data, and otherwise splits off
            ``validation_fraction``.
        validation_fraction: share of the split that None makes.
        seed: seed of the split.
        class_names: see ``load_texts``.
        **options: further options of ``load_texts`` but ``split``, for both.

    Returns:
        The training data, and the validation data or None.

    Raises:
        DataError: the classes differ, or a class is too small to be split; and as
            ``load_texts``.
        ConfigurationError: an argument cannot be.
    """
    check_fraction(validation_fraction)
    check_seed(seed)
    if validation is True:
        raise ConfigurationError("validation must be data, a fraction, False or None, not True.")
    if isinstance(data, str) and data.startswith(TFDS_PREFIX):
        data = builder_of(data)
    parts = parts_of(data)
    train = load_texts(data, class_names=class_names, split="train" if parts else None, **options)
    names = train.class_names or None
    if validation is False:
        return train, None
    if validation is None and "validation" in parts:
        held_out = load_texts(data, class_names=names, split="validation", **options)
    elif validation is None or isinstance(validation, (float, int, np.number)):
        fraction = validation_fraction if validation is None else float(validation)
        check_fraction(fraction)
        train, held_out = train.split(fraction, seed=seed)
    else:
        if isinstance(validation, str) and validation.startswith(TFDS_PREFIX):
            validation = builder_of(validation)
        own = parts_of(validation)
        part: Split | None = None
        if own:
            part = "validation" if "validation" in own else "test"
        held_out = load_texts(validation, class_names=names, split=part, **options)
    _warn_of_shared(train, held_out)
    return train, held_out


def _table(
    path: Path,
    text_column: Column,
    label_columns: tuple[Column, ...],
    group_column: Column | None,
    encoding: str,
    kind: TextKind,
    separator: str,
    common: dict[str, Any],
) -> TextDataset:
    columns = [text_column, *label_columns, *([] if group_column is None else [group_column])]
    rows = read_text_rows(path, columns, encoding=encoding)
    last = 1 + len(label_columns)
    names, labels = encode_columns(
        [row[1:last] for row in rows.values],
        rows.lines,
        label_columns,
        kind=kind,
        separator=separator,
        where=str(path),
        **common,
    )
    groups: Groups | None = None
    if group_column is not None:
        groups = [row[last].strip() for row in rows.values]
    return TextDataset(
        [row[0] for row in rows.values],
        labels,
        names,
        kind=kind,
        names=[f"{path.name}:{line}" for line in rows.lines],
        groups=groups,
    )


def _folder(path: Path, split: Split | None, encoding: str, common: dict[str, Any]) -> TextDataset:
    parts = split_folders(path)
    if parts:
        warn_of_ignored(path, parts)
        path = parts[named_part(split, {k: v.name for k, v in parts.items()}, str(path))]
    else:
        no_parts(split, f"a folder that is not divided into train/ and val/, as {path} is")
    return texts_from_folder(path, encoding=encoding, **common)


def _lists(texts: Any, labels: Any, kind: TextKind, common: dict[str, Any]) -> TextDataset:
    where = "The lists (texts, labels)"
    if isinstance(texts, (str, bytes)) or not isinstance(texts, (Sequence, np.ndarray)):
        raise DataError(
            f"texts must be a list of strings. Received: {type(texts).__name__}. {_ACCEPTED}"
        )
    if not hasattr(labels, "__len__") or isinstance(labels, str) or len(labels) != len(texts):
        count = len(labels) if hasattr(labels, "__len__") else "no list of"
        raise DataError(f"There are {len(texts)} texts but {count} labels. They must match.")
    if not len(texts):
        raise DataError(f"{where} hold no examples.")
    names, encoded = encode_array(labels, kind=kind, where=where, **common)
    return TextDataset(list(texts), encoded, names, kind=kind)


def _check_arguments(kind: str, split: str | None, label_column: object, separator: str) -> None:
    check_kind(kind)
    if split is not None and split not in get_args(Split):
        raise ConfigurationError(
            f"split must be one of {listed(get_args(Split))}, or None. Received: {split!r}."
            f"{did_you_mean(str(split), get_args(Split))}"
        )
    if isinstance(label_column, tuple) and kind != "multi_label":
        raise ConfigurationError(
            f"label_column={label_column!r} names several columns, and kind={kind!r} takes one. "
            "Give kind='multi_label', or one column."
        )
    if label_column == ():
        raise ConfigurationError("label_column=() names no column. Give one or more.")
    if not isinstance(separator, str) or not separator:
        raise ConfigurationError(f"label_separator must be a string. Received: {separator!r}")


def _single(kind: TextKind, what: str) -> None:
    if kind != "single_label":
        raise ConfigurationError(
            f"{what} holds one class a text, and kind={kind!r} was asked for. Give a table or "
            "lists (texts, labels)."
        )


def _check_given(data: TextDataset, names: tuple[str, ...] | None, kind: TextKind) -> None:
    if names not in (None, data.class_names):
        raise DataError(
            f"The data set has the classes {listed(data.class_names)}, in this order. Expected: "
            f"{listed(names or ())}."
        )
    if data.kind != kind:
        raise ConfigurationError(
            f"The data set is of kind {data.kind!r}, and kind={kind!r} was asked for."
        )


def _warned(data: TextDataset, where: str) -> TextDataset:
    empty = [name for name, text in zip(data.names, data.texts, strict=True) if not text.strip()]
    if empty:
        one = len(empty) == 1
        warnings.warn(
            f"{where} holds {len(empty)} empty text{'' if one else 's'}, which "
            f"{'is' if one else 'are'} kept: {_some(empty)}. A model can learn nothing from "
            f"{'it' if one else 'them'} but the share of the classes: remove what is not meant.",
            DataWarning,
            stacklevel=3,
        )
    return data


def _warn_of_shared(train: TextDataset, validation: TextDataset) -> None:
    seen = set(train.texts)
    shared = [
        name for name, text in zip(validation.names, validation.texts, strict=True) if text in seen
    ]
    if shared:
        warnings.warn(
            f"{len(shared)} of {len(validation)} validation texts are in the training data too: "
            f"{_some(shared)}. Metrics on them are flattering: remove them from one side, or let "
            "kerastl make the split, which keeps copies together.",
            DataWarning,
            stacklevel=3,
        )


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
