"""Metrics of several labels an example, and of numbers, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerastl.metrics.intervals import Replicate
from kerastl.metrics.per_class import calibration

Array = np.ndarray[Any, Any]


def best_thresholds(labels: Array, probabilities: Array) -> Array:
    """The threshold of each class at which its F1 is best, float64 (classes,).

    Each lies halfway between two of the probabilities (n, classes); 0.5 for a class that is not
    among the labels (n, classes) of 0 and 1.
    """
    chosen = np.full(labels.shape[1], 0.5)
    for column in range(labels.shape[1]):
        truth, scores = labels[:, column] > 0, probabilities[:, column].astype(np.float64)
        if not truth.any():
            continue
        order = np.argsort(-scores, kind="stable")
        hits = np.cumsum(truth[order])
        f1 = 2 * hits / (np.arange(1, len(order) + 1) + truth.sum())
        # A threshold cannot lie between equal scores.
        last = np.append(scores[order][1:] != scores[order][:-1], True)
        best = int(np.argmax(np.where(last, f1, -1.0)))
        below = scores[order][best + 1] if best + 1 < len(order) else 0.0
        chosen[column] = (scores[order][best] + below) / 2
    return chosen


def multi_label_metrics(labels: Array, probabilities: Array, thresholds: Array) -> dict[str, float]:
    """Metrics of labels (n, classes) of 0 and 1 and decisions from the thresholds (classes,) on.

    Returns:
        ``accuracy``: the share of right decisions; ``exact_match``: the share of examples with no
        wrong one; ``micro_f1`` over all decisions; ``macro_f1``, the mean over classes that are
        present or predicted; ``loss``: binary cross-entropy in nats; ``calibration_error`` of all
        decisions; ``examples``.
    """
    truth, predicted = labels > 0, probabilities >= thresholds
    hits = (truth & predicted).sum(axis=0)
    total = truth.sum(axis=0) + predicted.sum(axis=0)
    seen = total > 0
    clipped = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    loss = -np.mean(np.where(truth, np.log(clipped), np.log(1 - clipped)))
    return {
        "accuracy": float(np.mean(truth == predicted)),
        "exact_match": float(np.mean((truth == predicted).all(axis=1))),
        "micro_f1": float(2 * hits.sum() / max(1, total.sum())),
        "macro_f1": float(np.mean(2 * hits[seen] / total[seen])) if seen.any() else 0.0,
        "loss": float(loss),
        "calibration_error": calibration(probabilities.ravel(), truth.ravel())[0],
        "examples": len(labels),
    }


def multi_label_replicate(labels: Array, probabilities: Array, thresholds: Array) -> Replicate:
    """The metrics of ``multi_label_metrics`` of resampled examples."""
    truth, predicted = labels > 0, probabilities >= thresholds
    hits = (truth & predicted).astype(np.float64)
    total = truth.astype(np.float64) + predicted
    correct = (truth == predicted).mean(axis=1)
    exact = (truth == predicted).all(axis=1)
    clipped = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    losses = -np.where(truth, np.log(clipped), np.log(1 - clipped)).mean(axis=1)

    def replicate(rows: Array) -> dict[str, float]:
        weights = np.bincount(rows, minlength=len(truth)).astype(np.float64)
        hit, all_ = weights @ hits, weights @ total
        seen = all_ > 0
        return {
            "accuracy": float(correct[rows].mean()),
            "exact_match": float(exact[rows].mean()),
            "micro_f1": float(2 * hit.sum() / max(1.0, all_.sum())),
            "macro_f1": float(np.mean(2 * hit[seen] / all_[seen])) if seen.any() else 0.0,
            "loss": float(losses[rows].mean()),
        }

    return replicate


def regression_metrics(values: Array, predicted: Array) -> dict[str, float]:
    """Metrics of numbers (n,).

    Returns:
        ``r2``: the share of the variance that is explained, 0 where there is none; ``mae`` and
        ``rmse`` in the unit of the values; ``pearson``: the correlation; ``loss``: the mean
        squared error; ``examples``.
    """
    truth, guess = values.astype(np.float64), predicted.astype(np.float64).reshape(-1)
    error = guess - truth
    spread = float(np.sum((truth - truth.mean()) ** 2))
    varies = spread > 0 and guess.std() > 0
    return {
        "r2": 1 - float(np.sum(error**2)) / spread if spread else 0.0,
        "mae": float(np.mean(np.abs(error))),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "pearson": float(np.corrcoef(truth, guess)[0, 1]) if varies else 0.0,
        "loss": float(np.mean(error**2)),
        "examples": len(truth),
    }
