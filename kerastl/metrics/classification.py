"""Metrics of classification, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerastl.metrics.intervals import Replicate
from kerastl.metrics.per_class import calibration

Array = np.ndarray[Any, Any]


def confusion_matrix(labels: Array, predicted: Array, num_classes: int) -> Array:
    """Counts int64 (num_classes, num_classes) of int (n,) labels; rows are true classes."""
    matrix = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix


def accuracy(labels: Array, probabilities: Array) -> float:
    """Fraction of examples whose most probable class is the true one."""
    return float(np.mean(np.argmax(probabilities, axis=-1) == labels))


def log_loss(labels: Array, probabilities: Array) -> float:
    """Mean negative log-probability of the true class, in nats, clipped at 1e-7."""
    taken = probabilities[np.arange(len(labels)), labels]
    return float(-np.mean(np.log(np.clip(taken, 1e-7, 1.0))))


def macro_f1(labels: Array, probabilities: Array) -> float:
    """Mean over the classes of F1; a class neither present nor predicted is left out."""
    matrix = confusion_matrix(labels, np.argmax(probabilities, axis=-1), probabilities.shape[1])
    hits = np.diag(matrix)
    total = matrix.sum(axis=0) + matrix.sum(axis=1)
    seen = total > 0
    return float(np.mean(2 * hits[seen] / total[seen]))


def wilson_interval(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a proportion; ``z`` of 1.96 standard deviations gives 95 %.

    References:
        E. B. Wilson, Probable inference, the law of succession, and statistical inference,
        JASA 22 (1927), 209-212.
    """
    share = successes / n
    denominator = 1 + z * z / n
    center = (share + z * z / (2 * n)) / denominator
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / denominator
    # The interval holds the share; at 0 and at n only rounding would put it outside.
    return float(min(share, max(0.0, center - half))), float(max(share, min(1.0, center + half)))


def classification_replicate(labels: Array, probabilities: Array) -> Replicate:
    """Accuracy, macro F1 and loss of resamples of int labels (n,) and float (n, classes)."""
    count = probabilities.shape[1]
    cells = labels * count + np.argmax(probabilities, axis=-1)
    taken = probabilities[np.arange(len(labels)), labels]
    losses = -np.log(np.clip(taken, 1e-7, 1.0)).astype(np.float64)

    def replicate(rows: Array) -> dict[str, float]:
        matrix = np.bincount(cells[rows], minlength=count * count).reshape(count, count)
        hits = np.diag(matrix)
        total = matrix.sum(axis=0) + matrix.sum(axis=1)
        seen = total > 0
        return {
            "accuracy": float(hits.sum() / len(rows)),
            "macro_f1": float(np.mean(2 * hits[seen] / total[seen])),
            "loss": float(losses[rows].mean()),
        }

    return replicate


def classification_metrics(labels: Array, probabilities: Array) -> dict[str, float]:
    """The metrics that ``evaluate`` reports of int labels (n,) and float (n, classes).

    They are ``accuracy``, its 95 % interval ``accuracy_low`` and ``accuracy_high``, ``macro_f1``,
    ``loss`` (log loss in nats), ``calibration_error`` (see ``calibration``) and ``examples`` (n).
    """
    n = len(labels)
    confidence, right = probabilities.max(axis=-1), np.argmax(probabilities, axis=-1) == labels
    share = accuracy(labels, probabilities)
    low, high = wilson_interval(round(share * n), n)
    return {
        "accuracy": share,
        "accuracy_low": low,
        "accuracy_high": high,
        "macro_f1": macro_f1(labels, probabilities),
        "loss": log_loss(labels, probabilities),
        "calibration_error": calibration(confidence, right)[0],
        "examples": n,
    }
