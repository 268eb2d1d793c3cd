"""What ``fit`` does: data, network, plan, metrics, run directory."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from kerastl.data import Dataset, ExampleDataset
from kerastl.errors import ConfigurationError
from kerastl.graph import open_model
from kerastl.inputs.examples import Examples
from kerastl.model import TrainedModel, load_run, model_of, predict_examples, run_directory
from kerastl.optional import require
from kerastl.outputs import Output
from kerastl.provenance import command_line, versions
from kerastl.recipes import tracking
from kerastl.recipes.checks import check_settings, check_stages
from kerastl.recipes.jobs import make_job, plain_weights
from kerastl.recipes.sampling import choose_samples
from kerastl.task import Task, measure
from kerastl.training import (
    CheckpointStore,
    LearningRateTest,
    Reporter,
    State,
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
    out, tracker = run.out, run.tracker
    if out is None and (run.resume or run.overwrite):
        raise ConfigurationError("resume and overwrite are of a run directory: give out=.")
    logs = _tensorboard_folder(run.tensorboard, out)
    if tracker is not None:
        tracker.check()
    if out is not None and _is_finished(out, resume=run.resume, overwrite=run.overwrite):
        model = _finished(out, recipe, run.seed)
        described = tracking.describe(recipe, run.seed, model.provenance, out)
        tracking.track_again(tracker, described, model, out)
        return model
    network = _make_network(recipe, load, run.seed)
    if out is not None:
        _prepare(out, clear=run.overwrite and not run.resume)
    with telling_how_it_ends(tracker):
        with tempfile.TemporaryDirectory(dir=out, prefix=".tmp-") as scratch:
            examples = _read(network, Path(scratch), run.reporter)
            for name, output in network.outputs.items():
                output.check_trainable(examples[0].targets[name], recipe.batch_size)
            history = _train(recipe, network, examples, run, Path(scratch), logs)
            model = _trained_model(recipe, network, examples, run.seed, history)
        if out is not None:
            model.save(out)
        tracking.finish(tracker, model, out)
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
    reporter.finish(f"{len(train)} training, {count} validation {input.nouns}")
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
    checkpoints = None if run.out is None else CheckpointStore(run.out / run_directory.CHECKPOINTS)
    settings = _fingerprint(recipe, run.seed, network)
    state = _state(checkpoints, settings, run.resume)
    origin = {**network.fingerprints, "weights_sha256": network.weights_sha256}
    described = tracking.describe(recipe, run.seed, origin, run.out)
    tracking.begin(run.tracker, described, run.out, resume=run.resume, state=state)
    job = make_job(
        recipe,
        # It shares all weights with the network, which is what is saved.
        open_model(network.model),
        network.outputs,
        *examples,
        seed=run.seed,
        scratch=scratch,
        reporter=run.reporter,
        settings=settings,
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
    outputs, metrics = dict(network.outputs), {}
    if held_out is not None:
        answers = predict_examples(network.model, outputs, held_out)
        outputs = {
            name: output.tuned(held_out.targets[name], answers[name])
            for name, output in outputs.items()
        }
        metrics = measure(outputs, held_out.targets, answers)
    given = {
        name: output.of_network(int(tensor.shape[-1]))
        for (name, output), tensor in zip(outputs.items(), network.model.outputs, strict=True)
    }
    return model_of(
        network=network.model,
        task=Task(network.base.input, given),
        recipe=recipe.get_config(),
        history=history,
        metrics=metrics,
        provenance={
            **provenance_of(recipe, network.base, network.weights_sha256, seed),
            **network.fingerprints,
            "train_examples": len(train),
            "validation_examples": 0 if held_out is None else len(held_out),
            **recipe.origin(outputs),
        },
        samples=choose_samples(network.validation, outputs, train, held_out, seed),
    )


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


def _is_finished(out: Path, *, resume: bool, overwrite: bool) -> bool:
    """Whether a finished run is there to be taken up; raises where nothing may be written."""
    if run_directory.is_complete(out):
        if resume:
            return True
        if not overwrite:
            raise ConfigurationError(
                f"{out} holds a finished run already. Choose another folder, or ask for "
                "overwriting (overwrite=True, --overwrite)."
            )
    elif (out / run_directory.CHECKPOINTS).is_dir() and not (resume or overwrite):
        raise ConfigurationError(
            f"{out} holds an unfinished run. Go on with it (resume=True, --resume), or ask for "
            "overwriting (overwrite=True, --overwrite)."
        )
    if out.exists() and not out.is_dir():
        raise ConfigurationError(f"{out} is a file; a run directory is wanted.")
    nearest = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{out} cannot be made: {nearest} is not a folder to write into.")
    return False


def _finished(out: Path, recipe: Recipe[Any], seed: int) -> TrainedModel:
    """Loads a finished run, if it is what this recipe would have led to."""
    model = load_run(out)
    here = json.loads(json.dumps(recipe.get_config()))
    # Files may have moved; their content was what counted.
    differing = {k for k in {*here, *model.recipe} if here.get(k) != model.recipe.get(k)}
    if differing - {"weights"} or seed != model.provenance.get("seed"):
        raise ConfigurationError(
            f"{out} holds a finished run of another recipe or seed. Choose another folder, or ask "
            "for overwriting (overwrite=True, --overwrite) instead of resuming."
        )
    return model


def _prepare(out: Path, *, clear: bool) -> None:
    """Makes the run directory, and removes what an earlier run left unfinished."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if clear:
            # The old model stays until the new one replaces it; the marker of completeness goes.
            (out / run_directory.LAST).unlink(missing_ok=True)
            (out / tracking.FILE).unlink(missing_ok=True)
            shutil.rmtree(out / run_directory.CHECKPOINTS, ignore_errors=True)
        for leftover in (*out.glob(".tmp-*"), *out.glob(".old-*")):
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error.strerror}.") from error


def _fingerprint(recipe: Recipe[Any], seed: int, network: Network) -> str:
    config = recipe.get_config()
    # Files may have moved between two starts; their content is what counts.
    for name in ("weights", "cache", "memory_limit"):
        config.pop(name)
    parts = [config, seed, network.weights_sha256, network.fingerprints, keras.__version__]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _state(checkpoints: CheckpointStore | None, settings: str, resume: bool) -> State | None:
    if checkpoints is None or not resume:
        return None
    state = checkpoints.read()
    if state is not None and state.settings != settings:
        raise ConfigurationError(
            "The unfinished run was started with another recipe, seed, Keras version, weights or "
            "data: it can go on only with the same ones. To start anew, ask for overwriting "
            "(overwrite=True, --overwrite) instead."
        )
    return state


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
