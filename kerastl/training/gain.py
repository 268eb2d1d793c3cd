"""Whether answers are shown to be better than those before them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerastl.outputs import Output
from kerastl.solving import LINKS

Array = np.ndarray[Any, Any]
_LEAST = 1e-7


def is_better(
    outputs: Mapping[str, Output],
    targets: Mapping[str, Array],
    before: Mapping[str, Array],
    after: Mapping[str, Array],
) -> bool:
    """Whether the likelihood of the same examples grew by more than one standard error.

    Args:
        outputs: by name.
        targets: labels ``(n, ...)`` by name.
        before: answers ``(n, width)`` by name.
        after: others.
    """
    gains = np.zeros(len(next(iter(targets.values()))))
    for name, output in outputs.items():
        rows = output.present(targets[name])
        truth = output.linear_targets(targets[name][rows])
        losses = [losses_of(output, truth, found[name][rows]) for found in (before, after)]
        gains[rows] += losses[0] - losses[1]
    error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else np.inf
    return bool(gains.mean() > error)


def losses_of(output: Output, truth: Array, answers: Array) -> Array:
    """The loss of each example, float64 (n,), of answers and ``linear_targets``."""
    if output.link == "softmax":
        logs = np.log(np.clip(answers.astype(np.float64), _LEAST, 1.0))
        return np.asarray(-(truth * logs).sum(axis=1))
    if output.link == "sigmoid":
        kept = np.clip(answers.astype(np.float64), _LEAST, 1 - _LEAST)
        return np.asarray(-(truth * np.log(kept) + (1 - truth) * np.log(1 - kept)).sum(axis=1))
    # Numbers in the units in which the head gives them.
    return LINKS["identity"].losses(output.linear_targets(answers[:, 0]), truth)
