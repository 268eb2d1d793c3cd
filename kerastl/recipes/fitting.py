"""What ``fit`` does: data, network, plan, metrics, run directory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerastl.backbones import NONE, stages_of
from kerastl.data import DataWarning
from kerastl.errors import ConfigurationError, DataError
from kerastl.graph import ALL, HEAD, open_model, operations, resolve_boundary
from kerastl.model import TrainedModel, load_run, run_directory
from kerastl.optional import require
from kerastl.provenance import command_line, versions
from kerastl.recipes.jobs import make_job, plain_weights
from kerastl.training import (
    DTYPES,
    RECOMMENDED,
    CheckpointStore,
    ConsoleReporter,
    Examples,
    Reporter,
    State,
    check_precision,
    example_weights,
    lora_layers,
    run_plan,
)

MAX_SEED = 2**31 - 2  # Initialisers take int32, and one of them takes seed + 1.

if TYPE_CHECKING:
    from kerastl.recipes.recipe import Recipe


def fit(
    recipe: Recipe,
    data: Any,
    validation: Any,
    *,
    seed: int,
    class_names: Iterable[str] | None,
    out: Path | None,
    resume: bool,
    overwrite: bool,
    callbacks: tuple[Any, ...],
    tensorboard: bool | str | os.PathLike[str],
    options: Mapping[str, Any],
    reporter: Reporter | None,
) -> TrainedModel:
    """Trains a model; see the recipes' ``fit`` for the arguments.

    ``options`` goes to the recipe's ``load``.
    """
    reporter = reporter or ConsoleReporter()
    check_settings(recipe, seed)
    logs = _tensorboard_folder(tensorboard, out)
    if out is None and (resume or overwrite):
        raise ConfigurationError("resume and overwrite are of a run directory: give out=.")
    if out is not None and _is_finished(out, resume=resume, overwrite=overwrite):
        return _finished(out, recipe, seed)
    # Keras draws initial weights and dropout from global generators.
    keras.utils.set_random_seed(seed)
    # Built before the data are read, which may take long: weights may not fit, stages not exist.
    base = recipe.build_base()
    check_stages(recipe, base.model)

    train_data, validation_data = recipe.load(
        data, validation, seed=seed, class_names=class_names, options=options
    )
    names = tuple(train_data.class_names)
    class_weight = plain_weights(recipe.class_weight)
    example_weights(np.arange(len(names)), len(names), class_weight, names)
    keras.utils.set_random_seed(seed)
    outputs = 1 if recipe.objective.kind == "regression" else len(names)
    network, weights_sha256 = recipe.assemble(outputs, seed=seed, base=base)
    # It shares all weights with the network, which is what is saved.
    opened = open_model(network)
    if out is not None:
        _prepare(out, clear=overwrite and not resume)
    checkpoints = None if out is None else CheckpointStore(out / run_directory.CHECKPOINTS)

    with tempfile.TemporaryDirectory(dir=out, prefix=".tmp-") as scratch:
        train, held_out = recipe.read(train_data, validation_data, base, Path(scratch), reporter)
        _check_classes(recipe, train, names)
        fingerprints = {
            "data_fingerprint": train_data.fingerprint,
            "validation_fingerprint": validation_data.fingerprint if validation_data else None,
        }
        settings = _fingerprint(recipe, seed, weights_sha256, fingerprints)
        history = run_plan(
            make_job(
                recipe,
                opened,
                train,
                held_out,
                names,
                seed=seed,
                scratch=Path(scratch),
                reporter=reporter,
                settings=settings,
                callbacks=callbacks,
                tensorboard=logs,
                checkpoints=checkpoints,
            ),
            recipe.resolved_plan,
            _state(checkpoints, settings, resume),
        )
        metrics = {} if held_out is None else recipe.measure(network, held_out)

    model = recipe.finish(
        train,
        held_out,
        train_data,
        validation_data,
        base,
        seed=seed,
        network=network,
        class_names=names,
        recipe=recipe.get_config(),
        history=history,
        metrics=metrics,
        provenance={
            **provenance_of(recipe, base, weights_sha256, seed),
            **fingerprints,
            "train_examples": len(train),
            "validation_examples": 0 if held_out is None else len(held_out),
        },
    )
    if out is not None:
        model.save(out)
    return model


def provenance_of(
    recipe: Recipe, base: Any, weights_sha256: str | None, seed: int | None
) -> dict[str, Any]:
    """What a run says of its origin beside its data; no seed where nothing was trained."""
    config = recipe.get_config()
    return {
        "kind": config["recipe"],
        "versions": versions(),
        "backend": keras.backend.backend(),
        "seed": seed,
        "backbone": {
            "name": recipe.record.name,
            "licence": recipe.record.licence,
            "paper": recipe.record.paper,
            "weights": config["weights"],
            **recipe.describe(base),
        },
        "weights_sha256": weights_sha256,
        "command": command_line(),
    }


class RandomBackboneWarning(UserWarning):
    """A backbone with random weights of which a part, or all, stays as it is."""


def check_settings(recipe: Recipe, seed: int) -> None:
    """Finds bad settings before the data are read, which may take long."""
    if not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise ConfigurationError(f"seed={seed!r}; give a whole number from 0 to {MAX_SEED}.")
    if not isinstance(recipe.batch_size, int) or recipe.batch_size < 1:
        raise ConfigurationError(f"batch_size={recipe.batch_size!r}; give at least 1.")
    if recipe.class_weight != "balanced" and isinstance(recipe.class_weight, str):
        raise ConfigurationError(
            f"class_weight={recipe.class_weight!r}; give 'balanced', None, or a dict with a "
            "weight for each class name."
        )
    if not isinstance(recipe.cache, (bool, str, os.PathLike)):
        raise ConfigurationError(f"cache={recipe.cache!r}; give 'auto', True, False or a folder.")
    if recipe.cache_dtype not in DTYPES:
        raise ConfigurationError(
            f"cache_dtype={recipe.cache_dtype!r}; allowed are {', '.join(DTYPES)}."
        )
    if not isinstance(recipe.memory_limit, int) or recipe.memory_limit < 1:
        raise ConfigurationError(f"memory_limit={recipe.memory_limit!r}; give a count of bytes.")
    check_precision(recipe.precision)
    _ = recipe.record
    recipe.check()
    plan = recipe.resolved_plan
    source = recipe.weights_source
    if source.kind == NONE and any(p.l2_sp for p in plan):
        raise ConfigurationError(
            "l2_sp pulls towards pretrained weights, and this backbone has random ones. Give "
            "weights=, or leave l2_sp out."
        )
    if source.kind == NONE and any(p.train_from != ALL or not p.batch_norm for p in plan):
        warnings.warn(
            "The backbone has random weights, and the plan freezes a part of it: that part stays "
            "random. To train from scratch give plan=kerastl.full(batch_norm=True) (command line: "
            "--plan full).",
            RandomBackboneWarning,
            stacklevel=4,
        )


def check_stages(recipe: Recipe, base: keras.Model) -> None:
    """Raises where a phase begins at a stage that is not there, or has no layer for LoRA."""
    opened = open_model(base)
    stages = stages_of(opened, recipe.record.stage_pattern)
    for phase in recipe.resolved_plan:
        if phase.train_from in (HEAD, ALL, RECOMMENDED) and not phase.lora:
            continue
        wanted = phase.train_from
        cut = resolve_boundary(
            opened, recipe.record.fine_tune_from if wanted == RECOMMENDED else wanted, stages
        )
        if phase.lora:
            lora_layers(opened, cut, phase, end=len(operations(opened)))


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


def _finished(out: Path, recipe: Recipe, seed: int) -> TrainedModel:
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
            shutil.rmtree(out / run_directory.CHECKPOINTS, ignore_errors=True)
        for leftover in (*out.glob(".tmp-*"), *out.glob(".old-*")):
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error.strerror}.") from error


def _check_classes(recipe: Recipe, train: Examples, names: tuple[str, ...]) -> None:
    if recipe.objective.kind not in ("single_label", "embedding"):
        return
    counts = np.bincount(train.labels, minlength=len(names))
    empty = [name for name, count in zip(names, counts, strict=True) if count == 0]
    if empty:
        raise DataError(f"No training example of {', '.join(empty)} could be read.")
    if recipe.objective.kind == "embedding":
        _warn_of_lonely(counts, recipe.batch_size)


def _warn_of_lonely(counts: Any, batch_size: int) -> None:
    """Warns where most examples are alone with their class in a batch."""
    partners = (batch_size - 1) * float(np.sum((counts / counts.sum()) ** 2))
    if partners < 1:
        warnings.warn(
            f"In batches of {batch_size} an example has {partners:.2g} others of its class on "
            f"average, of {len(counts)} classes: a contrastive loss has little to draw together. "
            f"Give batch_size={int(np.ceil((batch_size - 1) / partners)) + 1} or more.",
            DataWarning,
            stacklevel=5,
        )


def _fingerprint(
    recipe: Recipe,
    seed: int,
    weights_sha256: str | None,
    fingerprints: dict[str, str | None],
) -> str:
    config = recipe.get_config()
    # Files may have moved between two starts; their content is what counts.
    for name in ("weights", "cache", "memory_limit"):
        config.pop(name)
    parts = [config, seed, weights_sha256, fingerprints, keras.__version__]
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
