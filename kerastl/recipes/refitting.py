"""Training on every example, with an honest estimate of what the model is worth."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerastl.data import Dataset, ExampleDataset
from kerastl.data.folds import deal, places_of, together_of
from kerastl.errors import ConfigurationError
from kerastl.evaluation import Evaluation
from kerastl.inputs.examples import Examples
from kerastl.training import Plan, phases_of

if TYPE_CHECKING:
    from kerastl.recipes.recipe import Recipe

Array = np.ndarray[Any, Any]
FOLDS = 5
MOST_EXAMPLES = 2000
"""Beyond so many examples a fifth more of them adds little, and training twice costs much."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """How a model was measured that was trained on all of the data.

    Attributes:
        examples: that were answered by models not trained on them.
        trained_on: examples that the model was trained on.
        folds: in how many turns; 1 is a single fold that was left out.
        temperatures: what the scores of outputs are divided by, by name, where that was shown to
            make probabilities better.
    """

    examples: int
    trained_on: int
    folds: int
    temperatures: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def told(self, nouns: str) -> dict[str, Any]:
        """What a run and its bundles say of it."""
        return {**dataclasses.asdict(self), "sentence": self.sentence(nouns)}

    def sentence(self, nouns: str) -> str:
        """What people are told."""
        if self.folds == 1:
            return (
                f"These figures are an estimate: a model trained in the same way on the other "
                f"{self.trained_on - self.examples} {nouns} was measured on {self.examples}. The "
                f"model itself was then trained on all {self.trained_on} {nouns}."
            )
        return (
            f"These figures are an estimate: each of the {self.examples} {nouns} was answered by a "
            f"model trained in the same way without it, in {self.folds} folds. The model itself "
            f"was trained on all {self.trained_on} {nouns}."
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Refit:
    """Data that a model is trained on as a whole.

    Attributes:
        data: all of it.
        held: names of the rows, as positions in ``data``, of the first fold.
    """

    data: ExampleDataset
    held: Array

    def folds(self, examples: Examples, seed: int) -> Array:
        """The fold of each example; the part that would have been held back is fold 0."""
        places = places_of(self.data, examples)
        first = np.isin(places, self.held)
        together = together_of(self.data, examples)
        assert together is not None
        left = np.flatnonzero(~first)
        found = np.zeros(len(examples), dtype=np.int64)
        targets = {name: labels[left] for name, labels in examples.targets.items()}
        outputs = self.data.outputs
        found[left] = 1 + deal(outputs, targets, FOLDS - 1, seed=seed, together=together[left])
        return found

    def held_folds(self, plan: Plan, folds: Array) -> Sequence[int]:
        """The folds that are left out in turn: all where that is cheap, else the first.

        Few groups leave some folds empty, and these are passed over.
        """
        present: list[int] = np.unique(folds).tolist()
        return present[:1] if phases_of(plan) else present

    def measured(self, examples: Examples, held: Array) -> Dataset:
        """The data of the examples that were answered."""
        return self.data.subset(np.sort(places_of(self.data, examples)[held]))


def refit_of(
    recipe: Recipe[Any], train: Dataset, held_out: Dataset | None, *, validation: Any
) -> Refit | None:
    """How a recipe trains on all examples; None where some are held back for good.

    It does where kerastl itself held a part of few examples back, and the plan chooses nothing on
    them; or where the recipe says so. ``validation`` is what the user gave: None, False, a
    fraction, or data, which are never trained on.

    Raises:
        ConfigurationError: the recipe asks for it, and there is nothing to join.
    """
    wanted = recipe.refit
    if wanted is False:
        return None
    whole = None
    ours = validation is None or isinstance(validation, numbers.Real)
    if ours and isinstance(train, ExampleDataset) and isinstance(held_out, ExampleDataset):
        whole = train.joined(held_out)
    few = whole is not None and len(whole) <= MOST_EXAMPLES
    if wanted is None and (validation is not None or not few):
        return None
    if wanted is None and not all(step.fixed for step in recipe.resolved_plan):
        return None
    if whole is None:
        raise ConfigurationError(
            "refit=True trains on all of the data after a part of it was held back, and validation "
            "data of your own are never trained on. Leave validation= out, or give a fraction."
        )
    assert isinstance(held_out, ExampleDataset)
    assert whole.origin is not None
    assert held_out.origin is not None
    return Refit(whole, np.flatnonzero(np.isin(whole.origin[1], held_out.origin[1])))


def gain_notes(evaluation: Evaluation) -> list[str]:
    """What fine-tuning gained over the solved head, and whether that is decisive."""
    head = evaluation.baselines.get("probe")
    metric = evaluation.metric
    if head is None or metric not in head.differences or metric not in head.metrics:
        return []
    gain = evaluation.metrics[metric] - head.metrics[metric]
    low, high = head.differences[metric]
    said = "decisive" if not low <= 0 <= high else "not decisive: chance alone could do it"
    return [
        f"Fine-tuning changed {metric} by {gain:+.3f} over the solved head alone (95 % interval "
        f"{low:+.3f} to {high:+.3f}), which is {said}."
    ]
