"""Splits into training and validation: stratified, seeded, grouped where asked, never leaking."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from kerastl.errors import ConfigurationError, DataError
from kerastl.outputs.names import listed

_ATTEMPTS = 50


def stratified_split(
    labels: npt.ArrayLike,
    fraction: float,
    *,
    seed: int,
    groups: Sequence[Hashable] | npt.NDArray[np.generic] | None = None,
    class_names: Sequence[str] | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Splits examples in two, with every class on both sides in like proportion.

    The same labels, groups, fraction and seed always give the same split. Without groups each
    class gives ``fraction`` of its examples, rounded, but at least one and never all. With
    groups, whole groups are taken until each class is as near to that as they allow.

    Args:
        labels: class indices ``(n,)``, integers from 0.
        fraction: share of the second side, between 0 and 1, both excluded.
        seed: seed of the choice.
        groups: the group of each example, such as a person or a scene; a group is never on both
            sides.
        class_names: names of the classes for messages; their indices without it.

    Returns:
        Positions of the training and of the validation examples, ascending int64.

    Raises:
        DataError: a class has a single example, or all of its examples in one group, or the
            groups allow no split with every class on both sides.
        ConfigurationError: ``fraction`` or ``seed`` cannot be, or ``groups`` differ in length.
    """
    y = np.asarray(labels, dtype=np.int64)
    check_fraction(fraction)
    rng = np.random.default_rng(check_seed(seed))
    names = _Names(class_names)
    classes, y_index, counts = np.unique(y, return_inverse=True, return_counts=True)
    lone = classes[counts < 2]
    if len(lone):
        raise DataError(
            f"Each class needs two examples or more to be split into training and validation; a "
            f"single one has: {names(lone)}. Add examples, or give validation data of its own."
        )
    if len(y) == 0:
        raise DataError("There are no examples to split.")
    targets = np.clip(np.floor(counts * fraction + 0.5).astype(np.int64), 1, counts - 1)
    if groups is None:
        chosen = np.zeros(len(y), dtype=bool)
        for k, target in enumerate(targets):
            members = np.flatnonzero(y_index == k)
            chosen[rng.permutation(members)[:target]] = True
    else:
        table, group_index = _group_table(y_index, groups, len(classes))
        stuck = classes[(table > 0).sum(axis=0) < 2]
        if len(stuck):
            raise DataError(
                f"All examples of a class lie in one group, which cannot be on both sides: "
                f"{names(stuck)}. Use finer groups, or give validation data of its own."
            )
        chosen = choose_groups(table, targets, rng)[group_index]
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def check_fraction(fraction: float) -> None:
    """Checks a share of examples.

    Raises:
        ConfigurationError: it does not lie strictly between 0 and 1.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float, np.floating)):
        raise ConfigurationError(f"A fraction must be a number. Received: {fraction!r}")
    if not 0 < fraction < 1:
        raise ConfigurationError(
            f"A fraction must lie between 0 and 1, both excluded, as in 0.2. Received: {fraction!r}"
        )


def check_seed(seed: int) -> int:
    """Returns a seed that is an integer from 0.

    Raises:
        ConfigurationError: it is not.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ConfigurationError(f"A seed must be an integer from 0. Received: {seed!r}")
    return int(seed)


def _group_table(
    y_index: npt.NDArray[np.int64],
    groups: Sequence[Hashable] | npt.NDArray[np.generic],
    num_classes: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Counts of examples, ``(groups, classes)``, and each example's row in it."""
    if len(groups) != len(y_index):
        raise ConfigurationError(
            f"groups must name the group of each of the {len(y_index)} examples. "
            f"Received: {len(groups)}"
        )
    rows: dict[Hashable, int] = {}
    # Groups are numbered as they appear, so that their names do not sway the choice.
    values = groups.tolist() if isinstance(groups, np.ndarray) else groups
    group_index = np.array([rows.setdefault(g, len(rows)) for g in values], dtype=np.int64)
    table = np.zeros((len(rows), num_classes), dtype=np.int64)
    np.add.at(table, (group_index, y_index), 1)
    return table, group_index


def choose_groups(
    table: npt.NDArray[np.int64], targets: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Takes whole groups until each class is as near to its target as they allow.

    Args:
        table: examples of each class in each group, ``(groups, classes)``.
        targets: how many of each class to take, ``(classes,)``.
        rng: decides between groups that are equally good.

    Returns:
        Which groups are taken, ``(groups,)``.

    Raises:
        DataError: no choice was found that leaves every class on both sides.
    """
    for _ in range(_ATTEMPTS):
        chosen = _choose_greedily(table, targets, rng.permutation(len(table)))
        taken, left = table[chosen].sum(axis=0), table[~chosen].sum(axis=0)
        if (taken > 0).all() and (left > 0).all():
            return chosen
    raise DataError(
        f"No split of the {len(table)} groups was found that has every class on both sides "
        f"({_ATTEMPTS} tries). Use finer groups, or give validation data of its own."
    )


def _choose_greedily(
    table: npt.NDArray[np.int64], targets: npt.NDArray[np.int64], order: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    chosen = np.zeros(len(table), dtype=bool)
    taken = np.zeros(len(targets), dtype=np.int64)
    left = table.sum(axis=0)
    # Classes with few groups have the least choice, and therefore go first.
    for k in np.argsort((table > 0).sum(axis=0), kind="stable"):
        while taken[k] < targets[k]:
            rows = order[~chosen[order] & (table[order, k] > 0)]
            keeps_all = ((left - table[rows] > 0) | (table[rows] == 0)).all(axis=1)
            rows = rows[keeps_all]
            if not len(rows):
                break
            cost = ((taken + table[rows] - targets) ** 2).sum(axis=1)
            best = int(np.argmin(cost))
            if taken[k] > 0 and cost[best] >= ((taken - targets) ** 2).sum():
                break
            row = rows[best]
            chosen[row] = True
            taken += table[row]
            left -= table[row]
    return chosen


class _Names:
    """Class indices as they should stand in a message."""

    def __init__(self, class_names: Sequence[str] | None) -> None:
        self.class_names = class_names

    def __call__(self, indices: npt.NDArray[np.int64]) -> str:
        if self.class_names is None:
            return listed(int(i) for i in indices)
        return listed(self.class_names[int(i)] for i in indices)
