"""What the recipes for texts share: an encoder with its tokenizer, and a length."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from kerastl.backbones import (
    MASK_LAYER,
    PUBLISHED,
    BuiltTextBackbone,
    FixedLength,
    PaddingMask,
    TextBackbone,
    WeightsSource,
    build_text_backbone,
    describe_tokenizer,
    resolve_text_backbone,
)
from kerastl.errors import ConfigurationError
from kerastl.inputs import TEXTS, Reader, Text
from kerastl.recipes.recipe import Base, Model, Recipe

_LEAST_LENGTH = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextRecipe(Recipe[Model]):
    """A recipe whose examples are texts; see ``TextClassification`` for the attributes."""

    backbone: str = "minilm_l6"
    weights: str | os.PathLike[str] | None = PUBLISHED
    tokenizer: str | os.PathLike[str] | None = None
    max_length: int = 128

    @property
    def record(self) -> TextBackbone:
        """The backbone's record; of a directory, what its settings say."""
        return resolve_text_backbone(self.backbone, self.weights)[0]

    @property
    def weights_source(self) -> WeightsSource:
        """Where ``weights``, or the name of the backbone, says that they are."""
        return resolve_text_backbone(self.backbone, self.weights)[1]

    @property
    def reader(self) -> Reader:
        """Reads texts."""
        return TEXTS

    def check_input(self) -> None:
        """Finds a length that cannot be; raises ConfigurationError."""
        if not isinstance(self.max_length, int) or self.max_length < _LEAST_LENGTH:
            raise ConfigurationError(
                f"max_length={self.max_length!r}; give at least {_LEAST_LENGTH} tokens."
            )

    def build_base(self) -> Base:
        """Builds the backbone with its weights and tokenizer; raises where they do not fit."""
        built = build_text_backbone(
            self.record, self.weights_source, tokenizer=self.tokenizer, max_length=self.max_length
        )
        limit = built.tokenizer.max_length
        if limit is not None and self.max_length > limit:
            raise ConfigurationError(
                f"max_length={self.max_length}; {self.record.name} takes up to {limit} tokens."
            )
        return Base(
            built.model,
            Text(built.tokenizer, self.max_length, built.fixed_length),
            built.weights_sha256,
            describe_tokenizer(built.tokenizer),
            _padding_mask(built),
        )


def _padding_mask(built: BuiltTextBackbone) -> Any:
    """Which tokens are not padding; FNet has no use for it, but what is on top of it does."""
    if any(layer.name == MASK_LAYER for layer in built.model.layers):
        return built.model.get_layer(MASK_LAYER).output
    mask = PaddingMask(built.tokenizer.pad_id, name=MASK_LAYER)(built.model.inputs[0])
    if built.fixed_length is None:
        return mask
    return FixedLength(built.fixed_length, 0, name="fixed_length_of_mask")(mask)
