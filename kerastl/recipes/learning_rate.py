"""The learning-rate range test of a recipe."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from kerastl.graph import open_model
from kerastl.recipes import fitting
from kerastl.recipes.jobs import make_job
from kerastl.training import (
    ConsoleReporter,
    LearningRateTest,
    Phase,
    Reporter,
    learning_rate_test,
)

if TYPE_CHECKING:
    from kerastl.recipes.recipe import Recipe


def find_learning_rate(
    recipe: Recipe,
    data: Any,
    validation: Any,
    *,
    phase: Phase,
    lowest: float,
    highest: float,
    seed: int,
    class_names: Iterable[str] | None,
    options: Mapping[str, Any],
    reporter: Reporter | None,
) -> LearningRateTest:
    """Runs a range test; see the recipes' ``find_learning_rate`` for the arguments."""
    reporter = reporter or ConsoleReporter()
    fitting.check_settings(recipe, seed)
    keras.utils.set_random_seed(seed)
    base = recipe.build_base()
    fitting.check_stages(recipe, base.model)
    train_data, _ = recipe.load(
        data, validation, seed=seed, class_names=class_names, options=options
    )
    names = tuple(train_data.class_names)
    keras.utils.set_random_seed(seed)
    outputs = 1 if recipe.objective.kind == "regression" else len(names)
    network, _ = recipe.assemble(outputs, seed=seed, base=base)
    with tempfile.TemporaryDirectory(prefix="kerastl-") as scratch:
        train, _ = recipe.read(train_data, None, base, Path(scratch), reporter)
        job = make_job(
            recipe,
            open_model(network),
            train,
            None,
            names,
            seed=seed,
            scratch=Path(scratch),
            reporter=reporter,
        )
        return learning_rate_test(job, phase, lowest=lowest, highest=highest)
