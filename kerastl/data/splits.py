"""Splits into training and validation: stratified, seeded, grouped where asked, never leaking."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kerastl.errors import ConfigurationError, DataError
from kerastl.inputs import Reader
from kerastl.outputs import Output
from kerastl.outputs.names import listed

_ATTEMPTS = 50
_DRAWS = 50

Groups: TypeAlias = Sequence[Hashable] | npt.NDArray[Any]
"""The group of each example, such as a person or a scene."""

Positions: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Positions of the training and of the validation examples, ascending."""


def split_positions(
    reader: Reader,
    outputs: Mapping[str, Output],
    targets: Mapping[str, npt.NDArray[Any]],
    fraction: float,
    *,
    seed: int,
    groups: Groups | None,
    digests: Callable[[], Sequence[str]],
) -> Positions:
    """Splits the examples of a data set in two; without groups copies of one stay together.

    With one class per example, each class gives ``fraction`` of its examples. Otherwise 50 random
    divisions are drawn, and the one is taken whose shares of each of the outputs' strata (the
    classes, or tenths of the numbers) are nearest to ``fraction``. ``digests`` gives a hash of
    each example's content, and is called only without groups.
    """
    check_fraction(fraction)
    rng = np.random.default_rng(check_seed(seed))
    if groups is not None:
        _check_groups(groups, len(next(iter(targets.values()))))
    only = next(iter(outputs)) if len(outputs) == 1 else None
    classes = None if only is None else outputs[only].classes_of(targets[only])
    if only is None or classes is None:
        of = _numbered(digests() if groups is None else groups)
        return _best_draw(of, *_strata(outputs, targets), fraction, rng, reader.noun)
    names = outputs[only].labelling.class_names
    if groups is None and not reader.counts_copies:
        return _distinct_split(digests(), classes, fraction, seed, names)
    together = groups if groups is not None else _copies(digests(), classes)
    return stratified_split(classes, fraction, seed=seed, groups=together, class_names=names)


def stratified_split(
    labels: npt.ArrayLike,
    fraction: float,
    *,
    seed: int,
    groups: Groups | None = None,
    class_names: Sequence[str] | None = None,
) -> Positions:
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
        ConfigurationError: ``fraction`` or ``seed`` is not valid, or ``groups`` differ in length.
    """
    y = np.asarray(labels, dtype=np.int64)
    check_fraction(fraction)
    rng = np.random.default_rng(check_seed(seed))
    classes, y_index, counts = np.unique(y, return_inverse=True, return_counts=True)
    lone = classes[counts < 2]
    if len(lone):
        raise DataError(
            f"Each class needs two examples or more to be split into training and validation; a "
            f"single one has: {_named(lone, class_names)}. Add examples, or give validation data "
            "of its own."
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
        _check_groups(groups, len(y_index))
        group_index = _numbered(groups)
        table = np.zeros((int(group_index.max()) + 1, len(classes)), dtype=np.int64)
        np.add.at(table, (group_index, y_index), 1)
        stuck = classes[(table > 0).sum(axis=0) < 2]
        if len(stuck):
            raise DataError(
                f"All examples of a class lie in one group, which cannot be on both sides: "
                f"{_named(stuck, class_names)}. Use finer groups, or give validation data of its "
                "own."
            )
        chosen = _choose_groups(table, targets, rng)[group_index]
    return _sides(chosen)


def check_fraction(fraction: float) -> None:
    """Raises ConfigurationError for a share that is not strictly between 0 and 1."""
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float, np.floating)):
        raise ConfigurationError(f"A fraction must be a number. Received: {fraction!r}")
    if not 0 < fraction < 1:
        raise ConfigurationError(
            f"A fraction must lie between 0 and 1, both excluded, as in 0.2. Received: {fraction!r}"
        )


def check_seed(seed: int) -> int:
    """Returns a seed; raises ConfigurationError unless it is an integer from 0."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ConfigurationError(f"A seed must be an integer from 0. Received: {seed!r}")
    return int(seed)


def _check_groups(groups: Groups, count: int) -> None:
    if len(groups) != count:
        raise ConfigurationError(
            f"groups must name the group of each of the {count} examples. Received: {len(groups)}"
        )


def _numbered(values: Groups) -> npt.NDArray[np.int64]:
    """Each value's number in the order in which they appear, so that names do not sway a choice."""
    rows: dict[Hashable, int] = {}
    plain = values.tolist() if isinstance(values, np.ndarray) else values
    return np.array([rows.setdefault(value, len(rows)) for value in plain], dtype=np.int64)


def _choose_groups(
    table: npt.NDArray[np.int64], targets: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Takes whole groups until each class is as near to its target as they allow: ``(groups,)``.

    ``table`` counts the examples of each class in each group, ``(groups, classes)``; ``targets``
    says how many of each class to take, ``(classes,)``.
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


# Two ways to keep copies together where each example has one class. They differ in what a share is
# one of, and both stay: a split must be the same from version to version.


def _copies(digests: Sequence[str], classes: npt.NDArray[np.int64]) -> Groups | None:
    """Groups of the copies within a class, so that shares are of all examples; None without any."""
    pairs = list(zip(classes.tolist(), digests, strict=True))
    distinct = set(pairs)
    if len(distinct) == len(pairs):
        return None
    variety = np.bincount([label for label, _ in distinct])
    # A class that is copies of one example throughout cannot be kept on one side.
    return [pair if variety[pair[0]] > 1 else i for i, pair in enumerate(pairs)]


def _distinct_split(
    digests: Sequence[str],
    classes: npt.NDArray[np.int64],
    fraction: float,
    seed: int,
    class_names: Sequence[str],
) -> Positions:
    """Splits the distinct examples, so that shares are of these; copies follow the first one."""
    of = _numbered(digests)
    _, first = np.unique(of, return_index=True)
    if len(first) == len(of):
        return stratified_split(classes, fraction, seed=seed, class_names=class_names)
    variety = np.bincount(classes[first], minlength=len(class_names))
    if (variety[np.unique(classes)] < 2).any():
        # A class of one example throughout cannot be kept on one side: its copies are divided.
        lone = np.flatnonzero(variety[classes] < 2)
        of[lone] = of.max() + 1 + np.arange(len(lone))
        _, first, of = np.unique(of, return_index=True, return_inverse=True)
    _, chosen = stratified_split(classes[first], fraction, seed=seed, class_names=class_names)
    return _sides(np.isin(of, chosen))


def _strata(
    outputs: Mapping[str, Output], targets: Mapping[str, npt.NDArray[Any]]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """What to divide alike, ``(n, strata)``, and which strata must be on both sides.

    The first stratum is all examples; those of the outputs follow side by side.
    """
    strata = [output.strata(targets[name]) for name, output in outputs.items()]
    needed = [
        np.full(part.shape[1], output.strata_on_both_sides)
        for part, output in zip(strata, outputs.values(), strict=True)
    ]
    everything = np.ones((len(strata[0]), 1))
    return np.concatenate([everything, *strata], axis=1), np.concatenate([[True], *needed])


def _best_draw(
    of: npt.NDArray[np.int64],
    strata: npt.NDArray[np.float64],
    needed: npt.NDArray[np.bool_],
    fraction: float,
    rng: np.random.Generator,
    noun: str,
) -> Positions:
    count = int(of.max()) + 1 if len(of) else 0
    if count < 2:
        raise DataError(
            f"There {'is' if count else 'are'} {count} distinct {noun}{'' if count == 1 else 's'} "
            "or groups, which cannot be divided into training and validation. Add examples, or "
            "give validation data of its own."
        )
    table = np.zeros((count, strata.shape[1]))
    np.add.at(table, of, strata)
    total = table.sum(axis=0)
    wanted = fraction * total
    held = total > 0
    best: tuple[float, npt.NDArray[np.int64]] | None = None
    for _ in range(_DRAWS):
        order = rng.permutation(count)
        sizes = np.cumsum(table[order, 0])
        # Groups are taken whole, up to the number of examples nearest to the share.
        take = int(np.clip(np.argmin(np.abs(sizes - wanted[0])) + 1, 1, count - 1))
        taken = table[order[:take]].sum(axis=0)
        if ((taken == 0) | (taken == total))[held & needed].any():
            continue
        off = float((np.abs(taken - wanted)[held] / total[held]).max())
        if best is None or off < best[0]:
            best = off, order[:take]
    if best is not None:
        return _sides(np.isin(of, best[1]))
    # A class is rare: groups are chosen for the rarest classes first.
    rare = held & needed
    targets = np.clip(np.round(wanted), 1, np.maximum(total - 1, 1)).astype(np.int64)
    return _sides(_choose_groups(table[:, rare].astype(np.int64), targets[rare], rng)[of])


def _sides(chosen: npt.NDArray[np.bool_]) -> Positions:
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def _named(indices: npt.NDArray[np.int64], class_names: Sequence[str] | None) -> str:
    """Class indices as they should stand in a message."""
    return listed(int(i) if class_names is None else class_names[int(i)] for i in indices)
