"""The learning-rate range test of a recipe."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from kerastl.data import load_pair
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
    from kerastl.recipes.image_classification import ImageClassification


def find_learning_rate(
    recipe: ImageClassification,
    data: Any,
    validation: Any,
    *,
    phase: Phase,
    lowest: float,
    highest: float,
    seed: int,
    class_names: Iterable[str] | None,
    on_error: str,
    columns: tuple[str, str] | None,
    reporter: Reporter | None,
) -> LearningRateTest:
    """Runs a range test; see ``ImageClassification.find_learning_rate`` for the arguments."""
    reporter = reporter or ConsoleReporter()
    fitting.check_settings(recipe, seed)
    keras.utils.set_random_seed(seed)
    base = recipe.build_base()
    fitting.check_stages(recipe, base.model)
    options: dict[str, Any] = (
        {} if columns is None else {"image_column": columns[0], "label_column": columns[1]}
    )
    train_data, _ = load_pair(
        data, validation, seed=seed, class_names=class_names, on_error=on_error, **options
    )
    names = tuple(train_data.class_names)
    keras.utils.set_random_seed(seed)
    network, _ = recipe.assemble(len(names), seed=seed, base=base)
    with tempfile.TemporaryDirectory(prefix="kerastl-") as scratch:
        train, _ = fitting.decode_pair(recipe, train_data, None, Path(scratch), reporter)
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
