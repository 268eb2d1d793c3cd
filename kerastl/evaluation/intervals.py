"""Intervals of an output's metrics, and of the differences between two models'."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kerastl.evaluation.value import Interval
from kerastl.metrics import bootstrap, percentile_interval, wilson_interval
from kerastl.outputs import Output

Array = np.ndarray[Any, Any]


def intervals_of(output: Output, labels: Array, answers: Array) -> dict[str, Interval]:
    """The 95 % interval of each metric of an output that has one."""
    samples = bootstrap(output.replicate(labels, answers), len(labels))
    found = {name: percentile_interval(values) for name, values in samples.items()}
    shares = output.shares(labels, answers)
    found |= {name: wilson_interval(*counts) for name, counts in shares.items()}
    # A metric that some resample has no value for has no interval.
    return _finite(found)


def paired_intervals(*pair: tuple[Output, Array, Array]) -> dict[str, Interval]:
    """The 95 % interval of each metric of the second less that of the first.

    Both are outputs with labels and answers of the same examples.
    """
    # The same seed draws the same rows for both.
    before, after = (
        bootstrap(output.replicate(labels, answers), len(labels))
        for output, labels, answers in pair
    )
    found = {key: after[key] - before[key] for key in before if key in after}
    return _finite({key: percentile_interval(values) for key, values in found.items()})


def each_output(
    outputs: Mapping[str, Output],
    targets: Mapping[str, Array],
    function: Callable[..., Any],
    *answers: Mapping[str, Array],
) -> dict[str, Any]:
    """What a function gives of each output that has labels, of its labels and of answers."""
    held = {name: output.present(targets[name]) for name, output in outputs.items()}
    return {
        name: function(
            output, targets[name][held[name]], *(rows[name][held[name]] for rows in answers)
        )
        for name, output in outputs.items()
        if held[name].any()
    }


def _finite(found: Mapping[str, Interval]) -> dict[str, Interval]:
    return {name: pair for name, pair in found.items() if np.isfinite(pair).all()}
