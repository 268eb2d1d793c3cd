"""Whether one model is better than another on the same examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from kerastl.errors import ConfigurationError
from kerastl.evaluation.answered import Answered
from kerastl.evaluation.intervals import paired_intervals
from kerastl.evaluation.value import Interval
from kerastl.metrics import mcnemar_exact
from kerastl.outputs import Output
from kerastl.outputs.names import listed
from kerastl.task import measure, prefixed

Array = np.ndarray[Any, Any]
TEST = "McNemar's exact test, two-sided"
# A network and its exported files differ by rounding, and so does what is measured of them.
_ROUNDING = 1e-5


@dataclasses.dataclass(frozen=True)
class Difference:
    """A metric of two models on the same examples.

    Attributes:
        first: of the first model.
        second: of the second.
        difference: the second less the first.
        interval: the 95 % interval of the difference, percentiles of a paired bootstrap; None of
            metrics that cannot be resampled.
        decisive: whether the interval leaves out 0, and the difference is more than rounding; None
            where there is no interval.
    """

    first: float
    second: float
    difference: float
    interval: Interval | None
    decisive: bool | None


@dataclasses.dataclass(frozen=True)
class Disagreement:
    """Examples that two models answer rightly, of an output whose answers are right or wrong.

    Attributes:
        both_right: examples that both get right.
        only_first: those that only the first gets right.
        only_second: those that only the second gets right.
        both_wrong: those that neither gets right.
        p_value: that of McNemar's exact test, two-sided.
    """

    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    p_value: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two models on the same examples.

    Attributes:
        examples: how many.
        metrics: by name.
        disagreements: by the names of the outputs whose answers are right or wrong.
        test: what gives the p values.
    """

    examples: int
    metrics: Mapping[str, Difference]
    disagreements: Mapping[str, Disagreement]
    test: str = TEST

    def as_dict(self) -> dict[str, Any]:
        """JSON data."""
        return dataclasses.asdict(self)


def compare_answers(first: Answered, second: Answered) -> Comparison:
    """Compares two models' answers to the same examples.

    Raises:
        ConfigurationError: the models answer something else, or with other classes, or one of
            them could not read what the other read.
    """
    _check_alike(first, second)
    before, after = (measure(part.outputs, part.targets, part.answers) for part in (first, second))
    intervals, disagreements = {}, {}
    for name, output in first.outputs.items():
        rows = output.present(first.targets[name])
        if rows.any():
            pair = [
                (part.outputs[name], part.targets[name][rows], part.answers[name][rows])
                for part in (first, second)
            ]
            intervals[name] = paired_intervals(*pair)
            found = _disagreement(*pair)
            if found is not None:
                disagreements[name] = found
    named = prefixed(first.outputs, intervals)
    metrics = {
        key: _difference(value, after[key], named.get(key))
        for key, value in before.items()
        if isinstance(value, float) and not key.endswith(("_low", "_high"))
    }
    return Comparison(len(first), metrics, disagreements)


def _difference(first: float, second: float, interval: Interval | None) -> Difference:
    decisive = None
    if interval is not None:
        decisive = not interval[0] <= 0 <= interval[1] and abs(second - first) > _ROUNDING
    return Difference(first, second, second - first, interval, decisive)


def _disagreement(*pair: tuple[Output, Array, Array]) -> Disagreement | None:
    first, second = (output.marks(labels, answers).right for output, labels, answers in pair)
    if first is None or second is None:
        return None
    counts = [int((a & b).sum()) for a in (first, ~first) for b in (second, ~second)]
    both, only_first, only_second, neither = counts
    p_value = mcnemar_exact(only_first, only_second)
    return Disagreement(both, only_first, only_second, neither, p_value)


def _check_alike(first: Answered, second: Answered) -> None:
    """Raises ConfigurationError where two models were not asked the same."""
    kinds = [{n: o.kind for n, o in part.outputs.items()} for part in (first, second)]
    if kinds[0] != kinds[1]:
        raise ConfigurationError(
            f"The models answer different things: {kinds[0]} and {kinds[1]}. Compare models of one "
            "task."
        )
    for name, output in first.outputs.items():
        names = output.labelling.class_names, second.outputs[name].labelling.class_names
        if names[0] != names[1]:
            raise ConfigurationError(
                f"The models have different classes: {listed(names[0])} and {listed(names[1])}. "
                "Compare models of the same classes."
            )
    if list(first.names) != list(second.names):
        raise ConfigurationError(
            f"One model could read {len(first)} {first.input.nouns}, the other {len(second)}, or "
            "other ones. Remove what cannot be read (see the warnings above)."
        )
