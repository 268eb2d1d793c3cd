"""Metrics, intervals, sections and baselines of answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kerastl.errors import MissingExtraError
from kerastl.evaluation.answered import Answered
from kerastl.evaluation.evidence import Evidence
from kerastl.evaluation.seen import notes_on_shared
from kerastl.evaluation.value import Evaluation, Interval, Measured, Row, Section
from kerastl.metrics import bootstrap, percentile_interval, wilson_interval
from kerastl.outputs import Output
from kerastl.task import Task, measure, prefixed

Array = np.ndarray[Any, Any]


def measure_answers(answered: Answered, evidence: Evidence | None = None) -> Evaluation:
    """Evaluates answers.

    Args:
        answered: examples, labels and answers.
        evidence: what a run keeps of its training examples: baselines, and which they were. A
            bundle has none.

    Warns:
        DataWarning: the model was trained on some of the examples.
    """
    evidence = evidence or Evidence()
    notes: list[str] = []
    shared = None
    if evidence.seen is not None and answered.digests:
        shared = evidence.seen.count(answered.digests)
        notes += notes_on_shared(shared, len(answered), answered.input.nouns)
    baselines: dict[str, Measured] = {}
    if evidence.baselines is not None:
        baselines, said = _baselines(answered, evidence)
        notes += said
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
    intervals = prefixed(outputs, each_output(outputs, targets, answers, intervals_of))
    return Measured(measure(outputs, targets, answers), intervals, title)


def intervals_of(output: Output, labels: Array, answers: Array) -> dict[str, Interval]:
    """The 95 % interval of each metric of an output that has one."""
    samples = bootstrap(output.replicate(labels, answers), len(labels))
    found = {name: percentile_interval(values) for name, values in samples.items()}
    shares = output.shares(labels, answers)
    found |= {name: wilson_interval(*counts) for name, counts in shares.items()}
    # A metric that some resample has no value for has no interval.
    return {name: pair for name, pair in found.items() if np.isfinite(pair).all()}


def each_output(
    outputs: Mapping[str, Output],
    targets: Mapping[str, Array],
    answers: Mapping[str, Array],
    function: Callable[[Output, Array, Array], Any],
) -> dict[str, Any]:
    """What a function gives of each output's labels and answers, where there are labels."""
    held = {name: output.present(targets[name]) for name, output in outputs.items()}
    return {
        name: function(output, targets[name][held[name]], answers[name][held[name]])
        for name, output in outputs.items()
        if held[name].any()
    }


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
    rows = {}
    for kind, answers in found.items():
        # Of several outputs some may have no baseline.
        outputs = {name: answered.outputs[name] for name in answers}
        title = baselines.titles[kind]
        some = measured(outputs, answered.targets, answers, title)
        if len(outputs) == 1 < len(answered.outputs):
            [name] = outputs
            some = Measured(
                {f"{name}/{key}": value for key, value in some.metrics.items()},
                {f"{name}/{key}": value for key, value in some.intervals.items()},
                title,
            )
        rows[kind] = some
    return rows, notes


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
