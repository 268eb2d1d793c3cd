"""Labels that are one class for each example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from kerastl.errors import DataError
from kerastl.outputs.encoding import array_of, class_indices, column_of
from kerastl.outputs.names import listed, names_of_labels, names_of_numbers, normal
from kerastl.outputs.output import Output
from kerastl.outputs.source import Cell, Source

Array = np.ndarray[Any, Any]
NO_LABEL = -1


class ClassLabels(Output):
    """What outputs share that learn from one class for each example.

    Labels are class indices int64 ``(n,)``; -1 stands for a label that is missing. Their names are
    those of ``labelling``: the network itself may give something else.
    """

    one_class: ClassVar[bool] = True

    def read_columns(
        self, values: Sequence[tuple[Cell, ...]], source: Source
    ) -> tuple[Self, Array]:
        """Class names out of one column."""
        return self._encoded(
            column_of([row[0] for row in values], source.columns[0], source), source
        )

    def read_array(self, labels: Any, source: Source) -> tuple[Self, Array]:
        """Names or indices ``(n,)`` or ``(n, 1)``, or one-hot ``(n, classes)``."""
        array = array_of(labels, source.where)
        if array.dtype.kind in "UTO":
            return self._encoded(_names(labels, source), source)
        names = names_of_numbers(self.labelling.class_names)
        indices = np.full(len(array), NO_LABEL, dtype=np.int64)
        held = np.ones(len(array), dtype=bool)
        if source.optional and array.ndim in (1, 2):
            rows = array.reshape(len(array), -1)
            held = ~((rows != rows).any(axis=1) | (rows == NO_LABEL).all(axis=1))
        indices[held] = class_indices(array[held], len(names), what=f"{source.where}: the labels")
        return self.with_classes(names), indices

    def _encoded(self, written: Sequence[str], source: Source) -> tuple[Self, Array]:
        names = names_of_labels(
            [name for name in written if name],
            self.labelling.class_names,
            where=source.where,
            allow_missing=source.allow_missing,
        )
        index = {"": NO_LABEL, **{name: k for k, name in enumerate(names)}}
        indices = np.array([index[normal(name)] for name in written], dtype=np.int64)
        return self.with_classes(names), indices

    def check_examples(self, labels: Array, source: Source) -> None:
        """Refuses a single class too."""
        names = self.labelling.class_names
        if len(names) < 2 and self.present(labels).any() and not source.allow_missing:
            raise DataError(
                f"{source.where} has a single class, {listed(names)}. A classifier needs two "
                "or more: add another, for example of what the class is not."
            )
        super().check_examples(labels, source)

    def checked(self, labels: Any, *, optional: bool = False) -> Array:
        """Class indices, int64 ``(n,)``."""
        values, count = np.asarray(labels), len(self.labelling.class_names)
        # An empty list is an array of floats.
        if values.ndim != 1 or (len(values) and values.dtype.kind not in "iub"):
            raise DataError(
                "Labels must be class indices, integers of the shape (n,). Received: "
                f"{values.dtype} of the shape {values.shape}."
            )
        least = NO_LABEL if optional else 0
        if len(values) and not (values.min() >= least and values.max() < count):
            raise DataError(
                f"Labels must be from 0 to {count - 1}, one of {count} class names each. Received "
                f"labels from {values.min()} to {values.max()}."
            )
        return values.astype(np.int64)

    def present(self, labels: Array) -> Array:
        """Those that are not -1."""
        return np.asarray(labels != NO_LABEL)

    def missing(self, count: int) -> Array:
        """All -1."""
        return np.full(count, NO_LABEL, dtype=np.int64)

    def counts(self, labels: Array) -> dict[str, int]:
        """The number of examples of each class."""
        names = self.labelling.class_names
        found = np.bincount(labels[self.present(labels)], minlength=len(names))
        return dict(zip(names, found.tolist(), strict=True))

    def check_trainable(self, labels: Array, batch_size: int) -> None:
        """Refuses a class without examples."""
        empty = [name for name, count in self.counts(labels).items() if count == 0]
        if empty:
            raise DataError(f"No training example of {', '.join(empty)} could be read.")

    def strata(self, labels: Array) -> Array:
        """The classes."""
        classes = len(self.labelling.class_names)
        return np.eye(classes)[labels] * self.present(labels)[:, None]

    def classes_of(self, labels: Array) -> Array | None:
        """The labels themselves, where none is missing."""
        return labels if self.present(labels).all() else None

    def targets(self, labels: Array) -> Array:
        """One-hot rows, float32 ``(n, classes)``; zeros where the label is missing."""
        return self.strata(labels).astype(np.float32)


def _names(labels: Any, source: Source) -> list[str]:
    """Class names out of an array or a list; ``""`` where one is missing."""
    # Of the objects themselves: an array of strings would turn numbers among names into names.
    array = np.asarray(labels, dtype=object)
    one = array.ndim == 1 or array.shape[1:] == (1,)
    values: list[Any] = array.ravel().tolist() if one else [array]
    missing = [v is None or v != v or (isinstance(v, str) and not v.strip()) for v in values]
    bad = [
        i
        for i, (value, none) in enumerate(zip(values, missing, strict=True))
        if (none and not source.optional) or not (none or isinstance(value, str))
    ]
    if bad:
        raise DataError(
            f"{source.where}: labels must be one class name for each example; {len(bad)} "
            f"{'is' if len(bad) == 1 else 'are'} missing or not a string, the first at position "
            f"{bad[0]}: {values[bad[0]]!r}. Received an array of shape {array.shape}."
        )
    return ["" if none else value for value, none in zip(values, missing, strict=True)]
