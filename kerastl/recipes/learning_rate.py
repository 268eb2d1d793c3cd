"""The learning-rate range test of a recipe."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kerastl.graph import open_model
from kerastl.recipes import fitting
from kerastl.recipes.jobs import make_job
from kerastl.recipes.recipe import Recipe
from kerastl.training import ConsoleReporter, LearningRateTest, Reporter, learning_rate_test


def find_learning_rate(
    recipe: Recipe,
    data: Any,
    validation: Any,
    *,
    seed: int,
    class_names: Iterable[str] | None,
    options: Mapping[str, Any],
    reporter: Reporter | None,
    **test: Any,
) -> LearningRateTest:
    """Runs a range test; see the recipes' ``find_learning_rate`` for the arguments.

    ``test`` goes to ``learning_rate_test``.
    """
    reporter = reporter or ConsoleReporter()
    fitting.check_settings(recipe, seed)
    network = fitting.make_network(
        recipe, data, validation, seed=seed, class_names=class_names, options=options
    )
    with tempfile.TemporaryDirectory(prefix="kerastl-") as scratch:
        train, _ = recipe.read(network.train, None, network.base, Path(scratch), reporter)
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
