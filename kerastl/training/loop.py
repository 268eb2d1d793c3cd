"""Carrying out a plan: one phase after another across freeze boundaries."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import keras
import numpy as np

from kerastl.errors import ConfigurationError, TrainingError
from kerastl.graph import Cut, apply_boundary, settle_momentum
from kerastl.training.batches import FixedBatches, ImageBatches, ViewBatches
from kerastl.training.checkpoint import State, network_variables
from kerastl.training.inputs import PhaseInputs, prepare
from kerastl.training.job import Job
from kerastl.training.optimization import example_weights, make_loss, make_optimizer
from kerastl.training.phase import Phase, Plan
from kerastl.training.progress import EpochProgress
from kerastl.training.saving import SaveState
from kerastl.training.selection import (
    Best,
    KeepBest,
    interpolate,
    read_variables,
    write_variables,
)

Array = np.ndarray[Any, Any]


def run_plan(job: Job, plan: Plan, state: State | None = None) -> list[dict[str, Any]]:
    """Carries out a plan on a network, in place.

    Args:
        job: the network, the data and the settings.
        plan: the phases.
        state: where an interrupted run stood; None starts at the beginning.

    Returns:
        One record a phase: ``name``, ``train_from``, ``boundary``, ``epochs``, ``seconds``,
        ``fill_seconds``, ``train_examples``, ``trainable_parameters``, ``cached_bytes``,
        ``learning_rate``, ``best_epoch``, ``accuracy`` and ``loss`` on the validation data (None
        without), ``history`` (one list a metric).

    Raises:
        TrainingError: the loss is not a number.
    """
    with job.interruption.listening():
        return _run(job, plan, state or State(job.settings, phase=0))


def _run(job: Job, plan: Plan, state: State) -> list[dict[str, Any]]:
    if state.network:
        write_variables(network_variables(job.network), state.network)
    cuts = [job.boundary(phase) for phase in plan]
    if job.validation is None and any(phase.interpolate for phase in plan):
        raise ConfigurationError(
            "interpolate=True chooses the mixture on validation data, and there are none. Give "
            "validation data, or leave it out."
        )
    filled: dict[int, PhaseInputs] = {}
    while state.phase < len(plan):
        index = state.phase
        if index not in filled:
            filled.update(prepare(job, plan, cuts, index))
        apply_boundary(job.network, cuts[index], batch_norm=plan[index].batch_norm)
        settle_momentum(job.network, plan[index].epochs * job.steps)
        record = _run_phase(job, plan[index], cuts[index], filled.pop(index), state)
        state.records.append(record)
        state = State(job.settings, index + 1, records=state.records)
        if job.checkpoints:
            state.network = read_variables(network_variables(job.network))
            job.checkpoints.write(state)
        job.interruption.check()
    return state.records


def _run_phase(
    job: Job, phase: Phase, cut: Cut, inputs: PhaseInputs, state: State
) -> dict[str, Any]:
    started = time.perf_counter() - state.seconds
    model = inputs.model
    num_classes = len(job.class_names)
    targets = np.eye(num_classes, dtype=np.float32)[job.train.labels]
    weights = example_weights(job.train.labels, num_classes, job.class_weight, job.class_names)
    steps = job.steps
    model.compile(
        optimizer=make_optimizer(phase, steps), loss=make_loss(phase), metrics=["accuracy"]
    )
    model.optimizer.build(model.trainable_variables)
    keep = KeepBest(phase.patience)
    validation = None
    if inputs.validation is not None and job.validation is not None:
        validation = FixedBatches(
            inputs.validation,
            np.eye(num_classes, dtype=np.float32)[job.validation.labels],
            batch_size=job.batch_size,
        )
    if phase.interpolate and not state.start_values:
        state.start_values = read_variables(model.trainable_variables)
    if state.optimizer:
        write_variables(model.optimizer.variables, state.optimizer)
        if state.best is not None:
            keep.best = Best(
                tuple(state.best["score"]),
                state.best["epoch"],
                state.best_values,
                state.best["waited"],
            )
    elif validation is not None and state.phase > 0:
        # What the phase before learned is a candidate; an untrained head is none.
        keep.set_model(model)
        scores = model.evaluate(validation, verbose=0, return_dict=True)
        keep.consider((scores["accuracy"], -scores["loss"]), 0)

    def batches(epoch: int, skip: int) -> Any:
        shared: dict[str, Any] = {
            "batch_size": job.batch_size,
            "seed": job.seed,
            "phase": state.phase,
            "first_epoch": epoch,
            "skip": skip,
        }
        if inputs.train is None:
            return ImageBatches(job.train, job.augment, targets, weights, **shared)
        return ViewBatches(inputs.train, targets, weights, **shared)

    variables = network_variables(job.network)
    saver = SaveState(job.checkpoints, state, keep, variables, started, job.interruption, steps)
    job.reporter.start(f"{phase.title} ({phase.epochs} epochs)", phase.epochs * steps)
    callbacks = [
        _Finite(),
        keep,
        saver,
        EpochProgress(job.reporter, steps),
        *job.callbacks,
        *_tensorboard(job, phase, state.phase),
    ]
    try:
        # After an interruption the rest of the epoch is a fit of its own.
        spans = [(state.epoch, state.epoch + 1, state.step)] if state.step else []
        spans.append((state.epoch + len(spans), phase.epochs, 0))
        for first, last, skip in spans:
            stopped = keep.best is not None and (
                phase.patience is not None and keep.best.waited >= phase.patience
            )
            if first < last and not stopped:
                model.fit(
                    batches(first, skip),
                    initial_epoch=first,
                    epochs=last,
                    verbose=0,
                    validation_data=validation,
                    shuffle=False,
                    callbacks=callbacks,
                )
    except KeyboardInterrupt:
        if not job.interruption.abrupt:
            saver.save()
        raise
    keep.restore()
    best = keep.best
    mixed = None
    if phase.interpolate and best is not None:
        mixed, score = interpolate(model, state.start_values, validation, best.score)
        best = dataclasses.replace(best, score=score)
    note = "" if best is None else f"val accuracy {best.score[0]:.3f} (epoch {best.epoch})"
    job.reporter.finish(note)
    return {
        "name": phase.title,
        "train_from": str(phase.train_from),
        "boundary": cut.name,
        "epochs": len(state.history.get("loss", [])),
        "seconds": round(time.perf_counter() - started + inputs.fill_seconds, 3),
        "fill_seconds": round(inputs.fill_seconds, 3),
        "train_examples": len(job.train),
        "computed_examples": inputs.computed,
        "trainable_parameters": int(
            sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
        ),
        "cached_bytes": inputs.cached_bytes,
        "learning_rate": phase.learning_rate,
        "best_epoch": None if best is None else best.epoch,
        "interpolation": mixed,
        "accuracy": None if best is None else round(best.score[0], 6),
        "loss": None if best is None else round(-best.score[1], 6),
        "history": state.history,
    }


def _tensorboard(job: Job, phase: Phase, index: int) -> list[Any]:
    if job.tensorboard is None:
        return []
    folder = job.tensorboard / f"{index}-{phase.title.replace(' ', '-')}"
    return [keras.callbacks.TensorBoard(log_dir=str(folder), write_graph=False)]


class _Finite(keras.callbacks.Callback):
    """Ends training with an error where the loss is not a number."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            raise TrainingError(
                f"The training loss became {loss} in epoch {epoch + 1}. Lower the learning rate, "
                "and check that the images are not all one colour."
            )
