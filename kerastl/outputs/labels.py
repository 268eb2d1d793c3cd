"""Any number of classes for each example: a probability for each class by itself."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self, final

import numpy as np

from kerastl.errors import ConfigurationError, DataError
from kerastl.metrics import best_thresholds, multi_label_metrics
from kerastl.outputs.encoding import lines_of, need_names
from kerastl.outputs.gate import TIE, Gate
from kerastl.outputs.names import (
    found_class_names,
    given_class_names,
    listed,
    match_class_names,
    normal,
)
from kerastl.outputs.output import LossSettings, Output, Source
from kerastl.outputs.predictions import Predictions

Array = np.ndarray[Any, Any]
_THRESHOLD = 0.5


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
    metric: ClassVar[str] = "micro_f1"
    several_columns: ClassVar[bool] = True

    thresholds: tuple[float, ...] | None = None

    @property
    def width(self) -> int:
        """One probability for each class."""
        return len(self.class_names)

    @property
    def limits(self) -> Array:
        """The threshold of each class, float64 ``(classes,)``."""
        return np.array(self.thresholds or [_THRESHOLD] * self.width)

    def manifest_config(self) -> dict[str, Any]:
        """With a threshold for each class."""
        return {**self.get_config(), "thresholds": self.limits.tolist()}

    # Labels.

    def read_columns(self, values: Sequence[tuple[str, ...]], source: Source) -> tuple[Self, Array]:
        """Names in one column, divided by the separator; or columns of 0 and 1, one a class."""
        if len(source.columns) > 1:
            return self._flags(values, source)
        several = [
            tuple(part.strip() for part in row[0].split(source.separator) if part.strip())
            for row in values
        ]
        return self._encoded(several, source)

    def read_array(self, labels: Any, source: Source) -> tuple[Self, Array]:
        """Lists of names, or zeros and ones ``(n, classes)``."""
        values = list(labels)
        named = all(isinstance(value, (list, tuple, set, frozenset)) for value in values)
        if named and all(isinstance(name, str) for value in values for name in value):
            return self._encoded(values, source)
        try:
            array = np.asarray(labels)
        except ValueError as error:
            raise DataError(
                f"{source.where}: the labels are of different lengths: {error}."
            ) from error
        if array.dtype.kind not in "iufb":
            raise DataError(
                f"{source.where}: labels of kind {self.kind!r} cannot be taken from an array of "
                f"{array.dtype}. Give lists of names, or zeros and ones."
            )
        if not self.class_names:
            raise need_names()
        names = given_class_names(self.class_names)
        if array.ndim != 2 or array.shape[1] != len(names) or not np.isin(array, (0, 1)).all():
            raise DataError(
                f"{source.where}: labels must be zeros and ones of the shape (n, {len(names)}), "
                f"one column for each class name. Received: {array.dtype} of the shape "
                f"{array.shape}."
            )
        return self._checked_flags(array.astype(np.float32), names, source)

    def _encoded(self, labels: Sequence[Iterable[str]], source: Source) -> tuple[Self, Array]:
        rows = [{normal(name) for name in row} for row in labels]
        found = sorted(set().union(*rows))
        if not self.class_names:
            if not found:
                raise DataError(f"{source.where} names no class in any label. Add labels.")
            names = found_class_names(found, where=source.where)
        else:
            names = given_class_names(self.class_names)
            match_class_names(found, names, where=source.where, allow_missing=source.allow_missing)
        flags = np.array([[name in row for name in names] for row in rows], dtype=np.float32)
        return self._checked_flags(flags.reshape(len(rows), len(names)), names, source)

    def _flags(self, values: Sequence[tuple[str, ...]], source: Source) -> tuple[Self, Array]:
        headings = tuple(normal(str(column)) for column in source.columns)
        names = given_class_names(self.class_names) if self.class_names else headings
        if sorted(names) != sorted(headings):
            raise DataError(
                f"The label columns of {source.where} are {listed(headings)}, and the classes "
                f"expected are {listed(names)}. They must be the same."
            )
        numbers = np.array(
            [
                [
                    _flag(value.strip(), line, column, source)
                    for value, column in zip(row, source.columns, strict=True)
                ]
                for row, line in zip(values, source.lines, strict=True)
            ],
            dtype=np.float32,
        )
        flags = numbers[:, [headings.index(name) for name in names]]
        # One field that is missing leaves nothing to be told apart from a 0.
        flags[np.isnan(flags).any(axis=1)] = np.nan
        return self._checked_flags(flags, names, source)

    def _checked_flags(
        self, flags: Array, names: tuple[str, ...], source: Source
    ) -> tuple[Self, Array]:
        held = np.nansum(flags, axis=0)
        empty = [name for name, count in zip(names, held, strict=True) if count == 0]
        if empty and not source.allow_missing:
            raise DataError(
                f"{source.where} has no example of the class{'es' if len(empty) > 1 else ''} "
                f"{listed(empty)}. Add some, or take the class out."
            )
        return dataclasses.replace(self, class_names=names), flags

    def checked(self, labels: Any) -> Array:
        """Zeros and ones, float32 ``(n, classes)``."""
        values = np.asarray(labels)
        fits = values.ndim == 2 and values.shape[1] == self.width and values.dtype.kind in "iufb"
        if not fits or not (np.isin(values, (0, 1)) | np.isnan(values.astype(float))).all():
            raise DataError(
                "With several labels per example, labels must be zeros and ones of the shape "
                f"(n, {self.width}), one column for each class name. Received the shape "
                f"{values.shape}."
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

    def attach(self, features: Any, *, name: str, seed: int) -> Any:
        """A dense layer with a sigmoid for each class."""
        import keras

        return keras.layers.Dense(
            self.width,
            activation="sigmoid",
            dtype="float32",
            name=name,
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        )(features)

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

    def predictions(self, outputs: Array) -> Predictions:
        """Tuples of names, and probabilities."""
        return Predictions(tuple(map(tuple, self.decode(outputs))), outputs, self.class_names)

    def measure(self, labels: Array, outputs: Array) -> dict[str, float]:
        """See ``kerastl.metrics.multi_label_metrics``."""
        rows = self.present(labels)
        return multi_label_metrics(labels[rows], outputs[rows], self.limits)

    def accuracy(self, labels: Array, outputs: Array) -> float | None:
        """Share of right decisions."""
        rows = self.present(labels)
        if not rows.any():
            return None
        return float(((outputs[rows] >= self.limits) == (labels[rows] > 0)).mean())

    def groups(self, outputs: Array) -> Array:
        """By all decisions together."""
        decided = outputs >= self.limits
        return np.unique(decided, axis=0, return_inverse=True)[1].reshape(-1)

    def tuned(self, labels: Array, outputs: Array) -> Self:
        """With the thresholds at which each class's F1 is best."""
        rows = self.present(labels)
        found = best_thresholds(labels[rows], outputs[rows])
        return dataclasses.replace(self, thresholds=tuple(map(float, found)))

    # Proof.

    def agreement_of(self, noun: str) -> str:
        """Decisions."""
        return f"single decisions, one for each {noun} and class, at the thresholds"

    def agreeing(
        self, reference: Array, outputs: Array, gate: Gate, quantization: str | None
    ) -> Array:
        """The same decision at the threshold: bool ``(n, classes)``."""
        if reference.shape != outputs.shape:
            return np.zeros(len(reference), dtype=bool)
        same = (reference >= self.limits) == (outputs >= self.limits)
        tie = np.abs(reference - self.limits) <= TIE
        return np.asarray((same | tie) & np.isfinite(outputs))

    def meaning(self, reference: Array) -> str:
        """Probabilities that need not sum to 1."""
        return "probability of each class by itself"

    def column(self, index: int) -> str:
        """A class name."""
        return repr(self.class_names[index])

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


def _flag(value: str, line: int, column: str | int, source: Source) -> float:
    if not value and source.allow_missing:
        return math.nan
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if number not in (0.0, 1.0):
        if not value:
            raise DataError(
                f"{source.where} has no label in column {column!r} on {lines_of([line])}. Fill it "
                "in, or remove the row."
            )
        raise DataError(
            f"{source.where} has {value!r} in the label column {column!r} on line {line}. With "
            "several label columns each must hold 0 or 1."
        )
    return number
