"""Figures of single classes and of confidences, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
BINS = 10
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Confidences at which coverage is told."""


def precision_recall_f1(
    hits: Array, predicted: Array, support: Array
) -> tuple[Array, Array, Array]:
    """Precision, recall and F1 of each class, float64 ``(classes,)``.

    NaN stands for the precision of a class that was never predicted, for the recall of one without
    examples, and for the F1 of one that is neither.

    Args:
        hits: how often each class was predicted rightly, ``(classes,)``.
        predicted: how often it was predicted.
        support: how many examples it has.
    """
    precision = _share(hits, predicted)
    recall = _share(hits, support)
    return precision, recall, _share(2 * hits, predicted + support)


def most_confused(matrix: Array, most: int = 10) -> list[tuple[int, int, int]]:
    """The pairs (true class, answer, count) off the diagonal, the most frequent first."""
    counts = np.array(matrix)
    np.fill_diagonal(counts, 0)
    rows, columns = np.nonzero(counts)
    order = np.argsort(-counts[rows, columns], kind="stable")[:most]
    return [
        (int(r), int(c), int(counts[r, c]))
        for r, c in zip(rows[order], columns[order], strict=True)
    ]


def coverage(confidence: Array, right: Array) -> list[dict[str, Any]]:
    """What would be answered from a confidence on, and how well, for each of ``THRESHOLDS``.

    Returns:
        ``threshold``; ``answered``, the share of examples with at least that confidence;
        ``accuracy`` among them, None where there are none; ``examples``, their number.
    """
    rows = []
    for threshold in THRESHOLDS:
        # Confidences are float32: 0.9 as float64 would lie above the same number there.
        kept = confidence >= np.asarray(threshold, dtype=confidence.dtype)
        if threshold == 0:
            kept = np.ones(len(confidence), dtype=bool)
        count = int(kept.sum())
        rows.append(
            {
                "threshold": threshold,
                "answered": count / len(confidence),
                "accuracy": float(right[kept].mean()) if count else None,
                "examples": count,
            }
        )
    return rows


def calibration(probability: Array, right: Array) -> tuple[float, list[dict[str, Any]]]:
    """The expected calibration error, and the reliability of ten bins of equal width.

    Args:
        probability: float in [0, 1] ``(n,)``.
        right: whether what was given that probability came true, bool ``(n,)``.

    Returns:
        The mean distance between probability and share, weighed by the bins' sizes (NaN where a
        probability is not finite); and of each
        bin that holds examples ``low``, ``high``, ``confidence`` (the mean probability),
        ``accuracy`` (the share that came true) and ``examples``.

    References:
        Guo et al., On calibration of modern neural networks, ICML 2017.
    """
    values = probability.astype(np.float64)
    if not np.isfinite(values).all():
        return float("nan"), []
    places = np.clip(np.ceil(values * BINS).astype(np.int64) - 1, 0, BINS - 1)
    rows, error = [], 0.0
    for place in range(BINS):
        within = places == place
        count = int(within.sum())
        if not count:
            continue
        mean, share = float(values[within].mean()), float(right[within].mean())
        error += count / len(values) * abs(mean - share)
        rows.append(
            {
                "low": place / BINS,
                "high": (place + 1) / BINS,
                "confidence": mean,
                "accuracy": share,
                "examples": count,
            }
        )
    return error, rows


def _share(part: Array, whole: Array) -> Array:
    some = np.asarray(whole) > 0
    found = np.full(np.shape(whole), np.nan)
    return np.asarray(np.divide(part, whole, out=found, where=some))
