"""The strength of a penalty, chosen by cross-validated likelihood."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerastl.solving.problem import Problem, Solution, solver

Array = np.ndarray[Any, Any]
STRENGTHS = tuple(10.0 ** (exponent / 2) for exponent in range(4, -8, -1))
"""Penalties from strong to weak, a factor of the root of 10 apart.

Weaker ones are chosen where almost every example is right, by what chance says of a handful; on
other examples their probabilities are worse, and a fine-tuning begins badly from their kernels.
"""
# Solutions that only rank strengths need not be exact.
_ROUGH = 1e-3
MANY = 20_000
"""Examples beyond which a single fold is left out, and not each in turn."""
# The path ends after so many strengths that were worse than the best one.
_WORSE = 2


@dataclasses.dataclass(frozen=True)
class CrossValidated:
    """What cross-validation says of the strengths of a penalty.

    Attributes:
        l2: the best one.
        losses: mean out-of-fold loss by strength, of those that were tried.
        scores: out-of-fold scores at the best strength, float64 ``(n, k)``; 0 in folds that were
            not left out.
    """

    l2: float
    losses: dict[float, float]
    scores: Array


def cross_validate(
    problem: Problem, folds: Array, strengths: Sequence[float] = STRENGTHS
) -> CrossValidated:
    """Chooses a strength by the likelihood of examples that were left out.

    The likelihood and not the accuracy: among few examples accuracies tie, and by their ties a
    strength would be chosen whose probabilities are wrong.

    Args:
        problem: what is fitted.
        folds: the number of each example's fold, integers ``(n,)``.
        strengths: from strong to weak; each begins at the optimum of the one before.
    """
    weights = problem.weights
    numbers = [int(number) for number in np.unique(folds[weights > 0])]
    if np.count_nonzero(weights) > MANY:
        # One fold of so many tells strengths apart.
        numbers = numbers[:1]
    counted = weights * np.isin(folds, numbers)
    total = max(float(counted.sum()), 1e-12)
    solvers = {number: solver(problem, weights * (folds != number)) for number in numbers}
    started: dict[int, Solution | None] = dict.fromkeys(numbers)
    losses: dict[float, float] = {}
    best: tuple[float, float, Array] | None = None
    worse = 0
    for l2 in strengths:
        scores = np.zeros_like(problem.targets)
        for number in numbers:
            found = solvers[number](l2, started[number], _ROUGH)
            started[number] = found
            out = folds == number
            scores[out] = problem.scores(found)[out]
        loss = float(counted @ problem.function.losses(scores, problem.targets)) / total
        losses[l2] = loss
        if best is None or loss < best[0]:
            best, worse = (loss, l2, scores), 0
        else:
            worse += 1
            if worse >= _WORSE:
                break
    assert best is not None
    return CrossValidated(best[1], losses, best[2])
