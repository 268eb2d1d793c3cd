"""Solving the head of a network on the activations before it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kerastl.data.folds import deal
from kerastl.graph import Cut
from kerastl.graph.layers import output_operations
from kerastl.outputs import Output
from kerastl.solving import LINKS, Features, Problem, Solution, cross_validate, one_thread, solve
from kerastl.training.checkpoint import State, stacked
from kerastl.training.gain import losses_of
from kerastl.training.goal import Goal
from kerastl.training.inputs import PhaseInputs
from kerastl.training.job import Job
from kerastl.training.probe import DEFAULT_FOLDS, Probe
from kerastl.training.targets import weights_by_output

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(eq=False)
class ProbeRun:
    """Carries out a ``Probe``: the optimum becomes the kernel and the bias of the head's layers.

    It is a function of the activations and the folds alone, so that a run that was killed in the
    middle of it goes on with the same weights.
    """

    job: Job
    goal: Goal
    probe: Probe
    cut: Cut
    inputs: PhaseInputs
    state: State

    def run(self) -> dict[str, Any]:
        """Solves the head of each output, and returns a record (see ``run_plan``)."""
        job, inputs = self.job, self.inputs
        started = time.perf_counter()
        assert inputs.train is not None
        job.reporter.start(f"{self.probe.title} (solved)", len(job.outputs))
        with one_thread():
            limit = max(job.storage.memory_limit // 2, 1)
            features = Features(inputs.train, groups=groups_of(self.cut), memory_limit=limit)
            found = {}
            for done, (name, output) in enumerate(job.outputs.items(), start=1):
                found[name] = self._solve(name, output, features)
                job.advance(done)
        score, loss = self._validated()
        strengths = ", ".join(f"{record['l2']:.3g}" for record in found.values())
        said = "" if score is None else f", val {self.goal.score.name} {score:.3f}"
        job.reporter.finish(f"penalty {strengths}{said}")
        return self._record(found, started, score, loss)

    def _solve(self, name: str, output: Output, features: Features) -> dict[str, Any]:
        """Solves the head of one output; returns what the record says of it."""
        problem = self._problem(name, output, features)
        l2, losses = self.probe.l2, None
        if l2 is None:
            folds = job_folds(self.job, self.probe.folds, problem.weights > 0)
            validated = cross_validate(problem, folds)
            l2, losses = validated.l2, validated.losses
        solution = solve(problem, l2)
        self._assign(name, output, features, solution)
        return {
            "l2": l2,
            "iterations": solution.iterations,
            "converged": solution.converged,
            "out_of_fold_loss": None if losses is None else round(losses[l2], 6),
            "strengths": None if losses is None else {f"{k:.6g}": v for k, v in losses.items()},
        }

    def _problem(self, name: str, output: Output, features: Features) -> Problem:
        labels = self.job.train.targets[name]
        assert output.link is not None
        targets = output.linear_targets(labels)
        smoothing = self.probe.label_smoothing if output.takes_smoothing else 0.0
        if smoothing:
            width = targets.shape[1] if output.link == "softmax" else 2
            targets = targets * (1 - smoothing) + smoothing / width
        given = weights_by_output(self.job.outputs, self.job.class_weight)[name]
        own = output.weights(labels, given)
        weights = np.ones(len(labels)) if own is None else own.astype(np.float64)
        return Problem(features, targets, weights * output.present(labels), output.link)

    def _assign(self, name: str, output: Output, features: Features, found: Solution) -> None:
        kernel, bias = features.unscaled(found.kernel, found.bias)
        layer = head_layers(self.job)[name]
        layer.kernel.assign(kernel.astype(np.float32))
        layer.bias.assign(bias.astype(np.float32))

    def _validated(self) -> tuple[float | None, float | None]:
        """The score and the mean loss on the validation examples; None without any."""
        job, held = self.job, self.job.validation
        if held is None or self.inputs.validation is None:
            return None, None
        answers = linear_answers(job, self.inputs.validation)
        # Of two heads that a plan solves the later one counts.
        before = [rows[: self.state.answered] for rows in self.state.solved if self.state.answered]
        self.state.solved = stacked(before, [answers[name] for name in job.outputs])
        scores, losses = [], []
        for name, output in job.outputs.items():
            labels = held.targets[name]
            rows = output.present(labels)
            if not rows.any():
                continue
            found = output.measure(labels[rows], answers[name][rows])
            scores.append(found.get(output.score))
            truth = output.linear_targets(labels[rows])
            losses.append(losses_of(output, truth, answers[name][rows]).mean())
        if not scores or any(score is None for score in scores):
            return None, None
        clipped = np.array(scores, float)
        if len(scores) > 1:
            clipped = np.clip(clipped, 0, 1)
        return float(np.mean(clipped)), float(np.sum(losses))

    def _record(
        self,
        found: Mapping[str, dict[str, Any]],
        started: float,
        score: float | None,
        loss: float | None,
    ) -> dict[str, Any]:
        job, inputs, name = self.job, self.inputs, self.goal.score.name
        layers = head_layers(job).values()
        trained = sum(int(np.prod(v.shape)) for layer in layers for v in layer.weights)
        solved = next(iter(found.values())) if len(found) == 1 else {"outputs": dict(found)}
        return {
            "name": self.probe.title,
            "train_from": str(self.probe.train_from),
            "boundary": self.cut.name,
            "epochs": 0,
            "seconds": round(time.perf_counter() - started + inputs.fill_seconds, 3),
            "fill_seconds": round(inputs.fill_seconds, 3),
            "train_examples": len(job.train),
            "computed_examples": inputs.computed,
            "trainable_parameters": trained,
            "cached_bytes": inputs.cached_bytes,
            "learning_rate": None,
            "slowed_at": None,
            "best_epoch": None,
            "interpolation": None,
            "score": name,
            name: None if score is None else round(score, 6),
            "loss": None if loss is None else round(loss, 6),
            "history": {},
            "solved": solved,
        }


def groups_of(cut: Cut) -> list[int] | None:
    """Sizes of the groups of features that a head reads side by side; None of one group."""
    operation = cut.tensor._keras_history.operation
    if not isinstance(operation, keras.layers.Concatenate):
        return None
    return [int(tensor.shape[-1]) for tensor in operation.input]


def job_folds(job: Job, count: int, counted: Array) -> Array:
    """The fold of each training example, int64 (n,): those of the job, or as many as asked for.

    ``counted`` says which examples have a label and a weight. Where these are all of one group,
    nothing can be learned without it, and examples are dealt one by one.
    """
    folds = job.folds
    if folds is None or count != DEFAULT_FOLDS:
        targets = job.train.targets
        folds = deal(job.outputs, targets, count, seed=job.seed, together=job.together)
    rows = np.flatnonzero(counted)
    if len(np.unique(folds[rows])) > 1:
        return folds
    alone = np.zeros(len(folds), np.int64)
    # Dealt in turn, so that even a few examples lie in different folds.
    alone[rows] = np.random.default_rng([job.seed, count]).permutation(len(rows)) % count
    return alone


def head_layers(job: Job) -> dict[str, Any]:
    """The dense layer of each output, by its name."""
    names = [operation.name for operation in output_operations(job.network)]
    layers = {operation.name: operation for operation in job.network.operations}
    return {
        name: layers[output.linear_layer(made)]
        for (name, output), made in zip(job.outputs.items(), names, strict=True)
    }


def cool(job: Job, name: str, temperature: float) -> None:
    """Divides the scores of an output by a temperature, in the network itself."""
    for variable in head_layers(job)[name].weights:
        variable.assign(keras.ops.convert_to_numpy(variable) / np.float32(temperature))


def linear_answers(job: Job, activations: Any) -> dict[str, Array]:
    """What the head answers to activations ``(n, d)``: float32 ``(n, width)`` by output."""
    values = np.asarray(activations[np.arange(len(activations))]).astype(np.float64)
    found = {}
    for (name, output), layer in zip(job.outputs.items(), head_layers(job).values(), strict=True):
        kernel, bias = (np.asarray(keras.ops.convert_to_numpy(v), float) for v in layer.weights)
        assert output.link is not None
        scores = LINKS[output.link].answers(values @ kernel + bias)
        found[name] = output.of_linear(scores).astype(np.float32)
    return found
