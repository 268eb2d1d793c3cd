"""Optimizer and schedule of a phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerastl.training.adamw import PhaseAdamW
from kerastl.training.loss_weights import LOG_VARIANCE
from kerastl.training.phase import Phase
from kerastl.training.rates import rate_factors
from kerastl.training.selection import Array
from kerastl.training.starting_point import NOT_DECAYED, starting_points

_FLOOR = 0.01


def timing(phase: Phase, steps_per_epoch: int) -> tuple[int, int]:
    """Steps over which the rate decays, and those before them in which it rises."""
    steps = max(1, phase.epochs * steps_per_epoch)
    warmup = int(steps * phase.warmup)
    return max(1, steps - warmup), warmup


def make_schedule(phase: Phase, steps_per_epoch: int) -> Any:
    """The learning rate as a function of the step."""
    decay, warmup = timing(phase, steps_per_epoch)
    if phase.schedule == "constant" and warmup == 0:
        return phase.learning_rate
    # Without decay steps worth mentioning CosineDecay warms up and then stays.
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=phase.learning_rate * (_FLOOR if warmup else 1.0),
        decay_steps=decay,
        alpha=_FLOOR if phase.schedule == "cosine" else 1.0,
        warmup_target=phase.learning_rate if warmup else None,
        warmup_steps=warmup,
    )


class Timed:
    """A schedule whose length can change after a training step that reads it was traced.

    Attributes:
        schedule: what ``make_schedule`` gives.
    """

    def __init__(self, schedule: Any) -> None:
        self.schedule = schedule
        if isinstance(schedule, keras.optimizers.schedules.CosineDecay):
            for name in ("decay_steps", "warmup_steps"):
                value = keras.ops.cast(getattr(schedule, name), "float32")
                setattr(schedule, name, keras.Variable(value, trainable=False, name=name))

    def set(self, decay: int, warmup: int) -> None:
        """Sets the steps of ``timing``."""
        if isinstance(self.schedule, keras.optimizers.schedules.CosineDecay):
            self.schedule.decay_steps.assign(decay)
            self.schedule.warmup_steps.assign(warmup)


def make_optimizer(
    phase: Phase,
    schedule: Any,
    variables: Sequence[Any],
    *,
    depth: Mapping[int, int],
    origin: Mapping[int, Array],
    scale_loss: bool = False,
) -> Any:
    """AdamW that leaves biases and normalisation parameters undecayed, built.

    ``depth`` is that of ``depths``, ``origin`` that of ``read_origin``; ``scale_loss`` keeps small
    gradients from vanishing in float16.

    References:
        Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019,
        https://arxiv.org/abs/1711.05101.
    """
    accumulated = phase.gradient_accumulation
    settings: dict[str, Any] = {
        "weight_decay": phase.weight_decay,
        "gradient_accumulation_steps": accumulated if accumulated > 1 else None,
    }
    if phase.layer_decay is None and not phase.l2_sp and phase.ema is None:
        optimizer = keras.optimizers.AdamW(schedule, **settings)
    else:
        held = starting_points(variables, depth, origin) if phase.l2_sp else [None] * len(variables)
        optimizer = PhaseAdamW(
            schedule,
            factors=rate_factors(variables, depth, phase.layer_decay),
            starts=held,
            pull=phase.l2_sp,
            average=phase.ema,
            **settings,
        )
    if phase.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=[*NOT_DECAYED, LOG_VARIANCE])
    if scale_loss:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer
