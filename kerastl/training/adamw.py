"""AdamW with a rate for each variable, a pull to starting points, and averaged weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

Array = np.ndarray[Any, Any]


@dataclasses.dataclass
class _State:
    """Held by an object of its own: optimizers track the lists that are set on them."""

    factors: tuple[float, ...]
    start_values: tuple[Array | None, ...]
    starts: tuple[Any, ...] = ()
    averages: tuple[Any, ...] = ()


class PhaseAdamW(keras.optimizers.AdamW):
    """AdamW that treats each variable in its own way.

    One optimizer, and not ``keras.optimizers.MultiOptimizer`` with one for each rate: that exists
    from Keras 3.15 on only, has no ``learning_rate``, and keeps a step counter and a schedule for
    each group. Scaling gradients would do nothing, since Adam divides by their size: what is
    scaled here is the rate of the update, decoupled weight decay included, so that a factor acts
    as a learning rate of its own. All happens inside ``update_step``: behind the unscaling of a
    ``LossScaleOptimizer``, once for each update where gradients are accumulated, and on
    variables that belong to the optimizer, so that a checkpoint of these holds all of it.

    Args:
        learning_rate: a float or a schedule.
        factors: what it is multiplied by, for each variable in the order of ``build``.
        starts: for each variable the value that ``pull`` draws it towards, or None. Weight decay
            is left out where there is one: it would draw towards 0.
        pull: alpha of the penalty alpha / 2 * ||w - start||^2, whose gradient is added to that
            of the loss.
        average: decay of the moving average of the weights, in (0, 1), or None. In the first
            steps it is (1 + t) / (10 + t) where that is lower, or else the average of a short
            phase would stay at the weights that it began with.
        **settings: of ``keras.optimizers.AdamW``.
    """

    def __init__(
        self,
        learning_rate: Any,
        *,
        factors: Sequence[float],
        starts: Sequence[Array | None],
        pull: float = 0.0,
        average: float | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(learning_rate, **settings)
        self._own = _State(tuple(factors), tuple(starts))
        self._pull = pull
        self._average = average

    def build(self, variables: Any) -> None:
        """Makes the variables of the optimizer."""
        if self.built:
            return
        super().build(variables)
        own = self._own
        own.starts = tuple(
            None if value is None else self._copy(variable, "start", value)
            for variable, value in zip(variables, own.start_values, strict=True)
        )
        if self._average is not None:
            own.averages = tuple(self._copy(v, "average", v) for v in variables)

    def _copy(self, variable: Any, name: str, value: Any) -> Any:
        made = self.add_variable_from_reference(variable, name=name)
        # A copy: on JAX the two would be one buffer, which a step gives up with the other.
        made.assign(np.array(ops.convert_to_numpy(value)))
        return made

    @property
    def averages(self) -> tuple[Any, ...]:
        """Averaged weights, in the order of the variables; empty where none are kept."""
        return self._own.averages

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable."""
        index = self._get_variable_index(variable)
        own = self._own
        rate = ops.cast(learning_rate, variable.dtype) * own.factors[index]
        start = own.starts[index]
        if start is not None:
            gradient = ops.add(gradient, self._pull * ops.subtract(variable, start))
        elif self.weight_decay and self._use_weight_decay(variable):
            self.assign_sub(variable, ops.multiply(variable, self.weight_decay * rate))
        super().update_step(gradient, variable, rate)
        if own.averages:
            average = own.averages[index]
            done = ops.cast(self.iterations, average.dtype)
            kept = ops.minimum(self._average, (1 + done) / (10 + done))
            self.assign(average, ops.add(average * kept, ops.multiply(variable, 1 - kept)))

    def _apply_weight_decay(self, variables: Any) -> None:
        """Nothing: it belongs to ``update_step``, where the variable's own rate is known."""


def averages_of(optimizer: Any) -> tuple[Any, ...]:
    """The averaged weights of an optimizer, loss scaling or not; empty where it keeps none."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return inner.averages if isinstance(inner, PhaseAdamW) else ()
