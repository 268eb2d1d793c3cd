"""What is refused before the data are read, which may take long."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

import keras

from kerastl.backbones import stages_of
from kerastl.errors import ConfigurationError
from kerastl.graph import ALL, HEAD, open_model, operations, resolve_boundary
from kerastl.recipes.jobs import named_stages
from kerastl.training import (
    DTYPES,
    LATE,
    RECOMMENDED,
    check_precision,
    lora_layers,
    phases_of,
)

if TYPE_CHECKING:
    from kerastl.recipes.recipe import Recipe

MAX_SEED = 2**31 - 2  # Initialisers take int32, and one of them takes seed + 1.


class RandomBackboneWarning(UserWarning):
    """A backbone has random weights, and a part of it, or all, stays as it is."""


def check_settings(recipe: Recipe[Any], seed: int) -> None:
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
    recipe.check_outputs()
    recipe.check()
    plan = recipe.resolved_plan
    random = recipe.is_random
    if random and any(p.l2_sp for p in phases_of(plan)):
        raise ConfigurationError(
            "l2_sp pulls towards pretrained weights, and this backbone has random ones. Give "
            "weights=, or leave l2_sp out."
        )
    if random and any(p.train_from != ALL or not p.batch_norm for p in plan):
        warnings.warn(
            "The backbone has random weights, and the plan freezes a part of it: that part stays "
            "random. To train from scratch give plan=kerastl.full(batch_norm=True) (command line: "
            "--plan full).",
            RandomBackboneWarning,
            stacklevel=4,
        )


def check_stages(recipe: Recipe[Any], base: keras.Model) -> None:
    """Raises where a phase begins at a stage that is not there, or has no layer for LoRA."""
    opened = open_model(base)
    stages = stages_of(opened, recipe.record.stage_pattern)
    for phase in phases_of(recipe.resolved_plan):
        wanted = phase.train_from
        if wanted in (HEAD, ALL, RECOMMENDED, LATE) and not phase.lora:
            continue
        wanted = named_stages(recipe.record).get(str(wanted), wanted)
        cut = resolve_boundary(opened, wanted, stages)
        if phase.lora:
            lora_layers(opened, cut, phase, end=len(operations(opened)))
