"""What the recipes for images share: a backbone, a size, and how training images are varied."""

from __future__ import annotations

import dataclasses
import os

import keras

from kerastl.backbones import (
    INPUT,
    Backbone,
    WeightsSource,
    build_backbone,
    describe_preprocessing,
    find_weights,
    get_backbone,
    split_name,
)
from kerastl.errors import ConfigurationError
from kerastl.graph import inline
from kerastl.inputs import IMAGES, Augment, Image, Reader
from kerastl.recipes.recipe import Base, Model, Recipe


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageRecipe(Recipe[Model]):
    """A recipe whose examples are images; see ``ImageClassification`` for the attributes."""

    backbone: str = "mobilenet_v2"
    weights: str | os.PathLike[str] | None = "imagenet"
    image_size: int | tuple[int, int] | None = None
    augment: Augment | None = dataclasses.field(default_factory=Augment)

    @property
    def record(self) -> Backbone:
        """The backbone's record."""
        return get_backbone(split_name(self.backbone)[0], "image")

    @property
    def weights_source(self) -> WeightsSource:
        """Where ``weights``, or the name of the backbone, says that they are."""
        named = split_name(self.backbone)[1]
        return find_weights(self.weights if named is None else named)

    @property
    def reader(self) -> Reader:
        """Reads images."""
        return IMAGES

    @property
    def augmentation(self) -> Augment | None:
        """How training images are varied, or None."""
        cropped = all(output.same_when_cropped for output in self.resolved_outputs.values())
        if cropped or self.augment != Augment():
            return self.augment
        return dataclasses.replace(self.augment, crop=(1.0, 1.0), brightness=0.0)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        if self.image_size is None:
            return self.record.image_size, self.record.image_size
        size = self.image_size
        sides = (size, size) if isinstance(size, int) else size
        if (
            not isinstance(sides, (tuple, list))
            or len(sides) != 2
            or not all(isinstance(side, int) and side > 0 for side in sides)
        ):
            raise ConfigurationError(f"image_size={size!r}; give pixels, as in 224 or (224, 160).")
        return sides[0], sides[1]

    def check_input(self) -> None:
        """Finds a size or variations that cannot be; raises ConfigurationError."""
        if self.augment is not None:
            if not isinstance(self.augment, Augment):
                raise ConfigurationError(f"augment={self.augment!r}; give a kerastl.Augment.")
            self.augment.check()
        _ = self.size

    def build_base(self) -> Base:
        """Builds the backbone with its weights; raises where they do not fit."""
        built = build_backbone(self.record, self.weights_source, self.size)
        described = describe_preprocessing(built.preprocessing)
        return Base(built.model, Image(self.size), built.weights_sha256, described)

    def finish(self, network: keras.Model) -> keras.Model:
        """Lays nested models open, so that every stage can be cut, where that can be saved."""
        # Layers of KerasHub can be saved only inside their backbone, which is opened for training
        # alone.
        if self.record.source == "keras.applications":
            network = inline(network)
        assert network.inputs[0].name == INPUT
        return network
