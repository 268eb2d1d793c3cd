"""Embeddings of texts: vectors whose cosines say how alike texts are."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any, ClassVar, Literal, final

import keras
import numpy as np

from kerastl.backbones import NONE, BuiltTextBackbone
from kerastl.data import TextKind, check_text
from kerastl.errors import ConfigurationError
from kerastl.graph import HEAD
from kerastl.heads import POOLINGS, Outputs, attach_outputs, pool
from kerastl.model import EmbeddingModel, TextSamples, as_texts
from kerastl.model.samples import VALIDATION_EXAMPLES
from kerastl.outputs import Output, Vector
from kerastl.recipes import fitting
from kerastl.recipes.recipe import RunData, check_layer_names
from kerastl.recipes.text_recipe import TextRecipe, padding_mask
from kerastl.training import RECOMMENDED, Phase, Plan, check_plan

EPOCHS, RATE = 5, 5e-5
_LEARNED_POOLING = "attention"


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class TextEmbedding(TextRecipe[EmbeddingModel]):
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
        backbone: as of ``TextClassification``.
        weights: as of ``TextClassification``.
        tokenizer: as of ``TextClassification``.
        max_length: maximum tokens per text, start and end tokens included; longer texts are cut.
        pooling: how the tokens become a vector: ``"mean"``, ``"class_token"``, ``"max"``, or
            ``"attention"``, a mean with learned weights. None takes what the backbone was trained
            with.
        dimensions: of the vectors, at least 2: a linear projection without bias, which has to be
            trained; None takes those of the backbone.
        plan: phases with ``loss="contrastive"``; None is one over all layers.
        batch_size: texts per step; those of a batch are of about one length.
        class_weight: None; the loss weighs a text's own class and the others alike.
        cache: as of ``ImageClassification``.
        cache_dtype: ``"float32"``, or ``"float16"`` or ``"bfloat16"`` to halve the space.
        memory_limit: bytes of activations that are held in memory.
        precision: ``"float32"``, ``"mixed_float16"`` or ``"mixed_bfloat16"``.

    References:
        Reimers and Gurevych, Sentence-BERT, 2019, https://arxiv.org/abs/1908.10084; of the loss
        see ``Phase.loss``.

    Example:
        >>> import kerastl
        >>> recipe = kerastl.TextEmbedding(backbone="minilm_l6", max_length=64)
        >>> kerastl.TextEmbedding.from_config(recipe.get_config()) == recipe
        True
        >>> [(phase.train_from, phase.loss) for phase in recipe.resolved_plan]
        [('recommended', 'contrastive')]
    """

    NAME: ClassVar[str] = "text_embedding"

    pooling: Literal["mean", "class_token", "max", "attention"] | None = None
    dimensions: int | None = None

    def pretrained(self, texts: Any = ()) -> EmbeddingModel:
        """The encoder as it is, without any training.

        Args:
            texts: a few of those that it is for, at least dozens; up to 256, evenly spread, are
                kept with the model, and an export is proved on them. Without any it is proved on
                sentences that kerastl holds.

        Returns:
            A model that embeds, searches, is saved and exported.

        Raises:
            ConfigurationError: a setting that cannot be, or weights that only training would
                give a meaning: ``dimensions``, or ``pooling="attention"``.
            WeightsError: the weights cannot be reached.
            TextError: one of the texts is none.

        Warns:
            RandomBackboneWarning: the weights are random.
        """
        self.check_outputs()
        self.check()
        untrained = [] if self.dimensions is None else [f"dimensions={self.dimensions}"]
        untrained += ["pooling='attention'"] if self.pooling == _LEARNED_POOLING else []
        if untrained:
            raise ConfigurationError(
                f"{' and '.join(untrained)} is of random weights before training, and would spoil "
                "the encoder's vectors. Train it with fit, or leave it out."
            )
        if self.weights_source.kind == NONE:
            warnings.warn(
                "The backbone has random weights: its vectors mean nothing. Give weights=.",
                fitting.RandomBackboneWarning,
                stacklevel=2,
            )
        given = [check_text(text) for text in as_texts(texts)]
        base = self.build_base()
        network, weights_sha256 = self.assemble(self.output, seed=0, base=base)
        spread = np.linspace(0, len(given) - 1, min(len(given), VALIDATION_EXAMPLES)).astype(int)
        kept = tuple(given[int(row)] for row in spread)
        return EmbeddingModel(
            network,
            (),
            recipe=self.get_config(),
            provenance=fitting.provenance_of(self, base, weights_sha256, None),
            tokenizer=base.tokenizer,
            max_length=self.max_length,
            samples=TextSamples(kept, None, ()) if kept else None,
        )

    def assemble(
        self, outputs: Outputs, *, seed: int, base: BuiltTextBackbone | None = None
    ) -> tuple[keras.Model, str | None]:
        """Builds the whole network and says what weights it has.

        Args:
            outputs: what it says, one output or several by name.
            seed: of the initial weights of what the backbone does not bring.
            base: what ``build_base`` returned; None builds it.

        Returns:
            The network, token ids int32 (n, length) to vectors float32 (n, dimensions) of
            length 1, and the SHA-256 of the weights (None: random).
        """
        built = base or self.build_base()
        check_layer_names(built.model, outputs)
        pooling = self.pooling or self.record.pooling
        vectors = pool(built.model.outputs[0], padding_mask(built), pooling, seed=seed)
        made = attach_outputs(vectors, outputs, seed=seed)
        network = keras.Model(built.model.inputs[0], made, name="kerastl_network")
        return network, built.weights_sha256

    @property
    def label_kind(self) -> TextKind:
        """One class a text."""
        return "single_label"

    @property
    def output(self) -> Output:
        """A vector for each text."""
        return Vector(dimensions=self.dimensions, project=self.dimensions is not None)

    @property
    def resolved_plan(self) -> Plan:
        """The plan, or the default one."""
        if self.plan is not None:
            check_plan(self.plan)
            return self.plan
        return (Phase(RECOMMENDED, EPOCHS, RATE, name="contrastive", loss="contrastive"),)

    def check_task(self) -> None:
        """Finds a pooling, a size or a phase that cannot be; raises ConfigurationError."""
        if self.pooling is not None and self.pooling not in POOLINGS:
            raise ConfigurationError(
                f"pooling={self.pooling!r}; allowed are {', '.join(map(repr, POOLINGS))}, or None."
            )
        size = self.dimensions
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 2):
            raise ConfigurationError(f"dimensions={size!r}; give at least 2, or None.")
        learns = size is not None or self.pooling == _LEARNED_POOLING
        for phase in self.resolved_plan:
            if phase.train_from == HEAD and not learns:
                raise ConfigurationError(
                    f"Phase {phase.title!r}: there is nothing to train after the backbone. Let it "
                    "begin in the backbone (train_from a stage, or 'all'), or give dimensions=."
                )

    def trained_model(
        self, data: RunData, base: Any, output: Output, *, seed: int, **content: Any
    ) -> EmbeddingModel:
        """The trained model, with a few texts that prove an export."""
        # The network does not give classes; those it was trained with are a part of its origin.
        classes = output.get_config()["classes"]
        content["provenance"] = {**content["provenance"], "classes": classes}
        return EmbeddingModel(
            **content,
            tokenizer=base.tokenizer,
            max_length=self.max_length,
            samples=self.choose_samples(data.train, data.validation, seed),
        )
