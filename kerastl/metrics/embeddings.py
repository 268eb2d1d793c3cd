"""Metrics of vectors that should be near one another within a class, in NumPy."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
# Beyond so many examples the pairs are those of a sample: two million cosines.
MOST_PAIRED = 2000
# Cosines that are held at once.
_CHUNK = 2**22
# Below every cosine.
_FARTHER = -2.0
# Cosines so near to one another differ only by rounding.
TIE = 1e-6


def unit_rows(vectors: Array) -> Array:
    """Rows float32 (n, d) of length 1; a row of zeros stays one.

    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    rows = np.asarray(vectors, dtype=np.float32)
    # In float64: squares of small numbers would vanish.
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0).astype(np.float32)[:, None])


@dataclasses.dataclass(frozen=True)
class Neighbours:
    """The most similar other example of each example; all of length n.

    Attributes:
        nearest: its position, int64; the example's own where it is alone.
        cosine: its cosine, float32.
        hits: whether it is of the example's class; a tie with another class, within 1e-6, is not.
        counted: whether a hit was possible: there are others of its class, and of another.
    """

    nearest: Array
    cosine: Array
    hits: Array
    counted: Array


def neighbours(labels: Array, vectors: Array) -> Neighbours:
    """The most similar other example of each of int labels (n,) and float vectors (n, d).

    Memory stays bounded, since the cosines are computed some rows at a time.
    """
    rows = unit_rows(vectors)
    count = len(rows)
    nearest, cosine = np.arange(count), np.zeros(count, np.float32)
    hits, counted = np.zeros(count, bool), np.zeros(count, bool)
    step = max(1, _CHUNK // max(1, count))
    for start in range(0, count, step):
        part = slice(start, start + step)
        similar = rows[part] @ rows.T
        at = np.arange(len(similar))
        same = labels[part, None] == labels[None, :]
        others = np.max(similar, axis=1, initial=_FARTHER, where=~same)
        counted[part] = ~same.all(axis=1)
        same[at, start + at] = False
        own = np.max(similar, axis=1, initial=_FARTHER, where=same)
        counted[part] &= same.any(axis=1)
        hits[part] = counted[part] & (own > others + TIE)
        if count == 1:
            continue
        # Of a tie between classes it is the other class that is shown: it was counted a miss.
        same[at, start + at] = True
        similar[at, start + at] = _FARTHER
        shown = np.where(same == hits[part, None], similar, _FARTHER)
        alone = shown.max(axis=1) == _FARTHER
        shown[alone] = similar[alone]
        nearest[part] = shown.argmax(axis=1)
        cosine[part] = shown.max(axis=1)
    return Neighbours(nearest, cosine, hits, counted)


def precision_at_1(labels: Array, vectors: Array) -> float:
    """The share of examples whose most similar other example is of their class.

    Similar is what has a high cosine; a tie with an example of another class, within 1e-6, is a
    miss. An example that is alone with its class does not count, and of a single class none: where
    none counts it is 0. Memory stays bounded, since the cosines are computed some rows at a time.
    """
    found = neighbours(labels, vectors)
    counted = int(found.counted.sum())
    return int(found.hits.sum()) / counted if counted else 0.0


def pair_auc(labels: Array, vectors: Array, *, seed: int = 0) -> float:
    """How well the cosine tells pairs of one class from pairs of two: the area under the ROC.

    It is the share of (pair of one class, pair of two) in which the pair of one class has the
    higher cosine; ties count half. Of up to 2000 examples it is exact, over all pairs; of more it
    is that of all pairs of 2000 of them, drawn without replacement. Chance is 0.5, which also
    stands where there are pairs of only one sort.

    References:
        Hanley and McNeil, The meaning and use of the area under a receiver operating
        characteristic (ROC) curve, Radiology 143 (1982), 29-36.
    """
    if len(labels) > MOST_PAIRED:
        drawn = np.random.default_rng(seed).choice(len(labels), MOST_PAIRED, replace=False)
        labels, vectors = labels[drawn], vectors[drawn]
    rows = unit_rows(vectors)
    first, second = np.triu_indices(len(rows), k=1)
    cosines = (rows @ rows.T)[first, second]
    same = labels[first] == labels[second]
    positives = int(same.sum())
    negatives = len(same) - positives
    if not positives or not negatives:
        return 0.5
    # Ranks from 1; equal cosines share the mean of theirs.
    _, which, counts = np.unique(cosines, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    total = float(ranks[which[same]].sum())
    return (total - positives * (positives + 1) / 2) / (positives * negatives)


def embedding_metrics(labels: Array, vectors: Array) -> dict[str, float]:
    """The metrics that ``evaluate`` reports of int labels (n,) and float vectors (n, d)."""
    return {
        "precision_at_1": precision_at_1(labels, vectors),
        "pair_auc": pair_auc(labels, vectors),
        "examples": len(labels),
    }
