"""Training steps that one turn has traced, for the next turn to go on with."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from typing import Any

import keras

from kerastl.graph import momenta_of
from kerastl.training.optimization import Timed, timing
from kerastl.training.phase import Phase


@dataclasses.dataclass(frozen=True, eq=False)
class TracedStep:
    """A compiled model, and the schedule that its training step reads its length from.

    Attributes:
        model: the part that trains.
        optimizer: what it was compiled with, a plain one.
        schedule: of the optimizer.
    """

    model: keras.Model
    optimizer: Any
    schedule: Timed

    @property
    def lasts(self) -> bool:
        """Whether the model was not compiled anew in the meantime."""
        return self.model.optimizer is self.optimizer

    def rewind(self, phase: Phase, steps_per_epoch: int) -> None:
        """Makes it as good as new, for a phase that differs in its length alone."""
        for variable in self.optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))
        self.schedule.set(*timing(phase, steps_per_epoch))


def can_be_kept(model: keras.Model) -> bool:
    """Whether the step of a compiled model can serve another turn."""
    return type(model.optimizer) is keras.optimizers.AdamW


def steps_read_variables() -> bool:
    """Whether a traced step reads a schedule's variables anew; JAX compiles their values in."""
    return bool(keras.backend.backend() != "jax")


def key_of(
    phase: Phase, number: int, model: keras.Model, *, steps_per_epoch: int, incomplete: bool
) -> Hashable:
    """What two turns of a phase must share for one step to serve both.

    Args:
        phase: of the plan.
        number: its place in the plan.
        model: the part that it trains.
        steps_per_epoch: in this turn.
        incomplete: whether some labels are missing.
    """
    same = dataclasses.replace(
        phase, epochs=1, select="last", patience=None, interpolate=False, optional=False
    )
    momenta = tuple(momentum for layer, momentum in momenta_of(model) if layer.trainable)
    warms_up = timing(phase, steps_per_epoch)[1] > 0
    return "traced step", number, same, momenta, warms_up, incomplete
