"""Splits of texts: stratified where there are classes, copies of one text on one side."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kerastl.data.dataset import Groups
from kerastl.data.splits import check_fraction, check_seed, choose_groups, stratified_split
from kerastl.errors import DataError

_DRAWS = 50

Positions = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def split_positions(
    texts: Sequence[str],
    labels: npt.NDArray[Any],
    fraction: float,
    *,
    seed: int,
    groups: Groups | None,
    class_names: Sequence[str],
) -> Positions:
    """Positions of the training and of the validation texts, ascending int64.

    With one class a text, each class gives ``fraction`` of its distinct texts. With several
    labels a text, and with numbers, 50 random divisions are drawn and the one is taken whose
    shares (of each class; of each tenth of the numbers) are nearest to ``fraction``.

    Args:
        texts: the texts, of which equal ones are kept together unless ``groups`` are given.
        labels: class indices ``(n,)`` int64, zeros and ones ``(n, classes)`` or numbers ``(n,)``,
            float32.
        fraction: share of the validation side, between 0 and 1.
        seed: seed of the choice.
        groups: the group of each text; a group is never on both sides.
        class_names: names of the classes, for messages.

    Raises:
        DataError: there is no such division with every class on both sides.
        ConfigurationError: ``fraction`` or ``seed`` cannot be.
    """
    check_fraction(fraction)
    rng = np.random.default_rng(check_seed(seed))
    if labels.dtype != np.int64:
        of = _numbered(texts if groups is None else groups)
        return _best_draw(of, _strata(labels), fraction, rng, bool(labels.ndim == 2))
    if groups is not None:
        return stratified_split(labels, fraction, seed=seed, groups=groups, class_names=class_names)
    return _without_copies(texts, labels, fraction, seed, class_names)


def _without_copies(
    texts: Sequence[str],
    labels: npt.NDArray[np.int64],
    fraction: float,
    seed: int,
    class_names: Sequence[str],
) -> Positions:
    """Splits the distinct texts; every copy follows the first of its kind."""
    of = _numbered(texts)
    _, first = np.unique(of, return_index=True)
    if len(first) == len(texts):
        return stratified_split(labels, fraction, seed=seed, class_names=class_names)
    variety = np.bincount(labels[first], minlength=len(class_names))
    if (variety[np.unique(labels)] < 2).any():
        # A class of one text throughout cannot be kept on one side: its copies are divided.
        lone = np.flatnonzero(variety[labels] < 2)
        of[lone] = of.max() + 1 + np.arange(len(lone))
        _, first, of = np.unique(of, return_index=True, return_inverse=True)
    _, chosen = stratified_split(labels[first], fraction, seed=seed, class_names=class_names)
    in_validation = np.isin(of, chosen)
    return np.flatnonzero(~in_validation), np.flatnonzero(in_validation)


def _numbered(values: Sequence[Hashable] | npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Each value's number, in the order in which values first appear."""
    rows: dict[Hashable, int] = {}
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    return np.array([rows.setdefault(value, len(rows)) for value in listed], dtype=np.int64)


def _strata(labels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """What should be divided alike, ``(n, strata)``: classes, or tenths of the numbers."""
    everything = np.ones((len(labels), 1))
    if labels.ndim == 2:
        return np.concatenate([everything, labels.astype(np.float64)], axis=1)
    edges = np.quantile(labels, np.linspace(0, 1, 11)[1:-1]) if len(labels) else np.zeros(0)
    tenths = np.eye(10)[np.searchsorted(edges, labels)]
    return np.concatenate([everything, tenths], axis=1)


def _best_draw(
    of: npt.NDArray[np.int64],
    strata: npt.NDArray[np.float64],
    fraction: float,
    rng: np.random.Generator,
    every_stratum: bool,
) -> Positions:
    count = int(of.max()) + 1 if len(of) else 0
    if count < 2:
        raise DataError(
            f"There {'is' if count else 'are'} {count} distinct text{'' if count == 1 else 's'} or "
            "groups, which cannot be divided into training and validation. Add examples, or give "
            "validation data of its own."
        )
    table = np.zeros((count, strata.shape[1]))
    np.add.at(table, of, strata)
    total = table.sum(axis=0)
    wanted = fraction * total
    best: tuple[float, npt.NDArray[np.int64]] | None = None
    for _ in range(_DRAWS):
        order = rng.permutation(count)
        sizes = np.cumsum(table[order, 0])
        # Groups are taken whole, up to the number of examples nearest to the share.
        take = int(np.clip(np.argmin(np.abs(sizes - wanted[0])) + 1, 1, count - 1))
        taken = table[order[:take]].sum(axis=0)
        if every_stratum and ((taken == 0) | (taken == total))[total > 0].any():
            continue
        held = total > 0
        off = float((np.abs(taken - wanted)[held] / total[held]).max())
        if best is None or off < best[0]:
            best = off, order[:take]
    if best is None:
        # A class is rare: groups are chosen for the rarest classes first.
        targets = np.clip(np.round(wanted), 1, np.maximum(total - 1, 1)).astype(np.int64)
        held = total > 0
        taken_groups = choose_groups(table[:, held].astype(np.int64), targets[held], rng)
        best = 0.0, np.flatnonzero(taken_groups)
    chosen = np.isin(of, best[1])
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
