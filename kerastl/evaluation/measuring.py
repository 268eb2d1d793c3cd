"""Metrics, intervals, sections and baselines of answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kerastl.errors import MissingExtraError
from kerastl.evaluation.answered import Answered
from kerastl.evaluation.evidence import Evidence
from kerastl.evaluation.intervals import each_output, intervals_of, paired_intervals
from kerastl.evaluation.value import Evaluation, Measured, Row, Section
from kerastl.outputs import Output
from kerastl.task import Task, measure, prefixed

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Other:
    """Another model's answers ``(n, width)`` by output to the same examples, under a title."""

    title: str
    answers: Mapping[str, Array]


def measure_answers(
    answered: Answered,
    evidence: Evidence | None = None,
    *,
    others: Mapping[str, Other] | None = None,
) -> Evaluation:
    """Evaluates answers.

    Args:
        answered: examples, labels and answers.
        evidence: what a run keeps of its training examples: baselines, and which they were. A
            bundle has none.
        others: stand beside the baselines, by name.

    Warns:
        DataWarning: the model was trained on some of the examples.
    """
    evidence = evidence or Evidence()
    shared, notes = evidence.shared_with(answered)
    baselines: dict[str, Measured] = {}
    if evidence.baselines is not None:
        baselines, said = _baselines(answered, evidence)
        notes += said
    for name, other in (others or {}).items():
        baselines[name] = _beside(answered, other.answers, other.title)
    task = Task(answered.input, answered.outputs)
    return Evaluation(
        measured(answered.outputs, answered.targets, answered.answers),
        {name: section for name in answered.outputs if (section := _section(answered, name))},
        baselines,
        shared,
        tuple(notes),
        answered.input.noun,
        task.metric,
    )


def measured(
    outputs: Mapping[str, Output],
    targets: Mapping[str, Array],
    answers: Mapping[str, Array],
    title: str = "",
) -> Measured:
    """Metrics of outputs with their intervals."""
    intervals = prefixed(outputs, each_output(outputs, targets, intervals_of, answers))
    return Measured(measure(outputs, targets, answers), intervals, title)


def _baselines(answered: Answered, evidence: Evidence) -> tuple[dict[str, Measured], list[str]]:
    baselines = evidence.baselines
    assert baselines is not None
    notes = list(baselines.notes)
    try:
        found = baselines.answers(answered.input, answered.sources)
    except MissingExtraError as error:
        notes.append(f"The linear baseline was left out. {error}")
        without = type(baselines)(baselines.constants, titles=baselines.titles)
        found = without.answers(answered.input, answered.sources)
    rows = {kind: _beside(answered, rows, baselines.titles[kind]) for kind, rows in found.items()}
    return rows, notes


def _beside(answered: Answered, answers: Mapping[str, Array], title: str) -> Measured:
    """A baseline's answers beside the model's; of several outputs some may have no baseline."""
    outputs = {name: answered.outputs[name] for name in answers}
    found = measured(outputs, answered.targets, answers, title)
    pairs = each_output(outputs, answered.targets, _less, answers, answered.answers)
    found = dataclasses.replace(found, differences=prefixed(outputs, pairs))
    if len(outputs) > 1 or len(answered.outputs) == 1:
        return found
    # Named as the metrics of several outputs are.
    [name] = outputs
    named = {
        field: {f"{name}/{key}": value for key, value in getattr(found, field).items()}
        for field in ("metrics", "intervals", "differences")
    }
    return Measured(title=title, **named)


def _less(output: Output, labels: Array, baseline: Array, model: Array) -> Any:
    return paired_intervals((output, labels, baseline), (output, labels, model))


def _section(answered: Answered, name: str) -> Section | None:
    output, labels = answered.outputs[name], answered.targets[name]
    places = np.flatnonzero(output.present(labels))
    if not len(places):
        return None
    held, answers = labels[places], answered.answers[name][places]
    marks = output.marks(held, answers)
    details = output.details(held, answers, marks)
    told = zip(
        marks.labels,
        marks.answers,
        _listed(marks.confidence, float, len(places)),
        _listed(marks.right, bool, len(places)),
        _listed(marks.error, float, len(places)),
        strict=True,
    )
    rows = tuple(
        Row(*row, answered.names[i], answered.paths[i], answered.input.excerpt(answered.sources[i]))
        for i, row in zip(places.tolist(), told, strict=True)
    )
    return Section(
        output.kind,
        output.metric,
        output.lower_is_better,
        output.counts(held),
        details.figures,
        details.tables,
        details.confusion,
        rows,
    )


def _listed(values: Array | None, kind: Callable[[Any], Any], count: int) -> list[Any]:
    return [None] * count if values is None else [kind(value) for value in values]
