"""Linear models of simple features: baselines that a network has to beat."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any, Literal

import numpy as np

from kerastl.optional import require

Array = np.ndarray[Any, Any]
Link = Literal["identity", "sigmoid", "softmax"]
# Of lbfgs; a baseline need not be exact.
_ITERATIONS = 100
# The inverse of the penalty: rows of TF-IDF have length 1 however many columns there are, and with
# 1 a few hundred texts of unequal classes all get the most frequent one.
_SPARSE_STRENGTH = 10.0
# The score of a class that no training example has.
_NEVER = -30.0


@dataclasses.dataclass(frozen=True)
class LinearModel:
    """Answers out of features by one matrix.

    Attributes:
        weights: float32 ``(d, width)``.
        bias: float32 ``(width,)``.
        link: what makes answers of the scores.
    """

    weights: Array
    bias: Array
    link: Link

    def answers(self, features: Any) -> Array:
        """Answers float32 ``(n, width)`` to features ``(n, d)``, which may be sparse."""
        scores = np.asarray(features @ self.weights, dtype=np.float64) + self.bias
        if self.link == "softmax":
            exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
            scores = exponentials / exponentials.sum(axis=1, keepdims=True)
        elif self.link == "sigmoid":
            scores = 1 / (1 + np.exp(-np.clip(scores, -500, 500)))
        return scores.astype(np.float32)


def logistic(features: Any, classes: Array, width: int) -> LinearModel:
    """Logistic regression of class indices int ``(n,)``; raises MissingExtraError."""
    scaled, scale = _scaled(features)
    weights = np.zeros((scaled.shape[1], width), np.float32)
    bias = np.full(width, _NEVER, np.float32)
    held = np.unique(classes)
    if len(held) == 1:
        bias[held] = 0.0
    else:
        found = _logistic(scaled, classes)
        two = len(found.intercept_) == 1
        # Of two classes scikit-learn gives the score of the second alone.
        columns = found.classes_[1:] if two else found.classes_
        bias[found.classes_] = 0.0
        weights[:, columns] = found.coef_.T * scale
        bias[columns] = found.intercept_
    return LinearModel(weights, bias, "softmax")


def logistic_of_each(features: Any, labels: Array) -> LinearModel:
    """Logistic regression of each column of zeros and ones ``(n, classes)`` by itself."""
    scaled, scale = _scaled(features)
    weights = np.zeros((scaled.shape[1], labels.shape[1]), np.float32)
    bias = np.where(labels.mean(axis=0) > 0, -_NEVER, _NEVER).astype(np.float32)
    for column, truth in enumerate(labels.T):
        if len(np.unique(truth)) == 2:
            found = _logistic(scaled, truth > 0)
            weights[:, column] = found.coef_[0] * scale
            bias[column] = found.intercept_[0]
    return LinearModel(weights, bias, "sigmoid")


def ridge(features: Any, numbers: Array) -> LinearModel:
    """Ridge regression of numbers ``(n,)``; raises MissingExtraError."""
    model = _sklearn("sklearn.linear_model").Ridge(alpha=1.0, solver="lsqr")
    scaled, scale = _scaled(features)
    model.fit(scaled, numbers.astype(np.float64))
    weights = (model.coef_ * scale)[:, None].astype(np.float32)
    return LinearModel(weights, np.array([model.intercept_], np.float32), "identity")


def _logistic(features: Any, classes: Array) -> Any:
    strength = 1.0 if isinstance(features, np.ndarray) else _SPARSE_STRENGTH
    model = _sklearn("sklearn.linear_model").LogisticRegression(C=strength, max_iter=_ITERATIONS)
    with warnings.catch_warnings():
        # It says that it did not converge: what it has by then is baseline enough.
        warnings.simplefilter("ignore", _sklearn("sklearn.exceptions").ConvergenceWarning)
        return model.fit(features, classes)


def _scaled(features: Any) -> tuple[Any, float]:
    """Dense features of unit spread, all together, and by what they were multiplied."""
    if not isinstance(features, np.ndarray):
        # Sparse ones have rows of length 1.
        return features, 1.0
    spread = float(features.std(dtype=np.float64))
    scale = 1 / spread if spread else 1.0
    return features * scale, scale


def _sklearn(module: str) -> Any:
    return require(module, extra="report", purpose="A linear baseline")
