"""What all recipes share: a backbone, outputs, a plan of phases, how activations are kept."""

from __future__ import annotations

import abc
import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import keras
import numpy as np

from kerastl.backbones import Backbone, TextBackbone, WeightsSource
from kerastl.errors import ConfigurationError
from kerastl.graph import open_model, operations
from kerastl.heads import Head, Outputs, layer_names
from kerastl.model import TrainedModel
from kerastl.outputs import Output
from kerastl.recipes.settings import from_json, to_json
from kerastl.training import (
    FULL,
    MEMORY_LIMIT,
    Augment,
    Examples,
    Plan,
    Reporter,
    check_losses,
    check_plan,
    two_phase,
)

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class RunData:
    """The data of a run, as they were loaded and as they go into the network.

    Attributes:
        train: the training data.
        validation: the validation data, or None.
        train_examples: the training examples.
        validation_examples: the validation examples, or None.
    """

    train: Any
    validation: Any
    train_examples: Any
    validation_examples: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe(abc.ABC):
    """A backbone, a head and a plan of phases.

    It is inert: nothing is built or loaded before ``fit`` or ``build``.

    Attributes:
        backbone: see the recipe.
        weights: see the recipe.
        plan: the phases; None is ``two_phase()``.
        batch_size: examples per step.
        class_weight: ``"balanced"``, a dict of a weight for each class name, or None.
        cache: how the frozen part's activations are kept.
        cache_dtype: ``"float32"``, or ``"float16"`` or ``"bfloat16"`` to halve the space.
        memory_limit: bytes of activations that are held in memory.
        precision: what training computes in.
    """

    NAME: ClassVar[str]
    HEAD: ClassVar[type] = Head

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
        self, outputs: Outputs, *, seed: int, base: Any = None
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
    def predict(self, network: keras.Model, examples: Examples) -> Array:
        """What a network with one output says of examples, float32 (n, width), in their order."""

    @abc.abstractmethod
    def describe(self, base: Any) -> dict[str, Any]:
        """What provenance says of the backbone."""

    @abc.abstractmethod
    def trained_model(
        self, data: RunData, base: Any, output: Output, *, seed: int, **content: Any
    ) -> TrainedModel:
        """The trained model, with the examples that prove an export.

        Args:
            data: what it was trained and validated on.
            base: what ``build_base`` returned.
            output: what its network says.
            seed: of the choice of examples.
            **content: further attributes of the model.
        """

    @property
    def augmentation(self) -> Augment | None:
        """How training examples are varied, or None."""
        return None

    @property
    @abc.abstractmethod
    def output(self) -> Output:
        """What the network says of an example, before data have named any classes."""

    @property
    def outputs(self) -> dict[str, Output]:
        """The outputs by name; one has the name that exported files give it."""
        return {self.output.tensor: self.output}

    @property
    def loss_weights(self) -> Mapping[str, float] | str | None:
        """How much the loss of each of several outputs counts; see ``kerastl.training.Job``."""
        return None

    def outputs_of(self, data: Any) -> dict[str, Output]:
        """The outputs with the classes that the training data name."""
        return {name: out.with_classes(data.class_names) for name, out in self.outputs.items()}

    def check_outputs(self) -> None:
        """Finds a plan or class weights that do not go with the outputs.

        Raises:
            ConfigurationError: there are such.
        """
        check_losses(self.outputs, self.resolved_plan)
        if self.class_weight is not None and len(self.outputs) == 1:
            self.output.weights(self.output.missing(0), "balanced")

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
            return cls(**from_json(config, cls.HEAD))
        except TypeError as error:
            raise ConfigurationError(f"The recipe cannot be read: {error}.") from error


def check_layer_names(base: keras.Model, outputs: Outputs) -> None:
    """Raises ConfigurationError where one of several outputs has the name of a layer."""
    if isinstance(outputs, Output) or len(outputs) == 1:
        return
    taken = {operation.name for operation in operations(open_model(base))}
    clashes = [
        name for name, layer in zip(outputs, layer_names(outputs), strict=True) if layer in taken
    ]
    if clashes:
        raise ConfigurationError(
            f"The network has layers of its own that are called {', '.join(map(repr, clashes))}. "
            "Give the outputs other names."
        )
