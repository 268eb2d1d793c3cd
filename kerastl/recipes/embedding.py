"""What the recipes share whose output is a vector."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from kerastl.errors import ConfigurationError
from kerastl.graph import HEAD
from kerastl.model import EmbeddingModel
from kerastl.outputs import Output, Vector
from kerastl.recipes import fitting
from kerastl.recipes.checks import RandomBackboneWarning
from kerastl.recipes.recipe import Recipe
from kerastl.samples import VALIDATION_EXAMPLES, Samples
from kerastl.task import Task
from kerastl.training import RECOMMENDED, Phase, Plan


@dataclasses.dataclass(frozen=True, kw_only=True)
class Embedding(Recipe[EmbeddingModel]):
    """Examples to vectors.

    See ``ImageEmbedding`` for the attributes.
    """

    POOLINGS: ClassVar[tuple[str, ...]]
    LEARNED: ClassVar[tuple[str, ...]] = ()
    """Poolings with weights of their own."""
    EPOCHS: ClassVar[int]
    RATE: ClassVar[float]

    pooling: Any = None
    dimensions: int | None = None

    def pretrained(self, inputs: Any = ()) -> EmbeddingModel:
        """The backbone as it is, without any training.

        Args:
            inputs: a few of those that it is for, at least dozens; up to 256, evenly spread, are
                kept with the model, and an export is proved on them. Without any it is proved on
                examples that kerastl holds.

        Returns:
            A model that embeds, searches, is saved and exported.

        Raises:
            ConfigurationError: a setting that cannot be, or weights that only training would
                give a meaning: ``dimensions``, or a pooling that is learned.
            WeightsError: the weights cannot be reached.
            DataError: one of the inputs cannot be read.

        Warns:
            RandomBackboneWarning: the weights are random.
        """
        self.check_outputs()
        self.check()
        untrained = " and ".join(self._untrained())
        if untrained:
            raise ConfigurationError(
                f"{untrained} is of random weights before training, and would spoil the backbone's "
                "vectors. Train it with fit, or leave it out."
            )
        if self.is_random:
            warnings.warn(
                "The backbone has random weights: its vectors mean nothing. Give weights=.",
                RandomBackboneWarning,
                stacklevel=2,
            )
        base = self.build_base()
        given = base.input.as_list(inputs)
        network, weights_sha256 = self.assemble(self.resolved_outputs, seed=0, base=base)
        spread = np.linspace(0, len(given) - 1, min(len(given), VALIDATION_EXAMPLES)).astype(int)
        kept = [given[int(row)] for row in spread]
        width = int(network.outputs[0].shape[-1])
        return EmbeddingModel(
            network,
            Task.of_one(base.input, Vector().of_network(width)),
            recipe=self.get_config(),
            provenance=fitting.provenance_of(self, base, weights_sha256, None),
            samples=Samples(kept) if kept else None,
        )

    @property
    def resolved_outputs(self) -> dict[str, Output]:
        """A vector for each example."""
        output = Vector(dimensions=self.dimensions, project=self.dimensions is not None)
        return {output.tensor: output}

    @property
    def default_plan(self) -> Plan:
        """One phase over the late stages."""
        return (Phase(RECOMMENDED, self.EPOCHS, self.RATE, name="contrastive", loss="contrastive"),)

    def origin(self, outputs: Mapping[str, Output]) -> dict[str, Any]:
        """The classes that it was trained with, which it does not answer with."""
        [output] = outputs.values()
        return {"classes": list(output.labelling.class_names)}

    def check(self) -> None:
        """Finds a pooling, a size or a phase that cannot be; raises ConfigurationError."""
        if self.pooling is not None and self.pooling not in self.POOLINGS:
            raise ConfigurationError(
                f"pooling={self.pooling!r}; allowed are {', '.join(map(repr, self.POOLINGS))}, or "
                "None."
            )
        size = self.dimensions
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 2):
            raise ConfigurationError(f"dimensions={size!r}; give at least 2, or None.")
        for phase in self.resolved_plan:
            if phase.train_from == HEAD and not any(self._untrained()):
                raise ConfigurationError(
                    f"Phase {phase.title!r}: there is nothing to train after the backbone. Let it "
                    "begin in the backbone (train_from a stage, or 'all'), or give dimensions=."
                )
        self.check_input()

    def _untrained(self) -> Iterator[str]:
        """The settings that put random weights on the backbone."""
        if self.dimensions is not None:
            yield f"dimensions={self.dimensions}"
        if self.pooling in self.LEARNED:
            yield f"pooling={self.pooling!r}"
