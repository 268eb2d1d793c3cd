"""Embeddings of texts: vectors whose cosines say how alike texts are."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal, final

from kerastl.heads import POOLINGS, Outputs, attach_outputs, pool
from kerastl.model import EmbeddingModel
from kerastl.recipes.embedding import Embedding
from kerastl.recipes.recipe import Base
from kerastl.recipes.text_recipe import TextRecipe


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class TextEmbedding(TextRecipe[EmbeddingModel], Embedding):
    """A recipe: texts to vectors, for semantic search, clustering and finding duplicates.

    ``pretrained`` takes an encoder as it is, which is what sentence encoders are for. ``fit``
    trains one on texts with a class each: a contrastive loss draws the vectors of a class together
    and pushes those of different classes apart. It compares the texts of a batch with one
    another, so that a batch should hold several of each class: ``batch_size`` of at least twice
    the number of classes, and classes of about one size. Training warns where most texts would
    be alone with their class. Epochs are compared by ``precision_at_1`` within the validation
    batches, and the encoder before training is one of the candidates.

    It is inert: nothing is built or loaded before ``fit`` or ``pretrained``.

    Attributes:
        backbone: as of ``TextClassification``, and so are ``weights``, ``tokenizer``,
            ``max_length``, ``cache``, ``cache_dtype``, ``memory_limit`` and ``precision``.
        pooling: how the tokens become a vector: ``"mean"``, ``"class_token"``, ``"max"``, or
            ``"attention"``, a mean with learned weights. None takes what the backbone was trained
            with.
        dimensions: of the vectors, at least 2: a linear projection without bias, which has to be
            trained; None takes those of the backbone.
        plan: phases with ``loss="contrastive"``; None is one over the late layers.
        batch_size: texts per step; those of a batch are of about one length.
        class_weight: None; the loss weighs a text's own class and the others alike.

    References:
        Reimers and Gurevych, Sentence-BERT, 2019, https://arxiv.org/abs/1908.10084; of the loss
        see ``Phase.loss``.

    Examples:
        >>> import kerastl
        >>> recipe = kerastl.TextEmbedding(backbone="minilm_l6", max_length=64)
        >>> kerastl.TextEmbedding.from_config(recipe.get_config()) == recipe
        True
        >>> [(phase.train_from, phase.loss) for phase in recipe.resolved_plan]
        [('recommended', 'contrastive')]
    """

    NAME: ClassVar[str] = "text_embedding"
    POOLINGS: ClassVar[tuple[str, ...]] = POOLINGS
    LEARNED: ClassVar[tuple[str, ...]] = ("attention",)
    EPOCHS: ClassVar[int] = 5
    RATE: ClassVar[float] = 5e-5

    pooling: Literal["mean", "class_token", "max", "attention"] | None = None

    def attach(self, base: Base, outputs: Outputs, *, seed: int) -> Any:
        """Pooling, and rows of length 1."""
        pooling = self.pooling or self.record.pooling
        vectors = pool(base.model.outputs[0], base.mask, pooling, seed=seed)
        return attach_outputs(vectors, outputs, seed=seed)
