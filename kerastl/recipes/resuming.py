"""When a run directory may be trained in, and with what settings an interrupted run goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from kerastl.errors import ConfigurationError, some_of
from kerastl.files import read_json, write_json
from kerastl.model import TrainedModel, load_run, run_directory
from kerastl.recipes import tracking
from kerastl.training import CheckpointStore, State

if TYPE_CHECKING:
    from kerastl.recipes.recipe import Recipe

SETTINGS = "settings.json"
_ADVICE = (
    "It can go on only with the settings it was started with. To start anew, ask for overwriting "
    "(overwrite=True, --overwrite) instead of resuming."
)
# Files may move between two starts; their content is what counts.
_NOT_COMPARED = ("weights", "cache", "memory_limit")


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that decides the outcome of a run.

    Attributes:
        recipe: its ``get_config()``.
        seed: of all that is random.
        weights_sha256: of the pretrained weights, or None.
        fingerprints: of the training and the validation data.
        options: those of the command line that started it, by name; empty where Python did.
        keras: its version.
    """

    recipe: Mapping[str, Any]
    seed: int
    weights_sha256: str | None
    fingerprints: Mapping[str, str | None]
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    keras: str = keras.__version__

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything but the options."""
        config = {k: v for k, v in self.recipe.items() if k not in _NOT_COMPARED}
        parts = [config, self.seed, self.weights_sha256, self.fingerprints, self.keras]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def write(self, out: Path) -> None:
        """Writes them into a run directory, beside its checkpoints."""
        write_json(out / run_directory.CHECKPOINTS / SETTINGS, dataclasses.asdict(self))

    @classmethod
    def read(cls, out: Path) -> Settings | None:
        """Those of an unfinished run; None where there are none, as in runs of version 0.1.0."""
        try:
            return cls(**read_json(out / run_directory.CHECKPOINTS / SETTINGS))
        except (OSError, ValueError, TypeError):
            return None

    def differences(self, other: Settings) -> list[str]:
        """What differs in the run that these settings started, and in another start of it."""
        content = {"pretrained weights": (self.weights_sha256, other.weights_sha256)} | {
            name: (self.fingerprints.get(key), other.fingerprints.get(key))
            for key, name in _DATA.items()
        }
        return [
            *recipe_differences(self.recipe, other.recipe),
            *_difference("seed", self.seed, other.seed),
            *_difference("Keras", self.keras, other.keras),
            *(f"the {name} have changed" for name, (was, now) in content.items() if was != now),
        ]


_DATA = {"data_fingerprint": "training data", "validation_fingerprint": "validation data"}


def recipe_differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """The settings in which two recipes differ, as ``"plan.1.epochs: 5 there, 3 now"``."""
    found = []
    for name in {**there, **here}:
        if name not in _NOT_COMPARED:
            found += list(_walk(name, there.get(name), here.get(name)))
    return found


def _walk(name: str, there: Any, here: Any) -> Iterator[str]:
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        there, here = dict(enumerate(there, 1)), dict(enumerate(here, 1))
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in {**there, **here}:
            yield from _walk(f"{name}.{key}", there.get(key), here.get(key))
    else:
        yield from _difference(name, there, here)


def _difference(name: str, there: Any, here: Any) -> list[str]:
    return [] if there == here else [f"{name}: {_short(there)} in the run, {_short(here)} now"]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def begun(out: Path, recipe: Recipe[Any]) -> Recipe[Any]:
    """A recipe as the unfinished run in a folder means it; the recipe itself without one."""
    if not CheckpointStore(out / run_directory.CHECKPOINTS).exists:
        return recipe
    saved = Settings.read(out)
    found: Recipe[Any] = recipe.as_begun(None if saved is None else saved.recipe)
    return found


def is_finished(out: Path, *, resume: bool, overwrite: bool) -> bool:
    """Whether a finished run is there to be taken up; raises where nothing may be written."""
    if run_directory.is_complete(out):
        if resume:
            return True
        if not overwrite:
            raise ConfigurationError(
                f"{out} holds a finished run already. Choose another folder, or ask for "
                "overwriting (overwrite=True, --overwrite)."
            )
    elif CheckpointStore(out / run_directory.CHECKPOINTS).exists and not (resume or overwrite):
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


def load_finished(out: Path, recipe: Recipe[Any], seed: int) -> TrainedModel:
    """Loads a finished run, if it is what this recipe would have led to."""
    model = load_run(out)
    here = json.loads(json.dumps(recipe.get_config()))
    differing = recipe_differences(model.recipe, here)
    for name in ("cache", "memory_limit"):
        differing += _difference(name, model.recipe.get(name), here.get(name))
    differing += _difference("seed", model.provenance.get("seed"), seed)
    if differing:
        raise ConfigurationError(
            f"{out} holds a finished run of another recipe or seed: {some_of(differing)}. Choose "
            "another folder, or ask for overwriting (overwrite=True, --overwrite) instead of "
            "resuming."
        )
    return model


def prepare(out: Path, *, clear: bool) -> None:
    """Removes what an earlier run left unfinished in a run directory that exists."""
    try:
        if clear:
            # The old model stays until the new one replaces it; the marker of completeness goes.
            (out / run_directory.LAST).unlink(missing_ok=True)
            (out / tracking.FILE).unlink(missing_ok=True)
            # A report of the old model would be taken for one of the new.
            for name in (tracking.REPORT, Path(tracking.REPORT).with_suffix(".json").name):
                (out / name).unlink(missing_ok=True)
            shutil.rmtree(out / run_directory.CHECKPOINTS, ignore_errors=True)
        for leftover in (*out.glob(".tmp-*"), *out.glob(".old-*")):
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error.strerror}.") from error


def state_to_resume(out: Path, settings: Settings, resume: bool) -> State | None:
    """Where an interrupted run stood; None where it has to begin.

    Raises:
        ConfigurationError: it was started with other settings; the message names them.
    """
    state = CheckpointStore(out / run_directory.CHECKPOINTS).read() if resume else None
    if state is not None and state.settings != settings.fingerprint:
        saved = Settings.read(out)
        differing = [] if saved is None else saved.differences(settings)
        named = some_of(differing) if differing else "recipe, seed, Keras version, weights or data"
        raise ConfigurationError(
            f"The unfinished run in {out} was started with other settings: {named}. {_ADVICE}"
        )
    return state


def saved_options(out: Path) -> dict[str, Any]:
    """The options of the command line that started a run, finished or not; empty if unknown."""
    saved = Settings.read(out)
    if saved is not None:
        return dict(saved.options)
    try:
        return dict(read_json(out / run_directory.LAST).get("options", {}))
    except (OSError, ValueError, AttributeError):
        return {}
