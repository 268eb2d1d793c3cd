"""Embeddings of images: vectors whose cosines say how alike images are."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal, final

from kerastl.heads import Head, Outputs
from kerastl.model import EmbeddingModel
from kerastl.recipes.embedding import Embedding
from kerastl.recipes.image_recipe import ImageRecipe
from kerastl.recipes.recipe import Base


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageEmbedding(ImageRecipe[EmbeddingModel], Embedding):
    """A recipe: images to vectors, for search by image, clustering and finding duplicates.

    ``pretrained`` takes a backbone as it is. ``fit`` trains one on images with a class each, with
    a contrastive loss; see ``TextEmbedding`` for what that asks of a batch. Epochs are compared
    by ``precision_at_1`` within the validation batches, and the backbone before training is one
    of the candidates.

    It is inert: nothing is built or loaded before ``fit`` or ``pretrained``.

    Attributes:
        backbone: as of ``ImageClassification``, and so are ``weights``, ``image_size``,
            ``augment``, ``cache``, ``cache_dtype``, ``memory_limit`` and ``precision``.
        pooling: how a feature map becomes a vector: ``"avg"`` or ``"max"``; None is ``"avg"``.
            Backbones that end in a vector leave nothing to pool.
        dimensions: of the vectors, at least 2: a linear projection without bias, which has to be
            trained; None takes those of the backbone.
        plan: phases with ``loss="contrastive"``; None is one over the late stages.
        batch_size: images per step.
        class_weight: None; the loss weighs an image's own class and the others alike.

    Examples:
        >>> import kerastl
        >>> recipe = kerastl.ImageEmbedding(backbone="mobilenet_v2", image_size=160)
        >>> kerastl.ImageEmbedding.from_config(recipe.get_config()) == recipe
        True
    """

    NAME: ClassVar[str] = "image_embedding"
    POOLINGS: ClassVar[tuple[str, ...]] = ("avg", "max")
    EPOCHS: ClassVar[int] = 10
    RATE: ClassVar[float] = 3e-4

    pooling: Literal["avg", "max"] | None = None

    def attach(self, base: Base, outputs: Outputs, *, seed: int) -> Any:
        """Pooling, and rows of length 1."""
        head = Head(pooling=self.pooling or "avg", dropout=0.0)
        return head.attach(base.model.output, outputs, seed=seed)
