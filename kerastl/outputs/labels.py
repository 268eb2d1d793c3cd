"""Any number of classes for each example: a probability for each class by itself."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self, final

import numpy as np

from kerastl.errors import ConfigurationError, DataError
from kerastl.metrics import (
    Replicate,
    best_thresholds,
    calibration,
    most_confused,
    multi_label_metrics,
    multi_label_replicate,
)
from kerastl.outputs.encoding import array_of, check_filled, column_of
from kerastl.outputs.gate import TIE, Gate
from kerastl.outputs.judging import (
    Details,
    Marks,
    calibration_table,
    class_table,
    confused_table,
    coverage_table,
)
from kerastl.outputs.linear import LinearModel, logistic_of_each
from kerastl.outputs.names import (
    given_class_names,
    listed,
    names_of_labels,
    names_of_numbers,
    normal,
)
from kerastl.outputs.output import LossSettings, Output
from kerastl.outputs.source import Cell, Source

Array = np.ndarray[Any, Any]
_THRESHOLD = 0.5
_FLAGS = {"false": 0.0, "true": 1.0}


@final
@dataclasses.dataclass(frozen=True)
class Labels(Output):
    """Any number of classes for each example; the network gives a probability for each class.

    Labels are zeros and ones float32 ``(n, classes)``; a row of NaN stands for labels that are
    missing.

    Attributes:
        thresholds: the probability from which each class is given; None is 0.5 for all.
    """

    kind: ClassVar[str] = "multi_label"
    score: ClassVar[str] = "accuracy"
    score_is_a_share: ClassVar[bool] = True
    metric: ClassVar[str] = "micro_f1"
    several_columns: ClassVar[bool] = True
    activation: ClassVar[str | None] = "sigmoid"
    link: ClassVar[str | None] = "sigmoid"
    constant_name: ClassVar[str] = "the most frequent classes"
    linear_name: ClassVar[str] = "logistic regression"

    thresholds: tuple[float, ...] | None = None

    @property
    def limits(self) -> Array:
        """The threshold of each class, float64 ``(classes,)``."""
        limits = np.array(self.thresholds or [_THRESHOLD] * self.width)
        if limits.shape != (self.width,) or (self.width and limits.dtype.kind not in "fi"):
            raise ConfigurationError(
                f"thresholds={self.thresholds!r}: give a number for each of the {self.width} "
                "classes."
            )
        return limits

    def manifest_config(self) -> dict[str, Any]:
        """With a threshold for each class."""
        return {**self.get_config(), "thresholds": self.limits.tolist()}

    # Labels.

    def read_columns(
        self, values: Sequence[tuple[Cell, ...]], source: Source
    ) -> tuple[Self, Array]:
        """Names in one column, divided by the separator; or columns of 0 and 1, one a class.

        An empty field in a single column means none of the classes, and where labels are optional
        that they are missing: a field of nothing but the separator then means none.
        """
        if len(source.columns) > 1:
            return self._flags(values, source)
        cells = [cell for (cell,) in values]
        missing = [
            cell is None or (source.optional and isinstance(cell, str) and not cell.strip())
            for cell in cells
        ]
        check_filled(missing, source.columns[0], source)
        several = [
            None if none else _parts(cell, source.separator)
            for cell, none in zip(cells, missing, strict=True)
        ]
        return self._encoded(several, source)

    def read_array(self, labels: Any, source: Source) -> tuple[Self, Array]:
        """Lists of names, or zeros and ones ``(n, classes)``."""
        several = _lists_of_names(labels, source)
        if several is not None:
            return self._encoded(several, source)
        array = array_of(labels, source.where)
        if array.dtype.kind not in "iufb":
            raise DataError(
                f"{source.where}: labels of kind {self.kind!r} cannot be taken from an array of "
                f"{array.dtype}. Give lists of names, or zeros and ones."
            )
        names = names_of_numbers(self.class_names)
        found = dataclasses.replace(self, class_names=names)
        return found, found._zeros_and_ones(array, source.optional, f"{source.where}: labels")

    def _encoded(
        self, labels: Sequence[Iterable[str] | None], source: Source
    ) -> tuple[Self, Array]:
        rows = [None if row is None else {normal(name) for name in row} for row in labels]
        found = sorted(set().union(*(row for row in rows if row is not None)))
        if not self.class_names and not found:
            raise DataError(f"{source.where} names no class in any label. Add labels.")
        names = names_of_labels(
            found, self.class_names, where=source.where, allow_missing=source.allow_missing
        )
        flags = np.full((len(rows), len(names)), np.nan, dtype=np.float32)
        for i, row in enumerate(rows):
            if row is not None:
                flags[i] = [name in row for name in names]
        return dataclasses.replace(self, class_names=names), flags

    def _flags(self, values: Sequence[tuple[Cell, ...]], source: Source) -> tuple[Self, Array]:
        headings = tuple(normal(str(column)) for column in source.columns)
        names = given_class_names(self.class_names) if self.class_names else headings
        if sorted(names) != sorted(headings):
            raise DataError(
                f"The label columns of {source.where} are {listed(headings)}, and the classes "
                f"expected are {listed(names)}. They must be the same."
            )
        numbers = np.zeros((len(values), len(headings)), dtype=np.float32)
        for at, column in enumerate(source.columns):
            written = column_of([row[at] for row in values], column, source)
            numbers[:, at] = [
                _flag(value, line, column, source)
                for value, line in zip(written, source.lines, strict=True)
            ]
        flags = numbers[:, [headings.index(name) for name in names]]
        # One field that is missing leaves nothing to be told apart from a 0.
        flags[np.isnan(flags).any(axis=1)] = np.nan
        return dataclasses.replace(self, class_names=names), flags

    def checked(self, labels: Any, *, optional: bool = False) -> Array:
        """Zeros and ones, float32 ``(n, classes)``."""
        return self._zeros_and_ones(np.asarray(labels), optional, "Labels")

    def _zeros_and_ones(self, values: Array, optional: bool, what: str) -> Array:
        fits = values.ndim == 2 and values.shape[1] == self.width and values.dtype.kind in "iufb"
        if not fits or not (np.isin(values, (0, 1)) | (np.isnan(values) & optional)).all():
            raise DataError(
                f"{what} must be zeros and ones of the shape (n, {self.width}), one column for "
                f"each class name. Received: {values.dtype} of the shape {values.shape}."
            )
        return values.astype(np.float32)

    def present(self, labels: Array) -> Array:
        """Rows without NaN."""
        return np.asarray(~np.isnan(labels).any(axis=1))

    def missing(self, count: int) -> Array:
        """Rows of NaN."""
        return np.full((count, self.width), np.nan, dtype=np.float32)

    def counts(self, labels: Array) -> dict[str, int]:
        """The number of examples of each class; they may add up to more than there are."""
        found = np.nansum(labels, axis=0).astype(np.int64)
        return dict(zip(self.class_names, found.tolist(), strict=True))

    def strata(self, labels: Array) -> Array:
        """The classes."""
        return np.nan_to_num(labels.astype(np.float64))

    # Learning.

    def targets(self, labels: Array) -> Array:
        """The labels, float32 ``(n, classes)``."""
        return np.nan_to_num(np.asarray(labels, dtype=np.float32))

    def loss(self, phase: LossSettings) -> Any:
        """Binary cross-entropy, or its focal form."""
        import keras

        if phase.loss == "contrastive":
            raise ConfigurationError(
                "loss='contrastive' needs one class for each example. Leave it out."
            )
        smoothing = phase.label_smoothing
        if phase.loss == "focal":
            return keras.losses.BinaryFocalCrossentropy(gamma=2.0, label_smoothing=smoothing)
        return keras.losses.BinaryCrossentropy(label_smoothing=smoothing)

    def metrics(self) -> list[Any]:
        """The share of right decisions at 0.5."""
        import keras

        return [keras.metrics.BinaryAccuracy(name=self.score)]

    # Answers.

    def decode(self, outputs: Array) -> list[Any]:
        """The list of names from their thresholds on."""
        names = np.array(self.class_names, dtype=object)
        return [list(names[row]) for row in outputs >= self.limits]

    def answers(self, outputs: Array) -> list[dict[str, Any]]:
        """``label`` and ``probability``, both lists."""
        index = {name: position for position, name in enumerate(self.class_names)}
        return [
            {"label": names, "probability": [float(row[index[name]]) for name in names]}
            for names, row in zip(self.decode(outputs), outputs, strict=True)
        ]

    def line(self, answer: Mapping[str, Any]) -> str:
        """The names with their probabilities."""
        pairs = zip(answer["label"], answer["probability"], strict=True)
        return ", ".join(f"{name} {value:.3f}" for name, value in pairs)

    def measure(self, labels: Array, outputs: Array) -> dict[str, float]:
        """See ``kerastl.metrics.multi_label_metrics``."""
        return multi_label_metrics(labels, outputs, self.limits)

    def accuracy(self, labels: Array, outputs: Array) -> float | None:
        """Share of right decisions."""
        return float(((outputs >= self.limits) == (labels > 0)).mean())

    def groups(self, outputs: Array) -> Array:
        """By all decisions together."""
        decided = outputs >= self.limits
        return np.unique(decided, axis=0, return_inverse=True)[1].reshape(-1)

    def tuned(self, labels: Array, outputs: Array) -> Self:
        """With the thresholds at which each class's F1 is best."""
        rows = self.present(labels)
        found = best_thresholds(labels[rows], outputs[rows])
        return dataclasses.replace(self, thresholds=tuple(map(float, found)))

    def cross_fitted(self, labels: Array, outputs: Array, parts: Array) -> Array:
        """An answer moves just across a threshold where those of the other parts decide so."""
        rows, found = self.present(labels), outputs.copy()
        above = _nearest(self.limits, outputs.dtype)
        below = np.nextafter(above, outputs.dtype.type(-1))
        for part in np.unique(parts).tolist():
            mine, others = parts == part, rows & (parts != part)
            given = outputs[mine] >= best_thresholds(labels[others], outputs[others])
            moved = np.where(given, above, below)
            kept = given == (outputs[mine] >= self.limits)
            found[mine] = np.where(kept, outputs[mine], moved)
        return found

    # Judgement.

    def marks(self, labels: Array, outputs: Array) -> Marks:
        """Lists of names, right where all decisions are; see ``confidence_of``."""
        names = np.array(self.class_names, dtype=object)
        truth = [list(names[row]) for row in labels > 0]
        right = np.asarray(((outputs >= self.limits) == (labels > 0)).all(axis=1))
        return Marks(truth, self.decode(outputs), right, self.confidence_of(outputs))

    def confidence_of(self, outputs: Array) -> Array:
        """How sure the least sure decision of each row is, float64 ``(n,)``.

        A decision is half sure at its threshold, and wholly sure at a probability of 0 or 1.
        """
        limits = np.clip(self.limits, 1e-9, 1 - 1e-9)
        above, below = (outputs - limits) / (1 - limits), (limits - outputs) / limits
        sure = 0.5 + 0.5 * np.where(outputs >= self.limits, above, below)
        return np.asarray(np.clip(sure, 0.5, 1.0).min(axis=1, initial=1.0))

    def shares(self, labels: Array, outputs: Array) -> dict[str, tuple[int, int]]:
        """Examples with no wrong decision; the decisions of one example are not independent."""
        right = ((outputs >= self.limits) == (labels > 0)).all(axis=1)
        return {"exact_match": (int(right.sum()), len(labels))}

    def replicate(self, labels: Array, outputs: Array) -> Replicate:
        """See ``kerastl.metrics.multi_label_replicate``."""
        return multi_label_replicate(labels, outputs, self.limits)

    def details(self, labels: Array, outputs: Array, marks: Marks) -> Details:
        """Classes with their thresholds, classes given for others, coverage, calibration."""
        truth, given = labels > 0, outputs >= self.limits
        classes = class_table(
            self.class_names,
            (truth & given).sum(axis=0),
            given.sum(axis=0),
            truth.sum(axis=0),
            threshold=self.limits.tolist(),
        )
        # Examples that lack a class while they were given another.
        together = (truth & ~given).astype(np.int64).T @ (given & ~truth).astype(np.int64)
        pairs = [
            (self.class_names[i], self.class_names[j], n, n / truth[:, i].sum())
            for i, j, n in most_confused(together)
        ]
        error, bins = calibration(outputs.ravel(), truth.ravel())
        tables = {"classes": classes, **confused_table(pairs), **coverage_table(marks)}
        return Details({"calibration_error": error}, {**tables, **calibration_table(bins)})

    def linear(self, features: Any, labels: Array) -> LinearModel | None:
        """Logistic regression of each class."""
        return logistic_of_each(features, labels)

    # Proof.

    def agreement_of(self, noun: str) -> str:
        """Decisions."""
        return f"single decisions, one for each {noun} and class, at the thresholds"

    def agreeing(
        self, reference: Array, outputs: Array, gate: Gate, quantization: str | None
    ) -> Array:
        """The same decision at the threshold: bool ``(n, classes)``."""
        same = (reference >= self.limits) == (outputs >= self.limits)
        tie = np.abs(reference - self.limits) <= TIE
        return np.asarray((same | tie) & np.isfinite(outputs))

    def meaning(self, reference: Array) -> str:
        """Probabilities that need not sum to 1."""
        return "probability of each class by itself"

    # Card.

    def title(self, noun: str) -> str:
        """A classifier."""
        return f"{noun.capitalize()} classifier: {self.width} classes, any number per {noun}"

    def use(self, noun: str, nouns: str, origin: str) -> str:
        """Giving any number of classes."""
        names = ", ".join("`" + name.replace("`", "'") + "`" for name in self.class_names)
        return (
            f"This model gives each {noun} any number of {self.width} classes: {names}. Each has a "
            f"threshold of its own, in `manifest.json`.{origin} Use it on {nouns} like those it "
            "was trained on, and measure it on your own before you rely on it; do not let it "
            "decide alone about people."
        )


def _parts(cell: Cell, separator: str) -> tuple[str, ...]:
    parts = cell.split(separator) if isinstance(cell, str) else cell or ()
    return tuple(part.strip() for part in parts if part.strip())


def _lists_of_names(labels: Any, source: Source) -> list[Any] | None:
    """Lists of names as they are; None where the labels are something else."""
    values = list(labels)
    held = [value for value in values if value is not None]
    named = all(isinstance(value, (list, tuple, set, frozenset)) for value in held)
    if not named or not all(isinstance(name, str) for value in held for name in value):
        return None
    if len(held) < len(values) and not source.optional:
        raise DataError(
            f"{source.where}: {len(values) - len(held)} labels are missing. An empty list stands "
            "for none of the classes."
        )
    return values


def _nearest(limits: Array, dtype: Any) -> Array:
    """The lowest numbers of a type that are not below limits."""
    rounded = limits.astype(dtype)
    return np.asarray(np.where(rounded < limits, np.nextafter(rounded, dtype.type(2)), rounded))


def _flag(value: str, line: int, column: str | int, source: Source) -> float:
    if not value:
        return math.nan
    number = _FLAGS.get(value.lower())
    if number is None:
        with contextlib.suppress(ValueError):
            number = float(value)
    if number not in (0.0, 1.0):
        raise DataError(
            f"{source.where} has {value!r} in the label column {column!r} on line {line}. With "
            "several label columns each must hold 0 or 1."
        )
    return number
