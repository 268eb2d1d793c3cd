"""What makes answers of scores, and the loss that goes with it."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Link(abc.ABC):
    """What makes answers of scores ``(n, k)``, with the loss whose gradient is their difference.

    Attributes:
        curvature: an upper bound of the second derivative of the loss in a score.
    """

    curvature: float

    @abc.abstractmethod
    def answers(self, scores: Array) -> Array:
        """Answers of the shape of ``scores``, float64."""

    @abc.abstractmethod
    def losses(self, scores: Array, targets: Array) -> Array:
        """The loss of each row, float64 ``(n,)``; its gradient is answers less targets."""


class Softmax(Link):
    """Cross-entropy of classes that exclude each other; rows of targets sum to 1."""

    # Böhning, Multinomial logistic regression algorithm, 1992, theorem 2.
    curvature = 0.5

    def answers(self, scores: Array) -> Array:
        """Probabilities that sum to 1."""
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def losses(self, scores: Array, targets: Array) -> Array:
        """Minus the targets' logarithmic probability."""
        highest = scores.max(axis=1)
        total = highest + np.log(np.exp(scores - highest[:, None]).sum(axis=1))
        return np.asarray(total * targets.sum(axis=1) - (targets * scores).sum(axis=1))


class Sigmoid(Link):
    """Cross-entropy of classes that do not know of each other, summed over them."""

    curvature = 0.25

    def answers(self, scores: Array) -> Array:
        """Probabilities, each by itself."""
        # The hyperbolic tangent does not overflow.
        return np.asarray(0.5 * (1 + np.tanh(0.5 * scores)))

    def losses(self, scores: Array, targets: Array) -> Array:
        """Minus the targets' logarithmic probability."""
        return np.asarray((np.logaddexp(0.0, scores) - targets * scores).sum(axis=1))


class Identity(Link):
    """Half of the squared error."""

    curvature = 1.0

    def answers(self, scores: Array) -> Array:
        """The scores."""
        return scores

    def losses(self, scores: Array, targets: Array) -> Array:
        """Half of the squared error, summed over the columns."""
        return np.asarray(0.5 * ((scores - targets) ** 2).sum(axis=1))


LINKS: Mapping[str, Link] = {
    "softmax": Softmax(),
    "sigmoid": Sigmoid(),
    "identity": Identity(),
}
"""By the names of Keras's activations; ``"identity"`` is none."""
