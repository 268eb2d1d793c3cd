"""The learning-rate range test: how the loss answers to a rate that rises from step to step."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerastl.errors import ConfigurationError, TrainingError, counted
from kerastl.graph import apply_boundary, settle_momentum
from kerastl.graph.layers import all_layers
from kerastl.training.checkpoint import network_variables
from kerastl.training.goal import Goal
from kerastl.training.inputs import PhaseInputs, prepare
from kerastl.training.job import Job
from kerastl.training.lora import adapters
from kerastl.training.optimization import make_optimizer
from kerastl.training.phase import Phase
from kerastl.training.phase_batches import training_batches
from kerastl.training.precision import HALF, computing_in
from kerastl.training.rates import depths
from kerastl.training.selection import read_variables, write_variables
from kerastl.training.starting_point import read_origin

LOWEST_RATE = 1e-6
HIGHEST_RATE = 1.0
# With fewer steps the rate would jump from one to the next.
LEAST_STEPS = 100
_SMOOTHING = 0.9
_HOPELESS = 4.0
# Slopes are measured over so many steps to both sides, and not among the first ones, where the
# average is still that of a few batches.
_SPAN = 5
_UNSETTLED = 10
# What layers hold besides variables and what a phase may change of it.
_SETTINGS = ("rate", "momentum", "_kerastl_rate")
_MISSING = object()


@dataclasses.dataclass(frozen=True)
class LearningRateTest:
    """What a range test has found.

    Attributes:
        rates: of the steps, rising exponentially.
        losses: after each of them, smoothed (moving average of decay 0.9, bias corrected).
        suggestion: the rate at which the loss falls fastest over the logarithm of the rate: a
            good highest rate of a schedule. None where the loss never falls.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float | None


def learning_rate_test(
    job: Job, phase: Phase, *, lowest: float = LOWEST_RATE, highest: float = HIGHEST_RATE
) -> LearningRateTest:
    """Trains with a learning rate that rises from step to step, and leaves no trace of it.

    It takes one pass over the data, or as many as 100 steps need, and ends early where the loss
    has risen to four times its lowest value. Weights, states of random generators, flags of
    layers and a compiled network are bit for bit what they were, afterwards. The phase's own rate
    and schedule do not count.

    Raises:
        ConfigurationError: rates that do not rise.
        TrainingError: not one step gave a loss that is a number.

    References:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2015,
        https://arxiv.org/abs/1506.01186, section 3.3.
    """
    phase.check()
    if not (isinstance(lowest, (int, float)) and 0 < lowest < highest < math.inf):
        raise ConfigurationError(
            f"lowest={lowest!r}, highest={highest!r}; give two rates above 0 that rise, as in "
            f"lowest={LOWEST_RATE:g}, highest={HIGHEST_RATE:g}."
        )
    phase = dataclasses.replace(phase, ema=None)
    if isinstance(job.loss_weights, str):
        # Learned weights would move with the rate, and may make the loss negative.
        job = dataclasses.replace(job, loss_weights=None)
    with (
        job.interruption.listening(),
        _left_as_it_was(job.network),
        computing_in(job.network, job.precision),
    ):
        losses = _train(job, phase, lowest, highest)
    if not losses:
        raise TrainingError(
            "The loss is not a number at the lowest learning rate already. Check the data."
        )
    rates = lowest * (highest / lowest) ** (np.arange(len(losses)) / (_steps(job) - 1))
    return LearningRateTest(tuple(map(float, rates)), tuple(losses), _suggest(rates, losses))


def _steps(job: Job) -> int:
    return max(job.steps, LEAST_STEPS)


def _train(job: Job, phase: Phase, lowest: float, highest: float) -> list[float]:
    """Smoothed losses of steps whose rate rises."""
    goal, steps, cut = Goal(job), _steps(job), job.boundary(phase)
    inputs = prepare(job, (phase,), [cut], 0)[0]
    apply_boundary(job.network, cut, batch_norm=phase.batch_norm)
    settle_momentum(job.network, steps)
    with adapters(job.network, cut, phase, seed=job.seed, number=0):
        # A model of its own: the network may be compiled, and stays so.
        model = keras.Model(inputs.model.inputs, inputs.model.outputs)
        model = goal.trained_part(phase, model)
        schedule = keras.optimizers.schedules.ExponentialDecay(
            lowest, decay_steps=steps - 1, decay_rate=highest / lowest
        )
        optimizer = make_optimizer(
            phase,
            schedule,
            model.trainable_variables,
            depth=depths(job.network, job.stages),
            origin=read_origin(network_variables(job.network)) if phase.l2_sp else {},
            scale_loss=job.precision == HALF,
        )
        model.compile(optimizer=optimizer, loss=goal.losses(phase))
        job.reporter.start("learning-rate range test", steps)
        losses = _losses(job, goal, phase, inputs, model)
        job.reporter.finish(counted(len(losses), "step"))
        return losses


def _losses(
    job: Job, goal: Goal, phase: Phase, inputs: PhaseInputs, model: keras.Model
) -> list[float]:
    """Smoothed losses, up to the first that is hopeless."""
    losses: list[float] = []
    average, steps = 0.0, _steps(job)
    batches = training_batches(job, goal, phase, inputs, number=0, epoch=0, skip=0)
    for batch in itertools.islice(batches.epochs(-(-steps // job.steps)), steps):
        job.interruption.check()
        # The loss of the step alone: Keras averages over all since the last reset.
        model.reset_metrics()
        loss = float(model.train_on_batch(*batch, return_dict=True)["loss"])
        average = _SMOOTHING * average + (1 - _SMOOTHING) * loss
        smooth = average / (1 - _SMOOTHING ** (len(losses) + 1))
        if not math.isfinite(smooth) or smooth > _HOPELESS * min([*losses, smooth]):
            break
        losses.append(smooth)
        job.reporter.advance(len(losses))
    return losses


def _suggest(rates: Any, losses: list[float]) -> float | None:
    """The middle of the steepest fall; all steps are of one size on a logarithmic scale."""
    smooth = np.asarray(losses)
    centres = np.arange(_UNSETTLED + _SPAN, len(smooth) - _SPAN)
    falls = smooth[centres - _SPAN] - smooth[centres + _SPAN]
    if not len(falls) or falls.max() <= 0:
        return None
    return float(rates[centres[int(np.argmax(falls))]])


@contextlib.contextmanager
def _left_as_it_was(network: keras.Model) -> Iterator[None]:
    """Puts back all that a phase changes of a network."""
    variables = network_variables(network)
    values = read_variables(variables)
    trainable = [(variable, variable.trainable) for variable in variables]
    layers = [
        (layer, layer.trainable, {name: getattr(layer, name, _MISSING) for name in _SETTINGS})
        for layer in all_layers(network)
    ]
    compiled = network.compiled
    try:
        yield
    finally:
        # Containers come before what they contain, and pass their flag on to it.
        for layer, flag, settings in layers:
            layer.trainable = flag
            for name, value in settings.items():
                if value is not _MISSING:
                    setattr(layer, name, value)
                elif hasattr(layer, name):
                    delattr(layer, name)
        for variable, flag in trainable:
            variable.trainable = flag
        write_variables(variables, values)
        network.compiled = compiled
