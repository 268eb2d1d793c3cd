"""The entry for data of every kind: ``load`` and ``load_pair``."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, get_args

import numpy as np

from kerastl.data.arrays import TextKind, from_arrays
from kerastl.data.dataset import Dataset, ExampleDataset
from kerastl.data.delimited import Column
from kerastl.data.folders import Split, check_depth, from_folder
from kerastl.data.parts import named_part, part_of_folder, parts_of, refuse_parts
from kerastl.data.request import Request, expected_outputs
from kerastl.data.rows import TABLE_SUFFIXES
from kerastl.data.splits import Groups, check_fraction, check_seed
from kerastl.data.streams import StreamDataset, stream_kind
from kerastl.data.tables import (
    Columns,
    LabelColumns,
    SplitColumn,
    Table,
    divided_to_train,
    from_table,
    named_columns,
    open_table,
)
from kerastl.data.tfds import (
    TFDS_PREFIX,
    builder_name,
    builder_of,
    builder_splits,
    from_builder,
    is_builder,
)
from kerastl.data.unreadable import OnError, check_on_error
from kerastl.errors import ConfigurationError, DataError, DataWarning, did_you_mean, some_of
from kerastl.files import existing_path
from kerastl.inputs import IMAGES, TEXTS, Reader
from kerastl.outputs import Output, output_named
from kerastl.outputs.names import listed

VALIDATION_FRACTION = 0.2
"""Share of the examples that validates where no validation data are given."""

_ACCEPTED = (
    "Data can be: a folder of class folders, or one holding train/, val/ and test/; a table "
    f"({', '.join(sorted(TABLE_SUFFIXES))}); a pair (x, y) of arrays or lists; 'tfds:NAME' or a "
    "TFDS builder; of images a tf.data.Dataset, keras PyDataset or grain dataset; a "
    "kerastl.data.Dataset."
)


def load(
    data: Any,
    *,
    reader: Reader = IMAGES,
    outputs: Output | Mapping[str, Output] | None = None,
    class_names: Iterable[str] | None = None,
    split: Split | None = None,
    depth: int = 1,
    label_column: LabelColumns | Mapping[str, LabelColumns] | None = None,
    group_column: Column | None = None,
    heading: Sequence[str] | None = None,
    split_column: SplitColumn = None,
    label_separator: str = ",",
    field_separator: str | None = None,
    groups: Groups | Callable[[str], Hashable] | None = None,
    encoding: str | None = None,
    on_error: OnError = "warn",
    allow_missing_classes: bool = False,
    **example_column: Column,
) -> Dataset:
    """Loads labelled examples of any kind.

    Args:
        data: a folder of class folders, or one holding ``train/``, ``val/`` and ``test/``; a
            ``.csv``, ``.tsv``, ``.txt``, ``.jsonl`` or ``.parquet`` table; a pair ``(x, y)`` of
            arrays or lists; ``"tfds:NAME"`` or a TFDS builder; of images a ``tf.data.Dataset``,
            keras ``PyDataset`` or grain dataset; or a ``Dataset``, which is returned as it is.
        reader: what the examples are, as ``kerastl.inputs.IMAGES``.
        outputs: what the labels are: one output, or several by name; None is one class per
            example. Where there are several, an example may lack some of its labels.
        class_names: names of the classes in the order of the indices, for one output. Streams and
            labels that are numbers need them; elsewhere they are what the data must hold.
        split: which part of a divided folder, table or TFDS data set; folders and TFDS need it
            named.
        depth: how many levels below a folder its class folders lie. Classes of more than one level
            are named by their path, as ``"animals/cat"``.
        label_column: the column of a table that holds the labels, or several columns of 0 and 1
            for several labels per example; of several outputs such columns by name. None is
            ``"label"``, and of several outputs columns of their names.
        group_column: the column of a table that holds groups, for splits.
        heading: names for the columns of a table of text that has no heading, from the first on.
        split_column: the column of a table whose values train, val and test divide its rows; None
            takes a column ``"split"`` of such values, False leaves the table whole.
        label_separator: what divides the names in a single column of several labels; an empty
            field there means none of the classes, or of several outputs a label that is missing.
        field_separator: the character between two fields of a table of text; None finds it.
        groups: for pairs the group of each example; for folders, tables and TFDS a function that
            gives the group from an example's name, such as its relative path.
        encoding: of tables and files of text, as Python names it; None finds it.
        on_error: ``"warn"`` skips unreadable examples with a warning that counts and names them,
            ``"raise"`` raises.
        allow_missing_classes: accept a single class, and classes without examples, as data for
            anomaly detection or a partial test set may have.
        **example_column: the column of a table that holds the examples, under the reader's own
            name: ``image_column=`` or ``text_column=``. Numbers from 0 name the columns of a
            table of text without heading.

    Returns:
        A ``StreamDataset`` for streams, an ``ExampleDataset`` for everything else.

    Raises:
        DataError: data that cannot be trained on; the message says what to do. An ImageError
            where an image is unreadable and ``on_error`` is ``"raise"``, a TextError where a text
            cannot be written as UTF-8.
        ConfigurationError: an argument that is not valid, or does not go with this kind of data.
        MissingExtraError: TFDS or pyarrow is needed and not installed.
    """
    if split is not None and split not in get_args(Split):
        raise ConfigurationError(
            f"split must be one of {listed(get_args(Split))}, or None. Received: {split!r}."
            f"{did_you_mean(str(split), get_args(Split))}"
        )
    request = Request(
        reader,
        expected_outputs(outputs, class_names),
        groups=groups,
        encoding=encoding,
        on_error=check_on_error(on_error),
        allow_missing=allow_missing_classes,
    )
    columns = _columns(
        reader,
        request.outputs,
        {
            **example_column,
            "label_column": label_column,
            "group_column": group_column,
            "heading": heading,
            "split_column": split_column,
            "label_separator": label_separator,
            "field_separator": field_separator,
        },
    )
    data = _opened(data, columns, encoding)
    if is_builder(data):
        parts = builder_splits(data)
        part = named_part(split, parts, f"The TFDS data set {builder_name(data)}")
        return from_builder(data, parts[part], request)
    is_path = isinstance(data, str | os.PathLike)
    if check_depth(depth) > 1 and not (is_path and existing_path(data).is_dir()):
        raise ConfigurationError(f"depth={depth} (--depth) is for folders of class folders.")
    if is_path:
        path = existing_path(data)
        if path.is_dir():
            return from_folder(part_of_folder(path, split, reader), request, depth)
        raise DataError(f"{path} is neither a folder nor a table that can be read. {_ACCEPTED}")
    if isinstance(data, Table):
        return from_table(data, request, columns, split)
    if isinstance(data, Dataset):
        refuse_parts(split, "a Dataset")
        return _as_requested(data, request)
    if reader.streams and stream_kind(data) is not None:
        refuse_parts(split, "a stream")
        return _stream(data, request)
    if isinstance(data, tuple) and len(data) == 2:
        refuse_parts(split, "a pair (x, y)")
        return from_arrays(data[0], data[1], request)
    received = f"a tuple of {len(data)}" if isinstance(data, tuple) else type(data).__name__
    raise DataError(
        f"{reader.nouns.capitalize()} cannot be loaded from this: {received}. {_ACCEPTED}"
    )


def load_pair(
    data: Any,
    validation: Any = None,
    *,
    validation_fraction: float = VALIDATION_FRACTION,
    seed: int = 0,
    reader: Reader = IMAGES,
    outputs: Output | Mapping[str, Output] | None = None,
    class_names: Iterable[str] | None = None,
    **options: Any,
) -> tuple[Dataset, Dataset | None]:
    """Loads training and validation data with the same classes.

    Examples that are in both are counted in a ``DataWarning``, since what validation says of them
    it says of training.

    Args:
        data: training data of any kind that ``load`` takes; of divided data the training part.
        validation: validation data of any kind; a fraction of the training data; False for none.
            None takes the validation part of divided data, and otherwise splits off
            ``validation_fraction``, except from a stream, which then has no validation data.
        validation_fraction: share of the split that None makes.
        seed: seed of the split.
        reader: see ``load``.
        outputs: see ``load``.
        class_names: see ``load``.
        **options: further options of ``load`` except ``split``, for both.

    Returns:
        The training data, and the validation data or None.

    Raises:
        DataError: the classes differ, a class is too small to be split, or a stream is to be
            split; and as ``load``.
        ConfigurationError: an argument is not valid.
    """
    check_fraction(validation_fraction)
    check_seed(seed)
    if validation is True:
        raise ConfigurationError("validation must be data, a fraction, False or None, not True.")

    def opened(given: Any) -> Any:
        # Opened once, and then read for each of its parts.
        columns = _columns(reader, expected_outputs(outputs, class_names), options)
        return _opened(given, columns, options.get("encoding"))

    data = opened(data)
    if isinstance(data, Table):
        data = divided_to_train(data)
    parts = parts_of(data, reader)
    named: Split | None = "train" if parts else None
    train = load(
        data, reader=reader, outputs=outputs, class_names=class_names, split=named, **options
    )
    if validation is False:
        return train, None
    held_out: Dataset
    if validation is None and "validation" in parts:
        held_out = load(data, reader=reader, outputs=train.outputs, split="validation", **options)
        advice = "remove them from one side."
    elif validation is None or isinstance(validation, (float, int, np.number)):
        fraction = validation_fraction if validation is None else float(validation)
        check_fraction(fraction)
        if isinstance(train, ExampleDataset):
            train, held_out = train.split(fraction, seed=seed)
        elif validation is None:
            return train, None
        else:
            raise DataError(
                "A stream cannot be split into training and validation. Give validation data of "
                "their own, or validation=False."
            )
        advice = "remove copies, or give them one class and group."
    else:
        # Groups given one by one belong to the training examples.
        own = {k: v for k, v in options.items() if k != "groups" or callable(v)}
        held_out = _load_validation(opened(validation), reader, train.outputs, own)
        advice = (
            "remove them from one side, or let kerastl make the split, which keeps copies together."
        )
    _warn_of_shared(train, held_out, advice)
    return train, held_out


def _load_validation(
    data: Any, reader: Reader, outputs: Mapping[str, Output], options: Mapping[str, Any]
) -> Dataset:
    """Loads validation data of their own: of divided data the part for validation, or for tests."""
    parts = parts_of(data, reader)
    if isinstance(data, Table) and parts == {"train"}:
        # A table of its own, whatever its rows are called.
        parts = set()
    part: Split = "validation" if "validation" in parts else "test"
    return load(data, reader=reader, outputs=outputs, split=part if parts else None, **options)


def load_texts(data: Any, *, kind: TextKind = "single_label", **options: Any) -> ExampleDataset:
    """Loads texts with labels of one kind: ``load`` with the reader of texts."""
    found = load(data, reader=TEXTS, outputs=output_named(kind)(), **options)
    assert isinstance(found, ExampleDataset)
    return found


def load_text_pair(
    data: Any, validation: Any = None, *, kind: TextKind = "single_label", **options: Any
) -> tuple[ExampleDataset, ExampleDataset | None]:
    """Loads texts for training and validation: ``load_pair`` with the reader of texts."""
    train, held_out = load_pair(
        data, validation, reader=TEXTS, outputs=output_named(kind)(), **options
    )
    assert isinstance(train, ExampleDataset)
    assert held_out is None or isinstance(held_out, ExampleDataset)
    return train, held_out


def _as_requested(data: Dataset, request: Request) -> Dataset:
    """A data set as it is, with its labels read as those of the outputs that were asked for."""
    if data.reader != request.reader:
        raise ConfigurationError(
            f"The data set holds {data.reader.nouns}, and {request.reader.nouns} are wanted."
        )
    held = [output.labelling.kind for output in data.outputs.values()]
    wanted = [output.labelling.kind for output in request.outputs.values()]
    if held != wanted or (len(held) > 1 and list(data.outputs) != list(request.outputs)):
        raise ConfigurationError(
            f"The data set holds labels of the kind {listed(held)} for {listed(data.outputs)}. "
            f"Asked for were {listed(wanted)} for {listed(request.outputs)}."
        )
    outputs: dict[str, Output] = {}
    for output, (name, asked) in zip(data.outputs.values(), request.outputs.items(), strict=True):
        names, expected = output.labelling.class_names, asked.labelling.class_names
        if expected not in ((), names):
            raise DataError(
                f"The data set has the classes {listed(names)}, in this order. Expected: "
                f"{listed(expected)}."
            )
        same = type(output) is type(asked)
        outputs[name] = output if same else asked.with_classes(names)
    return data if outputs == data.outputs else data.with_outputs(outputs)


def _stream(data: Any, request: Request) -> StreamDataset:
    if len(request.outputs) > 1:
        raise ConfigurationError("A stream has labels for one output. Give a table or a pair.")
    [output] = request.outputs.values()
    if output.has_classes and not output.labelling.class_names:
        raise DataError(
            f"A {stream_kind(data)} does not name its classes: give class_names=[...], one name "
            "for each class in the order of the labels."
        )
    return StreamDataset(data, (), output=output)


def _warn_of_shared(train: Dataset, validation: Dataset, advice: str) -> None:
    """Warns of examples in both; their digests are kept, so that nothing is hashed twice."""
    if not isinstance(train, ExampleDataset) or not isinstance(validation, ExampleDataset):
        return
    seen = set(train.digests())
    shared = [
        name
        for name, digest in zip(validation.names, validation.digests(), strict=True)
        if digest in seen
    ]
    if shared:
        warnings.warn(
            f"{len(shared)} of {len(validation)} validation {train.reader.nouns} are in the "
            f"training data too: {some_of(shared)}. Metrics on them are flattering: {advice}",
            DataWarning,
            stacklevel=3,
        )


def _columns(reader: Reader, outputs: Mapping[str, Output], options: Mapping[str, Any]) -> Columns:
    """The columns of a table, out of options of ``load``; raises ConfigurationError."""
    columns = named_columns(
        reader,
        outputs,
        examples={k: v for k, v in options.items() if k not in _OPTIONS},
        labels=options.get("label_column"),
        separator=options.get("label_separator", ","),
        split=options.get("split_column"),
        group=options.get("group_column"),
        field_separator=options.get("field_separator"),
    )
    heading = options.get("heading")
    return columns if heading is None else columns.numbered(heading)


def _opened(data: Any, columns: Columns, encoding: str | None) -> Any:
    """A TFDS builder in place of its name, a table in place of its path, and else the data."""
    if isinstance(data, str) and data.startswith(TFDS_PREFIX):
        return builder_of(data)
    if isinstance(data, str | os.PathLike):
        path = existing_path(data)
        if path.suffix.lower() in TABLE_SUFFIXES and not path.is_dir():
            return open_table(path, columns, encoding)
    return data


_OPTIONS = frozenset(inspect.signature(load).parameters) - {"example_column"}
