"""The learning-rate range test of a recipe."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerastl.graph import open_model
from kerastl.recipes import fitting
from kerastl.recipes.checks import check_settings
from kerastl.recipes.jobs import make_job
from kerastl.training import ConsoleReporter, LearningRateTest, Reporter, learning_rate_test

if TYPE_CHECKING:
    from kerastl.recipes.recipe import Recipe


def find_learning_rate(
    recipe: Recipe[Any],
    inputs: fitting.RunInputs,
    *,
    seed: int,
    reporter: Reporter | None,
    **test: Any,
) -> LearningRateTest:
    """Runs a range test; see ``Recipe.find_learning_rate`` for the arguments.

    ``test`` goes to ``learning_rate_test``.
    """
    reporter = reporter or ConsoleReporter()
    check_settings(recipe, seed)
    network = fitting.make_network(recipe, inputs, seed)
    with tempfile.TemporaryDirectory(prefix="kerastl-") as scratch:
        train, _ = fitting.read(network, Path(scratch), reporter, validate=False)
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
