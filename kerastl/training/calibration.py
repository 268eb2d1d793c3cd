"""Temperatures: probabilities that are as sure as they should be, where that is shown."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import scipy.optimize

from kerastl.outputs import Output
from kerastl.solving import LINKS

Array = np.ndarray[Any, Any]
PARTS = 5
LEAST_EXAMPLES = 10 * PARTS
"""With fewer examples nothing is said of a temperature."""
# Of the logarithm.
_BOUNDS = (-1.5, 1.5)
# Of the logarithm, before any answer is seen: a few answers that are all right would otherwise ask
# for boundless confidence.
_DEVIATION = 0.25
_LEAST = 1e-7


@dataclasses.dataclass(frozen=True)
class Calibrated:
    """What answers to examples that a network was not trained on say of its confidence.

    Attributes:
        temperature: what its scores are divided by.
        answers: those answers at the temperature that the other parts of the examples ask for,
            float32 ``(n, width)``: what is measured of them is not flattered.
    """

    temperature: float
    answers: Array


def calibrate(output: Output, labels: Array, answers: Array, *, seed: int) -> Calibrated | None:
    """The most probable temperature; None where the parts of the examples disagree.

    The examples are dealt into five parts. Only where each of these alone asks for more
    confidence, or each for less, is it more than chance.

    Args:
        output: what the answers are.
        labels: ``(n, ...)``.
        answers: float32 ``(n, width)``, of a network that was not trained on these examples.
        seed: of the parts.

    References:
        Guo et al., On Calibration of Modern Neural Networks, 2017,
        https://arxiv.org/abs/1706.04599, section 4.2.
    """
    rows = np.flatnonzero(output.present(labels))
    if output.link not in ("softmax", "sigmoid") or len(rows) < LEAST_EXAMPLES:
        return None
    targets = output.linear_targets(labels[rows])
    scores = _scores(output, answers[rows])
    parts = np.random.default_rng([seed, PARTS]).permutation(len(rows)) % PARTS
    found = [_fitted(output, scores[parts == k], targets[parts == k]) for k in range(PARTS)]
    if not (min(found) > 0 or max(found) < 0):
        return None
    honest = answers.copy()
    for k in range(PARTS):
        own = float(np.exp(_fitted(output, scores[parts != k], targets[parts != k])))
        told = LINKS[output.link].answers(scores[parts == k] / own)
        honest[rows[parts == k]] = output.of_linear(told)
    return Calibrated(float(np.exp(_fitted(output, scores, targets))), honest)


def _scores(output: Output, answers: Array) -> Array:
    values = np.clip(answers.astype(np.float64), _LEAST, 1.0)
    if output.link == "softmax":
        return np.asarray(np.log(values))
    return np.asarray(np.log(values) - np.log(np.clip(1.0 - answers, _LEAST, 1.0)))


def _fitted(output: Output, scores: Array, targets: Array) -> float:
    """The logarithm of the most probable temperature."""
    assert output.link is not None
    link = LINKS[output.link]

    def loss(log: float) -> float:
        prior = 0.5 * (log / _DEVIATION) ** 2
        return float(link.losses(scores / np.exp(log), targets).sum() + prior)

    return float(scipy.optimize.minimize_scalar(loss, bounds=_BOUNDS, method="bounded").x)
