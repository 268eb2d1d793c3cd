"""Mixup: convex combinations of examples and of their targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def mix(
    values: Array, targets: Array, weights: Array | None, alpha: float, key: Sequence[int]
) -> tuple[Array, ...]:
    """Mixes each example of a batch with another one of it.

    On cached activations this is manifold mixup at the freeze boundary, on images input mixup.
    The loss of what comes out is the same mixture of the two losses, weights of examples included.

    Args:
        values: float32 (b, ...), activations or images.
        targets: float32 (b, classes), one-hot.
        weights: float32 (b,) or None, weight of each example in the loss.
        alpha: the share of the first example is drawn from Beta(alpha, alpha), once a batch.
        key: whole numbers of which the mixture is a function.

    Returns:
        Values, targets and, where there are any, weights, of the shapes that came in.

    References:
        Zhang et al., mixup: Beyond Empirical Risk Minimization, 2017,
        https://arxiv.org/abs/1710.09412; Verma et al., Manifold Mixup, 2018,
        https://arxiv.org/abs/1806.05236.
    """
    random = np.random.default_rng(list(key))
    share = np.float32(random.beta(alpha, alpha))
    other = random.permutation(len(values))
    mixed = share * values + (1 - share) * values[other]
    if weights is None:
        return mixed, share * targets + (1 - share) * targets[other]
    # A target is linear in the loss: the weights of both go into it, and their mean comes out.
    first, second = share * weights, (1 - share) * weights[other]
    total = first + second
    sums = first[:, None] * targets + second[:, None] * targets[other]
    return mixed, sums / np.maximum(total, np.finfo(np.float32).tiny)[:, None], total
