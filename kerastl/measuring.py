"""``evaluate`` and ``compare``: verbs that take a run or a bundle, and labelled data."""

from __future__ import annotations

from typing import Any

from kerastl.evaluation import (
    Comparison,
    Evaluation,
    Evidence,
    answer,
    compare_answers,
    measure_answers,
)
from kerastl.opening import Model, open_model


def evaluate(model: Model, data: Any, *, trusted: bool = False, **options: Any) -> Evaluation:
    """Evaluates a model on labelled data: metrics with intervals, and where it errs.

    Args:
        model: a trained model, an opened bundle, or the folder of either.
        data: any kind of data that ``fit`` takes.
        trusted: you trust the bundle's maker, as ``model.pt2`` needs: see ``kerastl.verify``.
        **options: of ``kerastl.data.load``, as ``split="test"`` or ``label_column="topic"``.

    Returns:
        An evaluation; baselines are there for runs, which keep them.

    Raises:
        RunError: the run directory is missing or damaged.
        BundleError: the bundle is missing or damaged.
        DataError: the data cannot be read, or have classes that the model does not know.

    Warns:
        DataWarning: a class has no example, or the model was trained on some of the examples.
    """
    opened = open_model(model, trusted=trusted)
    answered = answer(opened, data, **options)
    evidence = getattr(opened, "evidence", Evidence())
    return measure_answers(answered, evidence)


def compare(
    first: Model, second: Model, data: Any, *, trusted: bool = False, **options: Any
) -> Comparison:
    """Compares two models on the same labelled data.

    Args:
        first: a trained model, an opened bundle, or the folder of either.
        second: another one, of the same task and classes.
        data: any kind of data that ``fit`` takes.
        trusted: you trust the bundles' makers.
        **options: of ``kerastl.data.load``.

    Returns:
        The difference of every metric with its 95 % interval, and McNemar's exact test.

    Raises:
        ConfigurationError: the models do not answer the same.
        RunError: a run directory is missing or damaged.
        BundleError: a bundle is missing or damaged.
        DataError: the data cannot be read, or have classes that the models do not know.
    """
    models = [open_model(model, trusted=trusted) for model in (first, second)]
    return compare_answers(*(answer(model, data, **options) for model in models))
