"""Intervals and tests that say how far figures of a sample can be trusted, in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Metrics = Mapping[str, float]
Replicate = Callable[[Array], Metrics]
"""The metrics of a resample, whose rows int64 ``(n,)`` may repeat."""

SEED = 0
MOST_REPLICATES = 1000
LEAST_REPLICATES = 200
# Rows that are drawn in all, unless the least number of replicates takes more.
_ROWS = 100_000_000
_TAILS = (2.5, 97.5)


def bootstrap(replicate: Replicate, n: int, *, seed: int = SEED) -> dict[str, Array]:
    """Metrics of resamples of n examples, float64 ``(replicates,)`` by name.

    There are 1000 replicates, fewer (at least 200) of more than 100,000 examples. The same n and
    seed draw the same rows, so that two models measured on the same examples are paired.

    References:
        B. Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7 (1979),
        1-26.
    """
    random = np.random.default_rng(seed)
    count = max(LEAST_REPLICATES, min(MOST_REPLICATES, _ROWS // max(1, n)))
    found = [replicate(random.integers(0, n, n)) for _ in range(count)]
    return {name: np.array([row[name] for row in found]) for name in found[0]}


def percentile_interval(values: Array) -> tuple[float, float]:
    """The 95 % interval between percentiles of bootstrap replicates ``(replicates,)``."""
    low, high = np.percentile(values, _TAILS)
    return float(low), float(high)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """The two-sided p value of McNemar's exact test.

    Of the examples that exactly one of two models gets right, each model's share would be a half
    if they were equally good: p is that of a binomial test.

    Args:
        only_first: examples that only the first model gets right.
        only_second: examples that only the second model gets right.

    References:
        Q. McNemar, Note on the sampling error of the difference between correlated proportions or
        percentages, Psychometrika 12 (1947), 153-157.
    """
    n, least = only_first + only_second, min(only_first, only_second)
    if n == 0:
        return 1.0
    logs = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2)
        for k in range(least + 1)
    ]
    return min(1.0, 2 * math.fsum(map(math.exp, logs)))
