"""How answers are judged: the fifth thing that an output knows.

What an evaluation tells of one output is plain data that JSON holds: figures, tables and a
confusion matrix. Terminals, pages and files draw them without asking which output they are of.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from kerastl.metrics import (
    Replicate,
    confusion_matrix,
    coverage,
    most_confused,
    precision_recall_f1,
)
from kerastl.outputs.linear import LinearModel

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of figures.

    Attributes:
        title: what they are.
        rows: each with the same keys, which are the columns; None where there is no figure.
        chart: how a page may draw them: ``("bars", label, value)``, ``("curve", x, y)``, or
            ``("reliability", x, y)``, which is best where both are equal; these are names of
            columns. None leaves it at the table.
    """

    title: str
    rows: tuple[Mapping[str, Any], ...]
    chart: tuple[str, str, str] | None = None


@dataclasses.dataclass(frozen=True)
class Confusion:
    """A confusion matrix: ``matrix[i][j]`` examples of class i got the answer j."""

    classes: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True)
class Details:
    """What is told of an output besides its metrics.

    Attributes:
        figures: single numbers by name, as ``calibration_error``.
        tables: by name, as ``"classes"``.
        confusion: None where answers are not classes.
    """

    figures: Mapping[str, float] = dataclasses.field(default_factory=dict)
    tables: Mapping[str, Table] = dataclasses.field(default_factory=dict)
    confusion: Confusion | None = None


@dataclasses.dataclass(frozen=True)
class Marks:
    """What is told of each example; all of length n.

    Attributes:
        labels: the true labels, as JSON data.
        answers: the model's, in the same form.
        right: bool ``(n,)``; None where an answer is more or less near.
        confidence: float ``(n,)``, the higher the surer; None where the output tells none.
        error: float ``(n,)``, by how much the answer is off; None of answers that are right or
            wrong.
    """

    labels: Sequence[Any]
    answers: Sequence[Any]
    right: Array | None = None
    confidence: Array | None = None
    error: Array | None = None


class Judged(abc.ABC):
    """How an output judges answers; the defaults serve any output whose ``decode`` gives names.

    Attributes:
        constant_name: what the answer of ``constant`` is called.
        linear_name: what the model of ``linear`` is called.
        lower_is_better: whether ``metric`` is an error.
    """

    lower_is_better: ClassVar[bool] = False
    constant_name: ClassVar[str] = "the mean answer"
    linear_name: ClassVar[str] = "linear model"

    class_names: tuple[str, ...]

    @abc.abstractmethod
    def decode(self, outputs: Array) -> list[Any]:
        """The label of each row."""

    @abc.abstractmethod
    def targets(self, labels: Array) -> Array:
        """What the loss compares outputs with."""

    @abc.abstractmethod
    def measure(self, labels: Array, outputs: Array) -> dict[str, float]:
        """The metrics that ``evaluate`` reports."""

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """How many numbers the network gives for an example."""

    def marks(self, labels: Array, outputs: Array) -> Marks:
        """What is told of each example, all of which have a label.

        By default true labels are what ``decode`` makes of the targets, and answers that are names
        are right where they are the same.
        """
        targets, answers = self.targets(labels), self.decode(outputs)
        fits = targets.ndim == 2 and targets.shape[1] == self.width
        truth = self.decode(targets) if fits else [None] * len(answers)
        named = all(isinstance(name, str) for name in (*truth, *answers))
        same = [name == answer for name, answer in zip(truth, answers, strict=True)]
        return Marks(truth, answers, np.array(same, dtype=bool) if named else None)

    def shares(self, labels: Array, outputs: Array) -> dict[str, tuple[int, int]]:
        """Metrics that are shares of independent examples, as (hits, examples), by name."""
        return {}

    def replicate(self, labels: Array, outputs: Array) -> Replicate:
        """A function that gives the metrics of a resample, for intervals.

        By default it measures the rows anew; that a metric has no interval is said by leaving it
        out.
        """

        def resampled(rows: Array) -> dict[str, float]:
            found = self.measure(labels[rows], outputs[rows])
            return {k: v for k, v in found.items() if isinstance(v, float)}

        return resampled

    def details(self, labels: Array, outputs: Array, marks: Marks) -> Details:
        """Figures and tables besides the metrics.

        By default of the classes where answers are names, and of the coverage where they come with
        a confidence.
        """
        tables = coverage_table(marks)
        if marks.right is None or not all(isinstance(name, str) for name in marks.labels):
            return Details(tables=tables)
        confusion = confusion_of(marks, self.class_names)
        return Details(tables={**class_tables(confusion), **tables}, confusion=confusion)

    def constant(self, labels: Array) -> Array | None:
        """The one answer ``(width,)`` to everything that labels make best, as a baseline.

        By default the mean of the targets; None where that is not an answer.
        """
        targets = self.targets(labels)
        if targets.ndim != 2 or targets.shape[1] != self.width or not len(targets):
            return None
        return np.asarray(targets.mean(axis=0))

    def linear(self, features: Any, labels: Array) -> LinearModel | None:
        """A linear model of simple features ``(n, d)``, as a baseline; None where there is none.

        Raises:
            MissingExtraError: scikit-learn is not installed.
        """
        return None


def confusion_of(marks: Marks, class_names: Sequence[str]) -> Confusion:
    """The confusion matrix of answers that are names; classes not given come in sorted order."""
    names = tuple(class_names) or tuple(sorted({*marks.labels, *marks.answers}))
    index = {name: place for place, name in enumerate(names)}
    truth, answers = (
        np.array([index[name] for name in found], dtype=np.int64)
        for found in (marks.labels, marks.answers)
    )
    matrix = confusion_matrix(truth, answers, len(names)).tolist()
    return Confusion(names, tuple(map(tuple, matrix)))


def class_tables(confusion: Confusion) -> dict[str, Table]:
    """The figures of each class, and the pairs that are confused most often."""
    matrix = np.array(confusion.matrix)
    support = matrix.sum(axis=1)
    classes = class_table(confusion.classes, np.diag(matrix), matrix.sum(axis=0), support)
    pairs = [
        (confusion.classes[true], confusion.classes[given], count, count / support[true])
        for true, given, count in most_confused(matrix)
    ]
    return {"classes": classes, **confused_table(pairs)}


def class_table(
    names: Sequence[str], hits: Array, predicted: Array, support: Array, **more: Sequence[Any]
) -> Table:
    """Precision, recall, F1 and support of each class; ``more`` are further columns."""
    found = precision_recall_f1(hits, predicted, support)
    rows = [
        {
            "class": name,
            **dict(zip(("precision", "recall", "f1"), map(number, row), strict=True)),
            "examples": int(count),
            **{key: values[place] for key, values in more.items()},
        }
        for place, (name, count, *row) in enumerate(zip(names, support, *found, strict=True))
    ]
    return Table("Classes", tuple(rows), ("bars", "class", "f1"))


def confused_table(pairs: Sequence[tuple[str, str, int, float]]) -> dict[str, Table]:
    """The table of pairs (true class, answer, count, share of the true class); {} of none."""
    rows = [
        {"true": true, "answer": answer, "count": count, "share": float(share)}
        for true, answer, count, share in pairs
    ]
    return {"confused": Table("Most often confused", tuple(rows))} if rows else {}


def coverage_table(marks: Marks) -> dict[str, Table]:
    """What would be answered from which confidence on; {} where no confidence is told."""
    if marks.right is None or marks.confidence is None:
        return {}
    rows = tuple(coverage(marks.confidence, marks.right))
    title = "Accuracy if only confident answers count"
    return {"coverage": Table(title, rows, ("curve", "answered", "accuracy"))}


def calibration_table(rows: Sequence[Mapping[str, Any]]) -> dict[str, Table]:
    """How often what is given a probability comes true."""
    chart = ("reliability", "confidence", "accuracy")
    return {"calibration": Table("Calibration", tuple(rows), chart)}


def number(value: Any) -> float | None:
    """A number for JSON; None where there is none."""
    return float(value) if np.isfinite(value) else None
