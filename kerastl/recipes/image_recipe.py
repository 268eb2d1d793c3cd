"""What the recipes for images share: a backbone, a size, and how training images are varied."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras

from kerastl.backbones import (
    INPUT,
    NONE,
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
from kerastl.inputs.resizing import STRETCH, check_resize
from kerastl.recipes.own_backbone import (
    OWN,
    base_of_images,
    check_own,
    check_preprocessing,
    config_of,
    digest_of,
    record_of,
    refuse_own,
    side_of,
)
from kerastl.recipes.recipe import Base, Model, Recipe

DEFAULT_SIZE = 224
"""Height and width in pixels for a model of the user's own that takes any."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageRecipe(Recipe[Model]):
    """A recipe whose examples are images; see ``ImageClassification`` for the attributes."""

    LATER: ClassVar[tuple[str, ...]] = (*Recipe.LATER, "preprocessing", "resize")

    backbone: Any = "mobilenet_v2"
    weights: str | os.PathLike[str] | None = "imagenet"
    image_size: int | tuple[int, int] | None = None
    augment: Augment | None = dataclasses.field(default_factory=Augment)
    preprocessing: str | None = None
    resize: str = STRETCH

    @property
    def is_own(self) -> bool:
        """Whether the backbone is a Keras model of the user's own."""
        return isinstance(self.backbone, keras.Model)

    @property
    def record(self) -> Any:
        """The backbone's record."""
        if not self.is_own:
            return get_backbone(split_name(self.backbone)[0], "image")
        return record_of(self.backbone, image_size=side_of(self.backbone) or DEFAULT_SIZE)

    @property
    def weights_source(self) -> WeightsSource:
        """Where ``weights``, or the name of the backbone, says that they are."""
        if self.is_own:
            # The model has its weights, unless the user says that they are random.
            return WeightsSource(NONE if self.weights in (None, NONE) else OWN)
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
        check_preprocessing(self.preprocessing, own=self.is_own)
        check_resize(self.resize)
        if self.is_own:
            check_own(self.backbone)
        if self.augment is not None:
            if not isinstance(self.augment, Augment):
                raise ConfigurationError(f"augment={self.augment!r}; give a kerastl.Augment.")
            self.augment.check()
        _ = self.size

    def build_base(self) -> Base:
        """Builds the backbone with its weights; raises where they do not fit."""
        if self.is_own:
            mode: Any = self.preprocessing
            model = self._opened(base_of_images(self.backbone, mode, self.size))
            digest = None if self.is_random else digest_of(self.backbone)
            return Base(model, self._input, digest, describe_preprocessing(mode))
        built = build_backbone(self.record, self.weights_source, self.size)
        described = describe_preprocessing(built.preprocessing)
        return Base(self._opened(built.model), self._input, built.weights_sha256, described)

    @property
    def _input(self) -> Image:
        return Image(self.size, resize=self.resize)

    def get_config(self) -> dict[str, Any]:
        """The settings as JSON holds them; of a model of the user's own its name and a hash."""
        config = super(ImageRecipe, self._with_plain_backbone).get_config()
        return {**config, "backbone": config_of(self.backbone)} if self.is_own else config

    @property
    def _with_plain_backbone(self) -> Self:
        changes: Any = {"backbone": None} if self.is_own else {}
        return dataclasses.replace(self, **changes)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A recipe out of what ``get_config`` returned, which holds no model of the user's own."""
        refuse_own(config)
        return super().from_config(config)

    def _opened(self, model: keras.Model) -> keras.Model:
        """A backbone whose every stage can be cut and read, where that can be saved."""
        # Layers of KerasHub can be saved only inside their backbone, which is opened for training
        # alone.
        return inline(model) if self.record.source == "keras.applications" else model

    def finish(self, network: keras.Model) -> keras.Model:
        """Lays nested models open, so that every stage can be cut, where that can be saved."""
        network = self._opened(network)
        assert network.inputs[0].name == INPUT
        return network
