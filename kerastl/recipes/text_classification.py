"""Classes, labels and numbers of texts by transfer learning."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, final

from kerastl.heads import Outputs, OwnHead, TextHead, pool
from kerastl.model import TrainedModel
from kerastl.recipes.classification import Classification
from kerastl.recipes.recipe import Base
from kerastl.recipes.text_recipe import TextRecipe
from kerastl.training import Probe


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class TextClassification(TextRecipe[TrainedModel], Classification):
    """A recipe: texts with a label each, a pretrained backbone, a new head.

    It is inert: nothing is built or loaded before ``fit`` or ``build``.

    Attributes:
        backbone: a name of ``kerastl.list_backbones(modality="text")``, or a local directory of
            KerasHub or Hugging Face; ``NAME@WEIGHTS`` gives the weights too.
        weights: ``"published"`` (what KerasHub downloads for that backbone), a KerasHub preset,
            a local directory of KerasHub or Hugging Face, ``"pkg:DISTRIBUTION/PATH"`` (a
            directory inside an installed distribution), or None for random weights.
        tokenizer: a directory to take the tokenizer from where the weights are random; None
            takes that of the weights.
        max_length: maximum tokens per text, start and end tokens included; longer texts are cut,
            with a warning that counts them.
        kind: as of ``ImageClassification``, and so are ``outputs``, ``loss_weights``,
            ``class_weight``, ``cache``, ``cache_dtype``, ``memory_limit`` and ``precision``.
        head: what is trained on top of the backbone: a ``TextHead``, or layers of your own on the
            pooled vector, as a ``keras.Sequential`` or a list, without the last one.
        plan: the steps; None is ``two_phase()`` with epochs and rates for transformers.
        batch_size: texts per step; those of a batch are of about one length.

    Examples:
        >>> import kerastl
        >>> recipe = kerastl.TextClassification(backbone="minilm_l6", max_length=64)
        >>> kerastl.TextClassification.from_config(recipe.get_config()) == recipe
        True
    """

    NAME: ClassVar[str] = "text_classification"
    HEAD: ClassVar[type[Any]] = TextHead
    # A head on pooled vectors of about unit size takes large steps; transformers small ones.
    PLAN: ClassVar[Mapping[str, Any]] = {
        "probe": Probe(epochs=10, learning_rate=1e-2),
        "fine_tune_epochs": 3,
        "learning_rate": 1e-4,
        # All layers train, so that a step costs as much as several of a photo's.
        "least_steps": 60,
    }

    FIRST_PLAN: ClassVar[Mapping[str, Any]] = {
        "head_epochs": 10,
        "fine_tune_epochs": 3,
        "head_learning_rate": 1e-2,
        "learning_rate": 1e-4,
        "select": "one_standard_error",
    }

    head: Any = dataclasses.field(default_factory=TextHead)

    def attach(self, base: Base, outputs: Outputs, *, seed: int) -> Any:
        """The head on the tokens' vectors."""
        pooling = self.record.pooling
        tokens = base.model.outputs[0]
        head = self.resolved_head
        if isinstance(head, OwnHead):
            return head.attach(pool(tokens, base.mask, pooling), outputs, seed=seed)
        return head.attach(tokens, base.mask, outputs, pooling=pooling, seed=seed)
