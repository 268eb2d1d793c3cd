"""Mixup: convex combinations of examples and of their targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerastl.training.targets import KerasTargets

Array = np.ndarray[Any, Any]


def mix(
    values: Array, targets: KerasTargets, alpha: float, key: Sequence[int]
) -> tuple[Array, KerasTargets]:
    """Mixes each example of a batch with another one of it.

    On cached activations this is manifold mixup at the freeze boundary, on images input mixup.
    The loss of what comes out is the same mixture of the two losses, weights of examples included.
    The share of the first example is drawn from Beta(alpha, alpha), once per batch; the mixture is
    a function of the whole numbers of ``key``. Values are float32 (b, ...).

    References:
        Zhang et al., mixup: Beyond Empirical Risk Minimization, 2017,
        https://arxiv.org/abs/1710.09412; Verma et al., Manifold Mixup, 2018,
        https://arxiv.org/abs/1806.05236.
    """
    random = np.random.default_rng(list(key))
    share = np.float32(random.beta(alpha, alpha))
    other = random.permutation(len(values))
    mixed = share * values + (1 - share) * values[other]
    if targets.weights is None:
        plain = (share * each + (1 - share) * each[other] for each in targets.values)
        return mixed, KerasTargets(tuple(plain))
    pairs = zip(targets.values, targets.weights, strict=True)
    found = [_mix_weighted(each, weights, share, other) for each, weights in pairs]
    return mixed, KerasTargets(tuple(t for t, _ in found), tuple(w for _, w in found))


def _mix_weighted(
    targets: Array, weights: Array, share: np.float32, other: Array
) -> tuple[Array, Array]:
    # A target is linear in the loss: the weights of both go into it, and their mean comes out.
    first, second = share * weights, (1 - share) * weights[other]
    total = first + second
    sums = first[:, None] * targets + second[:, None] * targets[other]
    return sums / np.maximum(total, np.finfo(np.float32).tiny)[:, None], total
