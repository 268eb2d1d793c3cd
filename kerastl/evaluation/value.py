"""An evaluation as a value: what JSON, terminals and pages are made of."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerastl.files import atomic_file
from kerastl.outputs import Confusion, Table

Interval = tuple[float, float]
TOP = 10
_COLUMNS = ("label", "answer", "confidence", "right", "error")


@dataclasses.dataclass(frozen=True)
class Measured:
    """Metrics with their 95 % intervals.

    Attributes:
        metrics: by name; of several outputs each begins with the output's name and a slash.
        intervals: by the names of the metrics that have one: Wilson's for shares of examples,
            percentiles of a bootstrap for the others.
        title: what was measured, where it is not the model: ``"the most frequent class"``.
        differences: of a baseline, the 95 % intervals of the model's metrics less its own, by
            percentiles of a paired bootstrap: the two differ where one leaves out 0.
    """

    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval]
    title: str = ""
    differences: Mapping[str, Interval] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON data."""
        intervals = {name: list(pair) for name, pair in self.intervals.items()}
        found: dict[str, Any] = {"metrics": dict(self.metrics), "intervals": intervals}
        if not self.title:
            return found
        differences = {name: list(pair) for name, pair in self.differences.items()}
        return {"title": self.title, **found, "differences": differences}

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> Measured:
        """Reads what ``as_dict`` gave."""
        pairs = [
            {name: (pair[0], pair[1]) for name, pair in content.get(key, {}).items()}
            for key in ("intervals", "differences")
        ]
        return Measured(content["metrics"], pairs[0], content.get("title", ""), pairs[1])


@dataclasses.dataclass(frozen=True)
class Row:
    """One example.

    Attributes:
        label: the true label: a name, a list of names, or a number.
        answer: the model's, in the same form.
        confidence: the higher the surer; None where none is told.
        right: None where answers are more or less near.
        error: by how much a number is off; None of other answers.
        name: the path below the data's folder, the line of a table, or the position.
        path: the file, where the example is one.
        text: the example in words, shortened, where words can show it.
    """

    label: Any
    answer: Any
    confidence: float | None
    right: bool | None
    error: float | None
    name: str
    path: str | None = None
    text: str | None = None


@dataclasses.dataclass(frozen=True)
class Section:
    """What is told of one output.

    Attributes:
        kind: of the output.
        metric: the one that tables show.
        lower_is_better: whether that metric is an error.
        counts: examples by class; empty where there are no classes.
        figures: single numbers by name, as ``calibration_error``.
        tables: by name: ``classes``, ``confused``, ``coverage``, ``calibration``, ``residuals``
            and those of outputs of your own.
        confusion: None where answers are not classes.
        rows: one for each example that has a label, in the order of the data.
    """

    kind: str
    metric: str
    lower_is_better: bool
    counts: Mapping[str, int]
    figures: Mapping[str, float]
    tables: Mapping[str, Table]
    confusion: Confusion | None
    rows: tuple[Row, ...]

    def mistakes(self, top: int | None = TOP) -> list[Row]:
        """Wrong answers, the surest first; of numbers all, the largest error first."""
        wrong = [row for row in self.rows if row.right is False or row.error is not None]
        wrong.sort(key=lambda row: -abs(row.error or row.confidence or 0.0))
        return wrong[:top]

    def uncertain(self, top: int | None = TOP) -> list[Row]:
        """The answers of least confidence; none where no confidence is told."""
        told = [row for row in self.rows if row.confidence is not None]
        return sorted(told, key=lambda row: row.confidence or 0.0)[:top]

    def as_dict(self, top: int | None = TOP) -> dict[str, Any]:
        """JSON data, with ``top`` mistakes and uncertain answers."""
        confusion = self.confusion
        return {
            "kind": self.kind,
            "metric": self.metric,
            "lower_is_better": self.lower_is_better,
            "counts": dict(self.counts),
            "figures": dict(self.figures),
            "tables": {name: dataclasses.asdict(table) for name, table in self.tables.items()},
            "confusion": None if confusion is None else dataclasses.asdict(confusion),
            "mistakes": [dataclasses.asdict(row) for row in self.mistakes(top)],
            "uncertain": [dataclasses.asdict(row) for row in self.uncertain(top)],
            "rows": [dataclasses.asdict(row) for row in self.rows],
        }

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> Section:
        """Reads what ``as_dict`` gave."""
        confusion = content["confusion"]
        tables = {name: _table(table) for name, table in content["tables"].items()}
        return Section(
            content["kind"],
            content["metric"],
            content["lower_is_better"],
            content["counts"],
            content["figures"],
            tables,
            None
            if confusion is None
            else Confusion(
                tuple(confusion["classes"]), tuple(tuple(row) for row in confusion["matrix"])
            ),
            tuple(Row(**row) for row in content["rows"]),
        )


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """How good a model's answers to labelled examples are.

    Attributes:
        model: its metrics and their intervals.
        sections: by the names of the outputs.
        baselines: answers to the same examples that cost nothing: ``constant``, the one answer
            that fits the training examples best; ``linear``, a linear model of simple features.
        shared: how many of the examples were ``trained_on`` and how many ``validated_on``; None
            where the model does not know its training examples.
        notes: sentences on what was not, or could not be, measured.
        noun: one example.
        metric: the one that tables show.
    """

    model: Measured
    sections: Mapping[str, Section]
    baselines: Mapping[str, Measured] = dataclasses.field(default_factory=dict)
    shared: Mapping[str, int] | None = None
    notes: tuple[str, ...] = ()
    noun: str = "example"
    metric: str = ""

    @property
    def metrics(self) -> dict[str, float]:
        """The model's metrics, as ``TrainedModel.evaluate`` gives them."""
        return dict(self.model.metrics)

    @property
    def intervals(self) -> dict[str, Interval]:
        """The 95 % intervals of the model's metrics."""
        return dict(self.model.intervals)

    def as_dict(self, top: int | None = TOP) -> dict[str, Any]:
        """JSON data; ``from_dict`` reads it."""
        found = {
            **self.model.as_dict(),
            "metric": self.metric,
            "noun": self.noun,
            "baselines": {name: found.as_dict() for name, found in self.baselines.items()},
            "shared": None if self.shared is None else dict(self.shared),
            "notes": list(self.notes),
            "outputs": {name: section.as_dict(top) for name, section in self.sections.items()},
        }
        return dict(_finite(found))

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> Evaluation:
        """Reads what ``as_dict`` gave."""
        return Evaluation(
            Measured.from_dict(content),
            {name: Section.from_dict(part) for name, part in content["outputs"].items()},
            {name: Measured.from_dict(part) for name, part in content["baselines"].items()},
            content["shared"],
            tuple(content["notes"]),
            content["noun"],
            content["metric"],
        )

    def write_csv(self, path: Path) -> None:
        """Writes one line for each example, UTF-8 with a heading; of several outputs by name."""
        several = len(self.sections) > 1
        lines: dict[tuple[str, str | None], dict[str, Any]] = {}
        columns: list[str] = []
        for output, section in self.sections.items():
            named = {key: f"{output}/{key}" if several else key for key in _COLUMNS}
            columns += named.values()
            for row in section.rows:
                line = lines.setdefault((row.name, row.path), {"name": row.name, "path": row.path})
                line.update({named[key]: _cell(getattr(row, key)) for key in _COLUMNS})
        with (
            atomic_file(path) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.DictWriter(file, ["name", "path", *columns])
            writer.writeheader()
            writer.writerows(lines.values())


def _finite(value: Any) -> Any:
    """JSON data with null in place of NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(content: Mapping[str, Any]) -> Table:
    chart = content["chart"]
    return Table(content["title"], tuple(content["rows"]), tuple(chart) if chart else None)


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else value
