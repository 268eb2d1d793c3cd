"""How much the loss of each of several outputs counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from kerastl.errors import ConfigurationError
from kerastl.training.selection import read_variables

UNCERTAINTY = "uncertainty"
LOG_VARIANCE = "log_variance"


class LossWeights:
    """The weights of the outputs' losses, whose sum is what a network trains on.

    Fixed weights multiply the losses. Learned ones train with the network: a loss L counts as
    ``exp(-s) * L + s / 2``, where s begins at 0 and stands for the logarithm of the variance of
    the noise in that output's labels. That is the paper's loss for classes; for numbers the
    paper halves L, which is the same up to a constant in s. What is learned belongs
    to training alone: the network does not have it.

    Args:
        names: of the outputs.
        given: a weight by name, ``"uncertainty"`` to learn them, or None for 1 each.

    Attributes:
        variables: s of each output; empty where the weights are fixed.

    Raises:
        ConfigurationError: weights for other outputs, or that are not numbers of 0 or above.

    References:
        Kendall, Gal and Cipolla, Multi-Task Learning Using Uncertainty to Weigh Losses, 2018,
        https://arxiv.org/abs/1705.07115, equations 7 to 10.
    """

    def __init__(self, names: Iterable[str], given: Mapping[str, float] | str | None) -> None:
        self._names = tuple(names)
        self.variables: tuple[Any, ...] = ()
        self._fixed: tuple[float, ...] = (1.0,) * len(self._names)
        if given is None:
            return
        if len(self._names) == 1:
            raise ConfigurationError(
                f"loss_weights={given!r} is for several outputs, and there is one. Leave it out."
            )
        if isinstance(given, str):
            if given != UNCERTAINTY:
                raise _wrong(given, self._names)
            self.variables = tuple(
                keras.Variable(np.float32(0.0), dtype="float32", name=LOG_VARIANCE)
                for _ in self._names
            )
            return
        numbers = [value for value in given.values() if _is_weight(value)]
        if set(given) != set(self._names) or len(numbers) < len(given) or not any(numbers):
            raise _wrong(given, self._names)
        self._fixed = tuple(float(given[name]) for name in self._names)

    def weighed(self, losses: list[Any]) -> list[Any]:
        """The outputs' losses as they are summed up."""
        if self.variables:
            return list(map(WeighedLoss, losses, self.variables))
        return [
            loss if weight == 1 else WeighedLoss(loss, weight=weight)
            for loss, weight in zip(losses, self._fixed, strict=True)
        ]

    def values(self) -> dict[str, float]:
        """The weight of each output's loss now, by name."""
        found = self._fixed
        if self.variables:
            found = tuple(math.exp(-float(value)) for value in read_variables(self.variables))
        return dict(zip(self._names, found, strict=True))


def _is_weight(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value < math.inf


def _wrong(given: Any, names: tuple[str, ...]) -> ConfigurationError:
    return ConfigurationError(
        f"loss_weights={given!r}; give a number of 0 or above for each of the outputs "
        f"{', '.join(names)}, one of them above 0, or {UNCERTAINTY!r} to learn them, or None."
    )


class WeighedLoss(keras.losses.Loss):
    """A loss times a weight: a fixed one, or one learned as a variable (see ``LossWeights``)."""

    def __init__(self, loss: Any, log_variance: Any = None, *, weight: float = 1.0) -> None:
        super().__init__(name=loss.name)
        self._loss = loss
        self._log_variance = log_variance
        self._weight = weight

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The weighed loss of a batch, a scalar."""
        value = self._loss(y_true, y_pred, sample_weight)
        if self._log_variance is None:
            return self._weight * value
        spread = keras.ops.cast(self._log_variance, value.dtype)
        return keras.ops.exp(-spread) * value + spread / 2


class TrainedPart(keras.Model):
    """A part of a network for the time of its training, with the variables that weigh losses."""

    def __init__(self, part: keras.Model, variables: tuple[Any, ...]) -> None:
        super().__init__(inputs=part.inputs, outputs=part.outputs, name=part.name)
        self.loss_variables = list(variables)
