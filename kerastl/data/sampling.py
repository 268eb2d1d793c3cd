"""Small samples that hold every class: for calibration, golden examples and previews."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kerastl.data.splits import check_seed
from kerastl.errors import ConfigurationError


def stratified_sample(labels: npt.ArrayLike, n: int, *, seed: int) -> npt.NDArray[np.int64]:
    """Chooses ``n`` examples with the classes in proportion, each at least once where ``n`` allows.

    Args:
        labels: class indices ``(m,)``, integers.
        n: how many examples to choose, 1 or more; all of them where there are fewer.
        seed: seed of the choice; the same labels, ``n`` and seed always choose the same.

    Returns:
        Ascending, distinct positions, int64, of shape ``(min(n, m),)``.

    Raises:
        ConfigurationError: ``n`` or ``seed`` is not valid.
    """
    y = np.asarray(labels)
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ConfigurationError(f"A sample must have 1 example or more. Received: {n!r}")
    rng = np.random.default_rng(check_seed(seed))
    if n >= len(y):
        return np.arange(len(y), dtype=np.int64)
    classes, y_index, counts = np.unique(y, return_inverse=True, return_counts=True)
    shares = _shares(counts, int(n), rng)
    chosen = [
        rng.permutation(np.flatnonzero(y_index == k))[: shares[k]] for k in range(len(classes))
    ]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _shares(
    counts: npt.NDArray[np.int64], n: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """How many of each class, at most ``counts``, ``n`` in all: the largest remainders win."""
    floor = np.ones_like(counts) if n >= len(counts) else np.zeros_like(counts)
    spare = n - int(floor.sum())
    # The drawn tie-break keeps classes late in the alphabet from always losing.
    weights = (counts - floor) / max(1, int((counts - floor).sum())) * spare
    shares = floor + np.floor(weights).astype(np.int64)
    remainders = weights - np.floor(weights) + rng.random(len(counts)) * 1e-6
    for k in np.argsort(-remainders, kind="stable"):
        if shares.sum() == n:
            break
        shares[k] += shares[k] < counts[k]
    return shares
