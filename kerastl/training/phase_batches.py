"""The batches that a phase trains and validates on."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from kerastl.errors import ConfigurationError
from kerastl.training.batches import Batches, ExampleBatches, FixedBatches, ViewBatches
from kerastl.training.goal import Goal
from kerastl.training.inputs import PhaseInputs
from kerastl.training.job import Job
from kerastl.training.phase import Phase


def training_batches(
    job: Job, goal: Goal, phase: Phase, inputs: PhaseInputs, *, number: int, epoch: int, skip: int
) -> Batches:
    """The batches of a phase's epochs, in an order that is a function of the seed alone.

    Args:
        job: data and settings.
        goal: what it trains towards.
        phase: its settings.
        inputs: what it trains on.
        number: of the phase in the plan.
        epoch: the epoch that comes first.
        skip: batches of that epoch that are left out; then it is the only one.

    Raises:
        ConfigurationError: mixup of sequences.
    """
    lengths = job.train.lengths
    if inputs.train is not None:
        lengths = getattr(inputs.train[0], "lengths", None)
    if lengths is not None and phase.mixup:
        raise ConfigurationError(
            "mixup mixes examples of one shape, and these are sequences of many lengths. Use it "
            "in phases that train the head alone, on pooled vectors."
        )
    order: dict[str, Any] = {
        "batch_size": job.batch_size,
        "seed": job.seed,
        "phase": number,
        "first_epoch": epoch,
        "skip": skip,
        "mixup": phase.mixup,
        "lengths": lengths,
    }
    augment = job.augment
    if inputs.train is None and augment is not None:
        # With the run's own seed: nothing is shared with other runs.
        augment = dataclasses.replace(augment, seed=job.seed)
    targets = functools.partial(goal.training_targets, augment=augment)
    if inputs.train is None:
        return ExampleBatches(job.train, augment, targets, **order)
    return ViewBatches(inputs.train, targets, **order)


def validation_batches(
    job: Job, goal: Goal, phase: Phase, inputs: PhaseInputs
) -> FixedBatches | None:
    """The batches that a phase is validated on, or None.

    There are none without labelled validation examples, and of a phase that does not train what
    the score is of.
    """
    targets = goal.validation_targets()
    if targets is None or inputs.validation is None or not goal.compares(phase):
        return None
    return FixedBatches(inputs.validation, targets, batch_size=job.batch_size)
