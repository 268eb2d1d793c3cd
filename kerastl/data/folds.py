"""Dealing examples into folds."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from kerastl.data.dataset import ExampleDataset
from kerastl.outputs import Output

Array = np.ndarray[Any, Any]


def deal(
    outputs: Mapping[str, Output],
    targets: Mapping[str, Array],
    count: int,
    *,
    seed: int,
    together: Sequence[Hashable] | Array | None = None,
) -> Array:
    """The fold of each example, int64 ``(n,)`` from 0: what each output divides by, in like shares.

    Examples of one group get one fold. A fold may lack a class that has fewer examples than there
    are folds.

    Args:
        outputs: what the labels are, by name.
        targets: labels ``(n, ...)`` by the outputs' names.
        count: of folds.
        seed: of the order in which examples are dealt.
        together: the group of each example, such as a person; None: each stands by itself.
    """
    strata = np.concatenate([o.strata(targets[name]) for name, o in outputs.items()], axis=1)
    total = len(strata)
    groups = np.arange(total)
    if together is not None:
        rows: dict[Hashable, int] = {}
        plain = together.tolist() if isinstance(together, np.ndarray) else together
        groups = np.array([rows.setdefault(value, len(rows)) for value in plain], dtype=np.int64)
    units = int(groups.max(initial=-1)) + 1
    # Shares of each stratum, and of all examples, that a group holds.
    shares = np.zeros((units, strata.shape[1] + 1))
    np.add.at(shares, groups, np.concatenate([strata, np.ones((total, 1))], axis=1))
    shares /= np.maximum(shares.sum(axis=0), 1.0)
    random = np.random.default_rng([seed, count])
    order = random.permutation(units)
    # What weighs most has the least choice, and goes first; chance decides among equals.
    order = order[np.argsort(-shares[order].max(axis=1), kind="stable")]
    held = np.zeros((count, shares.shape[1]))
    fold_of = np.zeros(units, dtype=np.int64)
    for unit in order.tolist():
        mine = np.flatnonzero(shares[unit])
        # The sum of squares grows least where least is held of what the group brings.
        cost = held[:, mine] @ shares[unit, mine]
        fold = int(np.argmin(cost))
        fold_of[unit] = fold
        held[fold, mine] += shares[unit, mine]
    return np.asarray(fold_of[groups])


def folds_of(data: Any, examples: Any, count: int, *, seed: int) -> Array:
    """The fold of each example that was read of a data set, int64 ``(n,)`` in their order.

    Groups of the data set, or else copies of one example, are in one fold.

    Args:
        data: an ``ExampleDataset``, or a stream, whose examples stand by themselves.
        examples: what was read of it (see ``kerastl.inputs.Examples``).
        count: of folds.
        seed: see ``deal``.
    """
    together = together_of(data, examples)
    return deal(data.outputs, examples.targets, count, seed=seed, together=together)


def together_of(data: Any, examples: Any) -> Array | None:
    """A number for the group of each example that was read, int64 ``(n,)``; None of a stream.

    Without groups copies of one example are one.
    """
    if not isinstance(data, ExampleDataset):
        return None
    given = data.digests() if data.groups is None else data.groups
    plain = given.tolist() if isinstance(given, np.ndarray) else given
    numbers: dict[Hashable, int] = {}
    places = places_of(data, examples).tolist()
    return np.array([numbers.setdefault(plain[place], len(numbers)) for place in places], np.int64)


def places_of(data: ExampleDataset, examples: Any) -> Array:
    """Where each example that was read stands in its data set, int64 ``(n,)``."""
    return np.asarray(np.array(data.readable, dtype=np.int64)[examples.order])
