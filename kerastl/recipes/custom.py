"""A recipe for your own inputs and backbones."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, final

import keras

from kerastl.errors import ConfigurationError
from kerastl.heads import Head, Outputs
from kerastl.inputs import Augment, Input, Reader
from kerastl.recipes.classification import Classification
from kerastl.recipes.own_backbone import check_own, config_of, copied, digest_of, record_of
from kerastl.recipes.recipe import Base


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class CustomRecipe(Classification):
    """A recipe: examples of any input, and any Keras model as the backbone.

    It cannot be read again out of its settings, since they do not hold the backbone; runs and
    bundles hold the network, and are read like any other.

    Attributes:
        input: what an example is: an ``Image``, a ``Text``, or an ``Input`` of your own.
        backbone: Functional or Sequential, from what ``input`` makes of an example to features:
            (n, features), (n, length, features) or (n, height, width, features). It is copied.
        fine_tune_from: the stage from which ``two_phase`` fine-tunes; ``"all"`` is everything.
        random: whether the backbone has not been trained.
        head: what is trained on top of the backbone.
        augment: how training examples are varied; None not at all.
        weights: leave it None.
        kind: as of ``ImageClassification``, and so are ``outputs``, ``loss_weights``, ``plan``,
            ``batch_size``, ``class_weight``, ``cache``, ``cache_dtype``, ``memory_limit`` and
            ``precision``.
    """

    NAME: ClassVar[str] = "custom"

    input: Input
    backbone: keras.Model
    weights: None = None
    fine_tune_from: str = "all"
    random: bool = False
    head: Any = dataclasses.field(default_factory=Head)
    augment: Augment | None = None

    @property
    def record(self) -> Any:
        """The backbone's name."""
        return record_of(self.backbone, self.fine_tune_from)

    @property
    def is_random(self) -> bool:
        """As it was given."""
        return self.random

    @property
    def reader(self) -> Reader:
        """That of the input."""
        return self.input.reader

    @property
    def augmentation(self) -> Augment | None:
        """How training examples are varied, or None."""
        return self.augment

    def build_base(self) -> Base:
        """A copy of the backbone."""
        return Base(copied(self.backbone), self.input, digest_of(self.backbone), "by the input")

    def attach(self, base: Base, outputs: Outputs, *, seed: int) -> Any:
        """The head on the features."""
        return self.resolved_head.attach(base.model.outputs[0], outputs, seed=seed)

    def check_input(self) -> None:
        """Finds a backbone or an input that cannot be; raises ConfigurationError."""
        if not isinstance(self.input, Input):
            raise ConfigurationError(f"input={self.input!r}; give a kerastl.inputs.Input.")
        check_own(self.backbone)

    def get_config(self) -> dict[str, Any]:
        """The settings as JSON holds them; of the backbone its name and a hash of its weights."""
        plain = dataclasses.replace(self, input=None, backbone=None)  # type: ignore[arg-type]
        with tempfile.TemporaryDirectory(prefix="kerastl-") as folder:
            input = {"kind": self.input.kind, **self.input.save(Path(folder))}
        config = super(CustomRecipe, plain).get_config()
        return {**config, "input": input, "backbone": config_of(self.backbone)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Raises ConfigurationError: the settings do not hold the backbone."""
        raise ConfigurationError(
            "The settings of a CustomRecipe do not hold its backbone: build the recipe anew."
        )
