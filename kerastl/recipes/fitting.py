"""What ``fit`` does: data, network, plan, metrics, run directory."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerastl.data import Dataset, ExampleDataset
from kerastl.data.folds import deal, folds_of, together_of
from kerastl.errors import ConfigurationError
from kerastl.evaluation import (
    Evidence,
    Other,
    Seen,
    answer_loaded,
    fit_baselines,
    measure_answers,
    out_of_fold,
)
from kerastl.graph import open_model
from kerastl.inputs.examples import Examples, Subset
from kerastl.model import TrainedModel, model_of, predict_examples, run_directory
from kerastl.optional import require
from kerastl.outputs import Output
from kerastl.provenance import command_line, command_options, versions
from kerastl.recipes import tracking
from kerastl.recipes.checks import check_settings, check_stages
from kerastl.recipes.jobs import make_job, plain_weights
from kerastl.recipes.refitting import FOLDS, Estimate, Refit, gain_notes, refit_of
from kerastl.recipes.resuming import (
    Settings,
    begun,
    is_finished,
    load_finished,
    prepare,
    state_to_resume,
)
from kerastl.recipes.run_lock import locked, refuse_locked
from kerastl.recipes.sampling import choose_samples
from kerastl.task import Task
from kerastl.training import (
    CheckpointStore,
    LearningRateTest,
    Probe,
    Reporter,
    Tracker,
    carry_out,
    carry_out_in_turns,
    fine_tunes,
    learning_rate_test,
    telling_how_it_ends,
    weights_by_output,
)

if TYPE_CHECKING:
    from kerastl.recipes.recipe import Base, Recipe


# Reads training data, and validation data or None.
Load = Callable[[], tuple[Dataset, Dataset | None]]


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """What training needs besides the recipe and the data; see ``Recipe.fit``."""

    seed: int
    out: Path | None
    resume: bool
    overwrite: bool
    callbacks: tuple[Any, ...]
    tensorboard: bool | str | os.PathLike[str]
    tracker: Tracker | None
    reporter: Reporter
    validation: Any = None


@dataclasses.dataclass(frozen=True)
class Network:
    """A network before its training, with what it is made of and for.

    Attributes:
        outputs: by name, with the classes of the training data.
        weights_sha256: of the file of weights; None where they are random.
        refit: how it is trained on all of the data and yet measured; None where some are held back.
    """

    base: Base
    model: keras.Model
    outputs: Mapping[str, Output]
    weights_sha256: str | None
    train: Dataset
    validation: Dataset | None
    refit: Refit | None = None

    @property
    def data_names(self) -> dict[str, str]:
        """What the data are called: paths from the root on, where they are paths."""
        parts = {"training": self.train, "validation": self.validation}
        named = {name: data.where for name, data in parts.items() if data is not None}
        return {
            name: str(Path(where).resolve()) if where and Path(where).exists() else where
            for name, where in named.items()
        }

    @functools.cached_property
    def fingerprints(self) -> dict[str, str | None]:
        """Those of the data; a stream has one only after it was read."""
        return {
            "data_fingerprint": self.train.fingerprint,
            "validation_fingerprint": self.validation.fingerprint if self.validation else None,
        }


def fit(recipe: Recipe[Any], load: Load, run: RunSettings) -> TrainedModel:
    """Trains a model; see ``Recipe.fit`` for the arguments."""
    check_settings(recipe, run.seed)
    logs = _tensorboard_folder(run.tensorboard, run.out)
    out = run.out
    if out is None and (run.resume or run.overwrite):
        raise ConfigurationError("resume and overwrite are of a run directory: give out=.")
    if run.tracker is not None:
        run.tracker.check()
    if out is not None and run.resume:
        recipe = begun(out, recipe)
    if out is not None:
        refuse_locked(out)
        if is_finished(out, resume=run.resume, overwrite=run.overwrite):
            return _take_up_finished(recipe, run, out)
    network = _make_network(recipe, load, run.seed, validation=run.validation)
    if out is None:
        return _fit_network(recipe, network, run, logs)
    with locked(out):
        # Reading the data may have taken long enough for another process to finish a run here.
        if is_finished(out, resume=run.resume, overwrite=run.overwrite):
            return _take_up_finished(recipe, run, out)
        prepare(out, clear=run.overwrite and not run.resume)
        return _fit_network(recipe, network, run, logs)


def _take_up_finished(recipe: Recipe[Any], run: RunSettings, out: Path) -> TrainedModel:
    model = load_finished(out, recipe, run.seed)
    described = tracking.describe(recipe, run.seed, model.provenance, out)
    tracking.track_again(run.tracker, described, model, out)
    return model


def _fit_network(
    recipe: Recipe[Any], network: Network, run: RunSettings, logs: Path | None
) -> TrainedModel:
    with telling_how_it_ends(run.tracker):
        with tempfile.TemporaryDirectory(dir=run.out, prefix=".tmp-") as scratch:
            examples = _read(network, Path(scratch), run.reporter)
            for name, output in network.outputs.items():
                output.check_trainable(examples[0].targets[name], recipe.batch_size)
            trained = _train(recipe, network, examples, run, Path(scratch), logs)
            model = _trained_model(recipe, network, trained, run.seed)
        if run.out is not None:
            model.save(run.out, overwrite=True)
        tracking.finish(run.tracker, model, run.out)
    return model


def find_learning_rate(
    recipe: Recipe[Any], load: Load, *, seed: int, reporter: Reporter, **test: Any
) -> LearningRateTest:
    """Runs a range test; ``test`` goes to ``learning_rate_test``."""
    check_settings(recipe, seed)
    # No model comes out of this test, so nothing that is held back needs to be trained on.
    network = _make_network(dataclasses.replace(recipe, refit=False), load, seed)
    with tempfile.TemporaryDirectory(prefix="kerastl-") as scratch:
        train, _ = _read(network, Path(scratch), reporter, validate=False)
        job = make_job(
            recipe,
            open_model(network.model),
            network.outputs,
            train,
            None,
            data=network.data_names,
            seed=seed,
            scratch=Path(scratch),
            reporter=reporter,
        )
        return learning_rate_test(job, **test)


def _make_network(
    recipe: Recipe[Any], load: Load, seed: int, *, validation: Any = False
) -> Network:
    """Builds a recipe's network for some data; ``validation`` is what the user gave for it.

    Keras's, NumPy's and Python's global generators are seeded, since Keras draws initial weights
    and dropout from them.
    """
    keras.utils.set_random_seed(seed)
    # Built before the data are read, which may take long: weights may not fit, stages not exist.
    base = recipe.build_base()
    check_stages(recipe, base.model)
    train, held_out = load()
    refit = refit_of(recipe, train, held_out, validation=validation)
    if refit is not None:
        train, held_out = refit.data, None
    outputs = dict(train.outputs)
    if isinstance(train, ExampleDataset):
        # The labels of a stream are not known yet.
        outputs = {name: out.fitted(train.targets[name]) for name, out in outputs.items()}
    weights_by_output(outputs, plain_weights(recipe.class_weight))
    keras.utils.set_random_seed(seed)
    model, weights_sha256 = recipe.assemble(outputs, seed=seed, base=base)
    return Network(base, model, outputs, weights_sha256, train, held_out, refit)


def _read(
    network: Network, scratch: Path, reporter: Reporter, *, validate: bool = True
) -> tuple[Examples, Examples | None]:
    """Turns data into what goes into the network: training and validation examples."""
    input = network.base.input
    reporter.start(input.reading_step, 1)
    train = input.examples(network.train, scratch)
    held_out = None
    if validate and network.validation is not None:
        held_out = input.examples(network.validation, scratch)
    if network.refit is not None:
        reporter.finish(f"{len(train)} {input.nouns}")
        return train, None
    count = 0 if held_out is None else len(held_out)
    reporter.finish(
        f"{len(train)} training, {count} validation {input.noun if count == 1 else input.nouns}"
    )
    return train, held_out


@dataclasses.dataclass(frozen=True)
class Trained:
    """What came of a recipe's plan, and what it is measured by.

    Attributes:
        examples: all that the network was trained on.
        history: records of the plan's steps.
        measured: the data that answers are of; None without any.
        held: the examples of these that were answered.
        answers: to ``held``, by output: of the network, or of others that were trained in the same
            way without them (see ``carry_out_in_turns``).
        solved: likewise of the solved head before any fine-tuning; empty where that is all.
        estimate: how answers came about where they are not the network's own; else None.
        refit: the fold of each example, and those that were left out in turn; else None.
        parts: of ``held``, by which what is chosen on them is measured.
    """

    examples: Examples
    history: list[dict[str, Any]]
    measured: Dataset | None
    held: Examples | None
    answers: Mapping[str, Any] | None
    solved: Mapping[str, Any]
    estimate: Estimate | None = None
    refit: tuple[Any, Sequence[int]] | None = None
    parts: Any = None

    def unflattered(self, outputs: Mapping[str, Output]) -> Trained:
        """With answers that owe nothing to what outputs were tuned on (see ``cross_fitted``)."""
        if self.held is None or self.answers is None or self.parts is None:
            return self
        targets = self.held.targets
        answers, solved = (
            {
                name: outputs[name].cross_fitted(targets[name], rows, self.parts)
                for name, rows in found.items()
            }
            for found in (self.answers, self.solved)
        )
        return dataclasses.replace(self, answers=answers, solved=solved)


def _train(
    recipe: Recipe[Any],
    network: Network,
    examples: tuple[Examples, Examples | None],
    run: RunSettings,
    scratch: Path,
    tensorboard: Path | None,
) -> Trained:
    """Carries out a recipe's plan, from where an interrupted run stood."""
    settings = Settings(
        json.loads(json.dumps(recipe.get_config())),
        run.seed,
        network.weights_sha256,
        network.fingerprints,
        command_options(),
    )
    checkpoints = state = None
    if run.out is not None:
        checkpoints = CheckpointStore(run.out / run_directory.CHECKPOINTS)
        state = state_to_resume(run.out, settings, run.resume)
        if state is None:
            settings.write(run.out)
    origin = {**network.fingerprints, "weights_sha256": network.weights_sha256}
    described = tracking.describe(recipe, run.seed, origin, run.out)
    tracking.begin(run.tracker, described, run.out, resume=run.resume, state=state)
    train, held_out = examples
    plan = recipe.resolved_plan
    job = make_job(
        recipe,
        # It shares all weights with the network, which is what is saved.
        open_model(network.model),
        network.outputs,
        train,
        held_out,
        run=run.out,
        data=network.data_names,
        seed=run.seed,
        scratch=scratch,
        reporter=run.reporter,
        settings=settings.fingerprint,
        callbacks=run.callbacks,
        tensorboard=tensorboard,
        tracker=run.tracker,
        checkpoints=checkpoints,
    )
    if network.refit is None:
        if any(isinstance(step, Probe) for step in plan):
            folds = folds_of(network.train, train, FOLDS, seed=run.seed)
            together = together_of(network.train, train)
            job = dataclasses.replace(job, folds=folds, together=together)
        state = carry_out(job, plan, state)
        answers = None
        if held_out is not None:
            answers = predict_examples(network.model, network.outputs, held_out)
        solved = {}
        if fine_tunes(plan):
            solved = dict(zip(network.outputs, state.solved, strict=False))
        return Trained(train, state.records, network.validation, held_out, answers, solved)
    folds = network.refit.folds(train, run.seed)
    held_folds = network.refit.held_folds(plan, folds)
    together = together_of(network.train, train)
    job = dataclasses.replace(job, together=together)
    outcome = carry_out_in_turns(job, plan, folds, held_folds, state)
    estimate = Estimate(
        len(outcome.held),
        len(train),
        len(np.unique(folds[outcome.held])),
        outcome.temperatures,
    )
    held = Subset(train, outcome.held)
    groups = None if together is None else together[outcome.held]
    return Trained(
        train,
        outcome.records,
        network.refit.measured(train, outcome.held),
        held,
        outcome.answers,
        outcome.solved,
        estimate,
        (folds, held_folds),
        deal(network.outputs, held.targets, FOLDS, seed=run.seed, together=groups),
    )


def _trained_model(
    recipe: Recipe[Any], network: Network, trained: Trained, seed: int
) -> TrainedModel:
    """The model, measured on examples that were held out where there are any."""
    train, held_out, answers = trained.examples, trained.held, trained.answers
    outputs = dict(network.outputs)
    if held_out is not None and answers is not None:
        outputs = {
            name: output.tuned(held_out.targets[name], answers[name])
            for name, output in outputs.items()
        }
    trained = trained.unflattered(outputs)
    evidence = _evidence(network, outputs, trained, seed)
    estimate = trained.estimate
    given = {
        name: output.of_network(int(tensor.shape[-1]))
        for (name, output), tensor in zip(outputs.items(), network.model.outputs, strict=True)
    }
    return model_of(
        network=network.model,
        task=Task(network.base.input, given),
        recipe=recipe.get_config(),
        history=trained.history,
        metrics={} if evidence.evaluation is None else evidence.evaluation.metrics,
        provenance={
            **provenance_of(recipe, network.base, network.weights_sha256, seed),
            **network.fingerprints,
            "train_examples": len(train),
            "validation_examples": 0 if estimate or held_out is None else len(held_out),
            **({} if estimate is None else {"estimate": estimate.told(network.base.input.nouns)}),
            "class_counts": _class_counts(outputs, trained),
            **recipe.origin(outputs),
            **({"options": options} if (options := command_options()) else {}),
        },
        samples=choose_samples(
            network.train if estimate else network.validation,
            outputs,
            train,
            None if estimate else held_out,
            seed,
        ),
        evidence=evidence,
    )


def _evidence(
    network: Network,
    outputs: Mapping[str, Output],
    trained: Trained,
    seed: int,
) -> Evidence:
    """Baselines and digests of the training examples, and what the held-out examples show."""
    input, train, held_out = network.base.input, trained.examples, trained.held
    seen = Seen.of(network.train, None if trained.refit else network.validation)
    if held_out is None or trained.measured is None or trained.answers is None:
        return Evidence(None, fit_baselines(input, outputs, train, seed=seed), seen)
    answered = answer_loaded(input, outputs, trained.measured, held_out, trained.answers)
    others = {}
    if trained.refit is None:
        baselines = fit_baselines(input, outputs, train, seed=seed)
        own = Evidence(baselines=baselines)
    else:
        own = Evidence()
        baselines, beside = out_of_fold(input, outputs, train, *trained.refit, seed=seed)
        for kind, (title, rows) in beside.items():
            in_order = answer_loaded(input, outputs, trained.measured, held_out, rows)
            others[kind] = Other(title, in_order.answers)
    if trained.solved:
        head = answer_loaded(input, outputs, trained.measured, held_out, trained.solved)
        others["probe"] = Other("the solved head alone", head.answers)
    evaluation = measure_answers(answered, own, others=others)
    notes = [] if trained.estimate is None else [trained.estimate.sentence(input.nouns)]
    notes += gain_notes(evaluation)
    if trained.estimate is not None and outputs != dict(network.outputs):
        notes.append("Each fifth of these examples was judged with thresholds chosen on the rest.")
    evaluation = dataclasses.replace(
        evaluation, notes=(*notes, *baselines.notes, *evaluation.notes)
    )
    return Evidence(evaluation, baselines, seen)


def _class_counts(
    outputs: Mapping[str, Output], trained: Trained
) -> dict[str, dict[str, dict[str, int]]]:
    """Examples of each class, by part of the data and by output; of outputs with classes."""
    parts = {"train": trained.examples}
    if trained.held is not None:
        parts["held_out" if trained.estimate else "validation"] = trained.held
    return {
        part: {
            name: counts
            for name, output in outputs.items()
            if (counts := output.counts(examples.targets[name]))
        }
        for part, examples in parts.items()
    }


def provenance_of(
    recipe: Recipe[Any], base: Base, weights_sha256: str | None, seed: int | None
) -> dict[str, Any]:
    """What a run says of its origin besides its data; no seed where nothing was trained."""
    config = recipe.get_config()
    return {
        "kind": config["recipe"],
        "layout": run_directory.LAYOUT,
        "versions": versions(),
        "backend": keras.backend.backend(),
        "seed": seed,
        "backbone": {
            "name": recipe.record.name,
            "licence": recipe.record.licence,
            "paper": recipe.record.paper,
            "weights": config["weights"],
            "preprocessing": base.preprocessing,
        },
        "weights_sha256": weights_sha256,
        "command": command_line(),
    }


def _tensorboard_folder(
    tensorboard: bool | str | os.PathLike[str], out: Path | None
) -> Path | None:
    if tensorboard is False:
        return None
    if tensorboard is True:
        if out is None:
            raise ConfigurationError("tensorboard=True needs out=; or give it a folder.")
        tensorboard = out / "tensorboard"
    for module, extra in (("tensorflow", "tensorflow"), ("tensorboard", "report")):
        require(module, extra=extra, purpose="Writing TensorBoard's logs")
    return Path(tensorboard)
