"""The batches that a phase trains and validates on."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from kerastl.errors import ConfigurationError
from kerastl.training.batches import Batches, ExampleBatches, FixedBatches, ViewBatches
from kerastl.training.feeding import for_evaluate
from kerastl.training.goal import Goal
from kerastl.training.inputs import PhaseInputs
from kerastl.training.job import Job
from kerastl.training.phase import Phase

Array = np.ndarray[Any, Any]


def training_batches(
    job: Job, goal: Goal, phase: Phase, inputs: PhaseInputs, *, number: int, epoch: int, skip: int
) -> Batches:
    """The batches of a phase, ``number`` in its plan, from an epoch on; see ``Batches``.

    Raises ConfigurationError where sequences would be mixed.
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
    if inputs.train is None:
        # With the run's own seed: nothing is shared with other runs.
        augment = augment and dataclasses.replace(augment, seed=job.seed)
    targets = functools.partial(goal.training_targets, augment=augment)
    if inputs.train is None:
        return ExampleBatches(job.train, augment, targets, **order)
    return ViewBatches(inputs.train, targets, **order)


def validation_batches(
    job: Job, goal: Goal, phase: Phase, inputs: PhaseInputs
) -> FixedBatches | None:
    """What a phase is validated on; None without labels, or where it does not train the score."""
    targets = goal.validation_targets()
    if targets is None or inputs.validation is None or not goal.compares(phase):
        return None
    return FixedBatches(inputs.validation, targets, batch_size=job.batch_size)


def answers_of(job: Job, goal: Goal, inputs: PhaseInputs) -> list[Array]:
    """What a network answers to its validation examples, float32 (m, width) of each output."""
    targets = goal.validation_targets()
    assert targets is not None
    batches = FixedBatches(inputs.validation, targets, batch_size=job.batch_size)
    found = inputs.model.predict(for_evaluate(batches), verbose=0)
    parts = found if isinstance(found, (list, tuple)) else [found]
    return [np.asarray(part, np.float32) for part in parts]
