"""Rounds weights to eight bits so that a layer's outputs change least, and corrects its bias.

Rounding each weight to the nearest step is best for the weight, not for the layer. Inputs that
come out of a ReLU have a mean far from zero, so that rounding errors add up to a shift of every
output of a channel; after the batch normalisation has been folded into the weights such shifts
are large compared with the outputs' own spread.

References:
    Nagel et al. 2019, Data-Free Quantization Through Weight Equalization and Bias Correction,
    https://arxiv.org/abs/1906.04721 (the shift, and its correction in the bias).
    Frantar et al. 2023, GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
    Transformers, https://arxiv.org/abs/2210.17323 (rounding column by column, each error
    compensated by the columns that follow).
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

LIMIT = 127
# Share of the mean diagonal that is added to the second moment: few examples do not span it.
DAMPING = 0.05


def scales(weights: Array) -> Array:
    """The step of each row of weights ``(channels, inputs)``: ``(channels,)``, float32.

    It is what every converter takes for symmetric weights per channel: the largest absolute
    value is 127 steps.
    """
    steps = np.abs(weights).max(axis=1).astype(np.float32) / np.float32(LIMIT)
    return np.where(steps == 0, np.float32(1), steps)


def to_nearest(weights: Array) -> Array:
    """Weights ``(channels, inputs)`` rounded to the nearest step of their row, float32."""
    steps = scales(weights)[:, None]
    return (np.rint(weights / steps) * steps).astype(np.float32)


def with_compensation(weights: Array, moment: Array) -> Array:
    """Weights rounded one column after the other, with later columns making up for the error.

    Minimises ``||(Q - W) X||^2`` greedily over all Q on the grid of :func:`scales`. The largest
    weight of each row stays, so that the grid can be read off the result again. Weights are float
    ``(channels, inputs)``, and ``moment`` is the second moment of the inputs, ``(inputs, inputs)``;
    uncentred, so that shifts count.
    """
    remaining = weights.astype(np.float64)
    steps = scales(weights).astype(np.float64)
    rows = np.arange(len(weights))
    largest = np.abs(weights).argmax(axis=1)
    sign = np.sign(weights[rows, largest])
    damped = moment.astype(np.float64)
    ridge = DAMPING * float(np.mean(np.diag(damped))) or 1.0
    damped = damped + ridge * np.eye(len(damped))
    # The inputs with most energy go first, while most columns are left to make up for them.
    order = np.argsort(-np.diag(damped), kind="stable")
    back = np.argsort(order)
    remaining, largest = remaining[:, order], back[largest]
    inverse = np.linalg.inv(damped[np.ix_(order, order)])
    upper = np.linalg.cholesky((inverse + inverse.T) / 2).T
    rounded = np.empty_like(remaining)
    for column in range(remaining.shape[1]):
        integers = np.clip(np.rint(remaining[:, column] / steps), -LIMIT, LIMIT)
        integers = np.where(largest == column, sign * LIMIT, integers)
        rounded[:, column] = integers * steps
        error = (remaining[:, column] - rounded[:, column]) / upper[column, column]
        remaining[:, column:] -= np.outer(error, upper[column, column:])
    return rounded[:, back].astype(np.float32)


def shift(weights: Array, rounded: Array, mean: Array) -> Array:
    """Mean change of each output by the rounding, ``(channels,)``: what the bias must lose.

    ``mean`` of the inputs is ``(inputs,)``, or ``(channels, inputs)`` where each channel has
    inputs of its own.
    """
    difference = rounded.astype(np.float64) - weights
    return np.asarray((difference * mean).sum(axis=1), dtype=np.float64)
