"""What a recipe's training is carried out on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from kerastl.backbones import stages_of
from kerastl.inputs.examples import Examples
from kerastl.outputs import Output
from kerastl.training import (
    DTYPES,
    LATE,
    RECOMMENDED,
    ActivationCache,
    Job,
    Storage,
    default_folder,
)

if TYPE_CHECKING:
    from kerastl.recipes.recipe import Recipe


def make_job(
    recipe: Recipe[Any],
    network: keras.Model,
    outputs: Mapping[str, Output],
    train: Examples,
    validation: Examples | None,
    *,
    run: Path | None = None,
    **options: Any,
) -> Job:
    """Puts a network, examples and a recipe's settings together; ``options`` are of ``Job``.

    ``run`` is the run directory, which entries of the cache name.
    """
    origin = {"backbone": recipe.record.name, "run": None if run is None else str(run.resolve())}
    cache = None
    if recipe.cache is not False:
        named = recipe.cache not in ("auto", True)
        cache = ActivationCache(Path(str(recipe.cache)) if named else default_folder())
    return Job(
        network=network,
        outputs=outputs,
        stages=stages_of(network, recipe.record.stage_pattern),
        named=named_stages(recipe.record),
        train=train,
        validation=validation,
        batch_size=recipe.batch_size,
        augment=recipe.augmentation,
        class_weight=plain_weights(recipe.class_weight),
        cache=recipe.cache if recipe.cache in ("auto", False) else True,
        storage=Storage(cache, recipe.memory_limit, DTYPES[recipe.cache_dtype], origin),
        precision=recipe.precision,
        loss_weights=recipe.resolved_loss_weights,
        **options,
    )


def named_stages(record: Any) -> dict[str, str]:
    """The stages of a backbone that plans call by what they are for."""
    late = getattr(record, "late_from", None) or record.fine_tune_from
    return {RECOMMENDED: record.fine_tune_from, LATE: late}


def plain_weights(class_weight: Any) -> Any:
    """Class weights as a plain dict where they are a mapping."""
    return dict(class_weight) if hasattr(class_weight, "items") else class_weight
