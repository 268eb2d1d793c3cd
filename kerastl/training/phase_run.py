"""One phase of a plan, from its first step or from where it was interrupted."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kerastl.errors import TrainingError, counted
from kerastl.graph import Cut
from kerastl.outputs.contrastive import ContrastiveLoss
from kerastl.training.adamw import PhaseAdamW
from kerastl.training.averaging import ValidateAverages, kept_values
from kerastl.training.checkpoint import State, network_variables
from kerastl.training.feeding import for_evaluate, for_fit
from kerastl.training.gain import is_better
from kerastl.training.goal import Goal
from kerastl.training.inputs import PhaseInputs
from kerastl.training.job import Job
from kerastl.training.lora import Adapters, adapters
from kerastl.training.optimization import Timed, make_optimizer, make_schedule
from kerastl.training.phase import Phase
from kerastl.training.phase_batches import answers_of, training_batches, validation_batches
from kerastl.training.precision import HALF
from kerastl.training.progress import EpochProgress
from kerastl.training.rates import depths
from kerastl.training.saving import SaveState
from kerastl.training.selection import (
    Best,
    KeepBest,
    evaluated,
    interpolate,
    mix,
    read_variables,
    write_variables,
)
from kerastl.training.starting_point import read_origin
from kerastl.training.traced import TracedStep, can_be_kept, key_of, steps_read_variables
from kerastl.training.tracking import EpochTracking, epochs_of

Array = np.ndarray[Any, Any]
# After a divergence the phase goes on at this fraction of its learning rate.
_SLOWER = 0.1


class _DivergedError(Exception):
    """The loss is not a number."""

    def __init__(self, epoch: int, loss: float) -> None:
        super().__init__(f"The training loss became {loss} in epoch {epoch + 1}.")
        self.epoch = epoch


class _Finite(keras.callbacks.Callback):
    """Ends ``fit`` where the loss is not a number."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            raise _DivergedError(epoch, loss)


@dataclasses.dataclass(eq=False)
class PhaseRun:
    """Carries out a phase that begins to train at a cut.

    It follows the state of the run, and writes it to disk from time to time. ``origin`` are the
    weights with which the run began (see ``read_origin``).
    """

    job: Job
    goal: Goal
    phase: Phase
    cut: Cut
    inputs: PhaseInputs
    state: State
    origin: Mapping[int, Array]

    def __post_init__(self) -> None:
        self._started = time.perf_counter() - self.state.seconds
        self._model = self.goal.trained_part(self.phase, self.inputs.model)
        batches = validation_batches(self.job, self.goal, self.phase, self.inputs)
        self._validation = None if batches is None else for_evaluate(batches)
        self._keep = KeepBest(
            self.goal.score,
            self.phase.patience,
            read=kept_values,
            margin=self.goal.margin(self.phase),
            last=self.phase.select == "last",
        )
        self._depth: dict[int, int] = {}

    def run(self) -> dict[str, Any]:
        """Trains, leaves the best weights in the network, and returns a record (see ``run_plan``).

        Raises TrainingError where the loss is not a number, at a tenth of the learning rate too.
        """
        job, phase = self.job, self.phase
        variables = network_variables(job.network)
        lora = adapters(job.network, self.cut, phase, seed=job.seed, number=self.state.phase)
        with lora as added:
            return self._train(variables, added)

    def _train(self, variables: list[Any], added: Adapters | None) -> dict[str, Any]:
        job, phase = self.job, self.phase
        extra = [] if added is None else added.variables
        if self.state.adapters:
            write_variables(extra, self.state.adapters)
        # What weighs the losses belongs to the outputs, and so to the head.
        weighing = self.goal.loss_weights.variables
        self._depth = depths(job.network, job.stages) | {id(variable): 0 for variable in weighing}
        self._trace()
        self._take_up()
        saver = SaveState(
            job.checkpoints,
            self.state,
            self._keep,
            {"network": variables, "adapters": extra, "loss_variables": weighing},
            self._started,
            job.interruption,
            job.steps,
        )
        job.reporter.start(
            f"{phase.title} ({counted(phase.epochs, 'epoch')})", phase.epochs * job.steps
        )
        callbacks = [
            _Finite(),
            *([] if phase.ema is None else [ValidateAverages()]),
            self._keep,
            saver,
            EpochProgress(job.reporter, job.steps, f"val_{self.goal.score.name}"),
            *job.callbacks,
            *self._tensorboard(),
            *self._tracking(),
        ]
        while True:
            try:
                self._fit(callbacks)
                break
            except _DivergedError as error:
                self._slow_down(error)
            except KeyboardInterrupt:
                if not job.interruption.abrupt:
                    saver.save()
                raise
        return self._end(added)

    def _trace(self) -> None:
        """Compiles the part that trains, or goes on with what an earlier turn compiled."""
        job, phase = self.job, self.phase
        plain = phase.lora is None and self._model is self.inputs.model and steps_read_variables()
        if not job.in_turns or not plain or self.state.slowed_at is not None:
            self._compile()
            return
        key = key_of(
            phase,
            self.state.phase,
            self._model,
            steps_per_epoch=job.steps,
            incomplete=self.goal.incomplete,
        )
        known: TracedStep | None = job.kept.pop(key, None)
        if known is not None and known.lasts:
            self._model = known.model
            known.rewind(phase, job.steps)
        else:
            schedule = Timed(make_schedule(phase, job.steps))
            self._compile(schedule.schedule)
            known = TracedStep(self._model, self._model.optimizer, schedule)
        if can_be_kept(self._model):
            job.kept[key] = known

    def _compile(self, schedule: Any = None) -> None:
        """Compiles the part that trains, at the rate that a divergence may have left."""
        phase = self.phase
        if self.state.slowed_at is not None:
            phase = dataclasses.replace(
                phase,
                epochs=phase.epochs - self.state.slowed_at,
                learning_rate=phase.learning_rate * _SLOWER,
            )
        optimizer = make_optimizer(
            phase,
            make_schedule(phase, self.job.steps) if schedule is None else schedule,
            self._model.trainable_variables,
            depth=self._depth,
            origin=self.origin,
            scale_loss=self.job.precision == HALF,
        )
        self._model.compile(optimizer=optimizer, **self.goal.compile_arguments(phase))

    def _take_up(self) -> None:
        """Puts back what an interrupted run had; else weighs what the phase begins with."""
        state, keep = self.state, self._keep
        # Where all epochs were done already, no fit will tell it.
        keep.set_model(self._model)
        # A divergence goes back to these as long as there is no best epoch.
        begins_trained = state.phase > 0 or self.goal.begins_trained
        scored = self._validation is not None and begins_trained
        returns = self.phase.interpolate or self.phase.optional
        if (returns or not scored) and not state.start_values:
            state.start_values = read_variables(self._model.trainable_variables)
        if state.optimizer:
            write_variables(self._model.optimizer.variables, state.optimizer)
            if state.best is not None:
                best = {**state.best, "score": tuple(state.best["score"])}
                keep.best = Best(values=state.best_values, **best)
        elif scored:
            # What the phase before learned is a candidate; an untrained head is not.
            keep.consider(evaluated(self._model, self._validation, self.goal.score), 0)

    def _fit(self, callbacks: list[Any]) -> None:
        state, patience = self.state, self.phase.patience
        # After an interruption the rest of the epoch is a fit of its own.
        spans = [(state.epoch, state.epoch + 1, state.step)] if state.step else []
        spans.append((state.epoch + len(spans), self.phase.epochs, 0))
        for first, last, skip in spans:
            best = self._keep.best
            stopped = best is not None and patience is not None and best.waited >= patience
            if first < last and not stopped:
                batches = training_batches(
                    self.job,
                    self.goal,
                    self.phase,
                    self.inputs,
                    number=state.phase,
                    epoch=first,
                    skip=skip,
                )
                self._model.fit(
                    **for_fit(batches, last),
                    initial_epoch=first,
                    epochs=last,
                    verbose=0,
                    validation_data=self._validation,
                    shuffle=False,
                    callbacks=callbacks,
                )

    def _slow_down(self, error: _DivergedError) -> None:
        """Goes back to the last good weights, and on at a lower rate; once."""
        best, state = self._keep.best, self.state
        good = state.start_values if best is None else best.values
        again = state.slowed_at is not None
        if again or not all(np.isfinite(value).all() for value in good):
            before = " It did so before, at a higher learning rate." if again else ""
            raise TrainingError(
                f"{error}{before} "
                "Lower the learning rate, and look at the data: images of one colour, empty texts."
            ) from error
        write_variables(self._model.trainable_variables, good)
        state.slowed_at, state.epoch, state.step = error.epoch, error.epoch, 0
        self.job.reporter.note(
            f"{error} Back to the last good weights, and on at {_SLOWER:g} of the learning rate."
        )
        self._compile()

    def _end(self, added: Adapters | None) -> dict[str, Any]:
        """Puts the best weights into the network, and makes the record."""
        phase, model = self.phase, self._model
        best, score = self._keep.best, self.goal.score
        self._keep.restore()
        if best is None and phase.ema is not None:
            write_variables(model.trainable_variables, kept_values(model))
        sizes = [int(np.prod(variable.shape)) for variable in model.trainable_variables]
        trained = sum(sizes) - len(self.goal.loss_weights.variables)
        start = self.state.start_values
        if added is not None:
            start = self._merge(added)
        mixed = None
        if phase.chooses_mixture and best is not None:
            likely = phase.interpolate == "likelihood"
            mixed, found = interpolate(
                model, start, self._validation, best.score, by=score, likely=likely
            )
            best = dataclasses.replace(best, score=found)
        elif phase.interpolate and not phase.chooses_mixture:
            mixed = float(phase.interpolate)
            mix(model, start, read_variables(model.trainable_variables), mixed)
        left_out = phase.optional and not self._helped()
        if left_out:
            write_variables(model.trainable_variables, start)
        own = (PhaseAdamW, keras.optimizers.LossScaleOptimizer)
        if isinstance(model.optimizer, own) or isinstance(model.loss, ContrastiveLoss):
            # Saved with the network, it would ask those who load it for a class of this library.
            model.optimizer, model.compiled = None, False
        said = "" if best is None else _note(best, score.name)
        self.job.reporter.finish(f"{said}; left out, since no gain is shown" if left_out else said)
        record = self._record(best, trained, mixed)
        return {**record, "left_out": True} if left_out else record

    def _helped(self) -> bool:
        """Whether the phase is shown to have helped; True where nothing can say."""
        job, before = self.job, self.state.solved
        if job.validation is None or not before or self._validation is None:
            return True
        found = answers_of(job, self.goal, self.inputs)
        own = [rows[self.state.answered :] for rows in before]
        if not len(own[0]):
            return True  # In this turn no head was solved so far.
        pairs = [dict(zip(job.outputs, rows, strict=True)) for rows in (own, found)]
        return is_better(job.outputs, job.validation.targets, *pairs)

    def _record(self, best: Best | None, trained: int, mixed: float | None) -> dict[str, Any]:
        phase, inputs, goal = self.phase, self.inputs, self.goal
        record = {
            "name": phase.title,
            "train_from": str(phase.train_from),
            "boundary": self.cut.name,
            "epochs": len(self.state.history.get("loss", [])),
            "seconds": round(time.perf_counter() - self._started + inputs.fill_seconds, 3),
            "fill_seconds": round(inputs.fill_seconds, 3),
            "train_examples": len(self.job.train),
            "computed_examples": inputs.computed,
            "trainable_parameters": trained,
            "cached_bytes": inputs.cached_bytes,
            "learning_rate": phase.learning_rate,
            "slowed_at": self.state.slowed_at,
            "best_epoch": None if best is None else best.epoch,
            "interpolation": mixed,
            "score": goal.score.name,
            goal.score.name: None if best is None else round(best.score[0], 6),
            "loss": None if best is None else round(-best.score[1], 6),
            "history": self.state.history,
        }
        if len(self.job.outputs) > 1:
            weights = goal.loss_weights.values()
            record["loss_weights"] = {name: round(value, 6) for name, value in weights.items()}
        return record

    def _merge(self, added: Adapters) -> list[Array]:
        """Merges low-rank updates; returns what trains without them as it was at the start."""
        model = self._model
        # The kernels have not moved so far: they are those of the start still.
        before = read_origin(network_variables(self.job.network))
        before |= zip(map(id, model.trainable_variables), self.state.start_values, strict=False)
        added.merge()
        self._compile()  # The steps that were traced know of the updates.
        return [before[id(variable)] for variable in model.trainable_variables]

    def _tensorboard(self) -> list[Any]:
        if self.job.tensorboard is None:
            return []
        name = f"{self.state.phase}-{self.phase.title.replace(' ', '-')}"
        name += f"-turn-{self.state.turn + 1}" if self.state.turn else ""
        folder = self.job.tensorboard / name
        return [keras.callbacks.TensorBoard(log_dir=str(folder), write_graph=False)]

    def _tracking(self) -> list[Any]:
        if self.job.tracker is None:
            return []
        before = [record for records in self.state.earlier for record in records]
        before += self.state.records
        phase, epochs = len(before) + 1, epochs_of(before)
        return [EpochTracking(self.job.tracker, phase=phase, before=epochs)]


def _note(best: Best, score: str) -> str:
    """What is said of the best weights; those of epoch 0 are the ones that the phase began with."""
    when = f"epoch {best.epoch}" if best.epoch else "before the first epoch"
    return f"val {score} {best.score[0]:.3f} ({when})"
