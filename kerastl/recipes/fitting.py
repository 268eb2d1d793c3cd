"""What ``fit`` does: data, network, plan, metrics, run directory."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from kerastl.data import Dataset, ExampleDataset
from kerastl.errors import ConfigurationError
from kerastl.evaluation import (
    Evidence,
    Seen,
    answer_loaded,
    fit_baselines,
    measure_answers,
)
from kerastl.graph import open_model
from kerastl.inputs.examples import Examples
from kerastl.model import TrainedModel, model_of, predict_examples, run_directory
from kerastl.optional import require
from kerastl.outputs import Output
from kerastl.provenance import command_line, command_options, versions
from kerastl.recipes import tracking
from kerastl.recipes.checks import check_settings, check_stages
from kerastl.recipes.jobs import make_job, plain_weights
from kerastl.recipes.resuming import (
    Settings,
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
    Reporter,
    Tracker,
    learning_rate_test,
    run_plan,
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


@dataclasses.dataclass(frozen=True)
class Network:
    """A network before its training, with what it is made of and for.

    Attributes:
        outputs: by name, with the classes of the training data.
        weights_sha256: of the file of weights; None where they are random.
    """

    base: Base
    model: keras.Model
    outputs: Mapping[str, Output]
    weights_sha256: str | None
    train: Dataset
    validation: Dataset | None

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
    if out is not None:
        refuse_locked(out)
        if is_finished(out, resume=run.resume, overwrite=run.overwrite):
            return _take_up_finished(recipe, run, out)
    network = _make_network(recipe, load, run.seed)
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
            history = _train(recipe, network, examples, run, Path(scratch), logs)
            model = _trained_model(recipe, network, examples, run.seed, history)
        if run.out is not None:
            model.save(run.out, overwrite=True)
        tracking.finish(run.tracker, model, run.out)
    return model


def find_learning_rate(
    recipe: Recipe[Any], load: Load, *, seed: int, reporter: Reporter, **test: Any
) -> LearningRateTest:
    """Runs a range test; ``test`` goes to ``learning_rate_test``."""
    check_settings(recipe, seed)
    network = _make_network(recipe, load, seed)
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


def _make_network(recipe: Recipe[Any], load: Load, seed: int) -> Network:
    """Builds a recipe's network for some data.

    Keras's, NumPy's and Python's global generators are seeded, since Keras draws initial weights
    and dropout from them.
    """
    keras.utils.set_random_seed(seed)
    # Built before the data are read, which may take long: weights may not fit, stages not exist.
    base = recipe.build_base()
    check_stages(recipe, base.model)
    train, held_out = load()
    outputs = dict(train.outputs)
    if isinstance(train, ExampleDataset):
        # The labels of a stream are not known yet.
        outputs = {name: out.fitted(train.targets[name]) for name, out in outputs.items()}
    weights_by_output(outputs, plain_weights(recipe.class_weight))
    keras.utils.set_random_seed(seed)
    model, weights_sha256 = recipe.assemble(outputs, seed=seed, base=base)
    return Network(base, model, outputs, weights_sha256, train, held_out)


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
    count = 0 if held_out is None else len(held_out)
    reporter.finish(
        f"{len(train)} training, {count} validation {input.noun if count == 1 else input.nouns}"
    )
    return train, held_out


def _train(
    recipe: Recipe[Any],
    network: Network,
    examples: tuple[Examples, Examples | None],
    run: RunSettings,
    scratch: Path,
    tensorboard: Path | None,
) -> list[dict[str, Any]]:
    """Carries out a recipe's plan, from where an interrupted run stood; returns its records."""
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
    job = make_job(
        recipe,
        # It shares all weights with the network, which is what is saved.
        open_model(network.model),
        network.outputs,
        *examples,
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
    return run_plan(job, recipe.resolved_plan, state)


def _trained_model(
    recipe: Recipe[Any],
    network: Network,
    examples: tuple[Examples, Examples | None],
    seed: int,
    history: list[dict[str, Any]],
) -> TrainedModel:
    """The model, measured on the validation examples where there are any."""
    train, held_out = examples
    outputs, answers = dict(network.outputs), None
    if held_out is not None:
        answers = predict_examples(network.model, outputs, held_out)
        outputs = {
            name: output.tuned(held_out.targets[name], answers[name])
            for name, output in outputs.items()
        }
    evidence = _evidence(network, outputs, examples, answers, seed)
    given = {
        name: output.of_network(int(tensor.shape[-1]))
        for (name, output), tensor in zip(outputs.items(), network.model.outputs, strict=True)
    }
    return model_of(
        network=network.model,
        task=Task(network.base.input, given),
        recipe=recipe.get_config(),
        history=history,
        metrics={} if evidence.evaluation is None else evidence.evaluation.metrics,
        provenance={
            **provenance_of(recipe, network.base, network.weights_sha256, seed),
            **network.fingerprints,
            "train_examples": len(train),
            "validation_examples": 0 if held_out is None else len(held_out),
            "class_counts": _class_counts(outputs, train, held_out),
            **recipe.origin(outputs),
            **({"options": options} if (options := command_options()) else {}),
        },
        samples=choose_samples(network.validation, outputs, train, held_out, seed),
        evidence=evidence,
    )


def _evidence(
    network: Network,
    outputs: Mapping[str, Output],
    examples: tuple[Examples, Examples | None],
    answers: Mapping[str, Any] | None,
    seed: int,
) -> Evidence:
    """Baselines and digests of the training examples, and what the validation examples show."""
    train, held_out = examples
    input = network.base.input
    baselines = fit_baselines(input, outputs, train, seed=seed)
    evaluation = None
    if held_out is not None and network.validation is not None and answers is not None:
        answered = answer_loaded(input, outputs, network.validation, held_out, answers)
        evaluation = measure_answers(answered, Evidence(baselines=baselines))
    return Evidence(evaluation, baselines, Seen.of(network.train, network.validation))


def _class_counts(
    outputs: Mapping[str, Output], train: Examples, held_out: Examples | None
) -> dict[str, dict[str, dict[str, int]]]:
    """Examples of each class, by part of the data and by output; of outputs with classes."""
    parts = {"train": train, **({} if held_out is None else {"validation": held_out})}
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
