"""What a recipe's training is carried out on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from kerastl.backbones import stages_of
from kerastl.training import (
    DTYPES,
    ActivationCache,
    CheckpointStore,
    Examples,
    Job,
    Reporter,
    Storage,
    default_folder,
)

if TYPE_CHECKING:
    from kerastl.recipes.recipe import Recipe


def make_job(
    recipe: Recipe,
    network: keras.Model,
    train: Examples,
    validation: Examples | None,
    class_names: tuple[str, ...],
    *,
    seed: int,
    scratch: Path,
    reporter: Reporter,
    settings: str = "",
    callbacks: tuple[Any, ...] = (),
    tensorboard: Path | None = None,
    checkpoints: CheckpointStore | None = None,
) -> Job:
    """Puts a network, decoded data and a recipe's settings together; see ``Job``."""
    return Job(
        network=network,
        stages=stages_of(network, recipe.record.stage_pattern),
        recommended=recipe.record.fine_tune_from,
        train=train,
        validation=validation,
        class_names=class_names,
        batch_size=recipe.batch_size,
        seed=seed,
        augment=recipe.augmentation,
        class_weight=plain_weights(recipe.class_weight),
        cache=recipe.cache if recipe.cache in ("auto", False) else True,
        storage=_storage(recipe),
        callbacks=callbacks,
        tensorboard=tensorboard,
        scratch=scratch,
        reporter=reporter,
        checkpoints=checkpoints,
        settings=settings,
        precision=recipe.precision,
        objective=recipe.objective,
    )


def plain_weights(class_weight: Any) -> Any:
    """Class weights as a plain dict where they are a mapping."""
    return dict(class_weight) if hasattr(class_weight, "items") else class_weight


def _storage(recipe: Recipe) -> Storage:
    cache = None
    if recipe.cache is not False:
        named = recipe.cache not in ("auto", True)
        cache = ActivationCache(Path(str(recipe.cache)) if named else default_folder())
    return Storage(cache, recipe.memory_limit, DTYPES[recipe.cache_dtype])
