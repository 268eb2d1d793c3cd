"""What all recipes share: a backbone, a plan of phases, and how activations are kept."""

from __future__ import annotations

import abc
import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import keras

from kerastl.backbones import Backbone, TextBackbone, WeightsSource
from kerastl.errors import ConfigurationError
from kerastl.model import TrainedModel
from kerastl.recipes.settings import from_json, to_json
from kerastl.training import (
    FULL,
    MEMORY_LIMIT,
    SINGLE_LABEL,
    Augment,
    Examples,
    Objective,
    Plan,
    Reporter,
    check_plan,
    two_phase,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe(abc.ABC):
    """A backbone, a head and a plan of phases.

    It is inert: nothing is built or loaded before ``fit`` or ``build``.

    Attributes:
        backbone: see the recipe.
        weights: see the recipe.
        plan: the phases; None is ``two_phase()``.
        batch_size: examples a step.
        class_weight: ``"balanced"``, a dict of a weight for each class name, or None.
        cache: how the frozen part's activations are kept.
        cache_dtype: ``"float32"``, or ``"float16"`` or ``"bfloat16"`` to halve the space.
        memory_limit: bytes of activations that are held in memory.
        precision: what training computes in.
    """

    NAME: ClassVar[str]

    backbone: str
    weights: str | os.PathLike[str] | None
    plan: Plan | None = None
    batch_size: int = 32
    class_weight: str | Mapping[str, float] | None = None
    cache: str | bool | os.PathLike[str] = "auto"
    cache_dtype: str = "float32"
    memory_limit: int = MEMORY_LIMIT
    precision: str = FULL

    @abc.abstractmethod
    def check(self) -> None:
        """Finds bad settings before anything is read; raises ConfigurationError."""

    @abc.abstractmethod
    def build_base(self) -> Any:
        """Builds the backbone with its weights; raises where they do not fit."""

    @abc.abstractmethod
    def assemble(
        self, outputs: int, *, seed: int, base: Any = None
    ) -> tuple[keras.Model, str | None]:
        """Builds the whole network: it, and the SHA-256 of its weights (None: random)."""

    @abc.abstractmethod
    def load(
        self,
        data: Any,
        validation: Any,
        *,
        seed: int,
        class_names: Iterable[str] | None,
        options: Mapping[str, Any],
    ) -> tuple[Any, Any]:
        """Loads training data, and validation data or None."""

    @abc.abstractmethod
    def read(
        self, train: Any, validation: Any, base: Any, scratch: Path, reporter: Reporter
    ) -> tuple[Examples, Examples | None]:
        """Turns data into what goes into the network."""

    @abc.abstractmethod
    def measure(self, network: keras.Model, examples: Examples) -> dict[str, float]:
        """Metrics of a network on examples."""

    @abc.abstractmethod
    def describe(self, base: Any) -> dict[str, Any]:
        """What provenance says of the backbone."""

    @abc.abstractmethod
    def finish(
        self,
        train: Any,
        held_out: Any,
        data: Any,
        validation: Any,
        base: Any,
        *,
        seed: int,
        **content: Any,
    ) -> TrainedModel:
        """The trained model, with the examples that prove an export.

        Args:
            train: training examples.
            held_out: validation examples, or None.
            data: the data set that the training examples came from.
            validation: that of the validation examples, or None.
            base: what ``build_base`` returned.
            seed: of the choice.
            **content: further attributes of the model.
        """

    @property
    def augmentation(self) -> Augment | None:
        """How training examples are varied, or None."""
        return None

    @property
    def objective(self) -> Objective:
        """What the labels mean."""
        return SINGLE_LABEL

    @property
    @abc.abstractmethod
    def record(self) -> Backbone | TextBackbone:
        """The backbone's record."""

    @property
    @abc.abstractmethod
    def weights_source(self) -> WeightsSource:
        """Where the weights are; raises WeightsError where they cannot be reached."""

    @property
    def resolved_plan(self) -> Plan:
        """The plan, or the default one."""
        if self.plan is not None:
            check_plan(self.plan)
            return self.plan
        return two_phase()

    def get_config(self) -> dict[str, Any]:
        """The settings as JSON holds them."""
        return {"recipe": self.NAME, **to_json(self)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A recipe out of what ``get_config`` returned."""
        if config.get("recipe", cls.NAME) != cls.NAME:
            raise ConfigurationError(
                f"The settings are of the recipe {config['recipe']!r}, not of {cls.NAME!r}."
            )
        try:
            return cls(**from_json(config))
        except TypeError as error:
            raise ConfigurationError(f"The recipe cannot be read: {error}.") from error
