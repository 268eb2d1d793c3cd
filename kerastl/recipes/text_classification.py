"""Classification of texts by transfer learning."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, final

import keras

from kerastl.backbones import BuiltTextBackbone
from kerastl.data import TextKind
from kerastl.errors import ConfigurationError
from kerastl.heads import Outputs, TextHead
from kerastl.model import TextModel
from kerastl.model.texts import Kind
from kerastl.outputs import Output, output_named
from kerastl.recipes.recipe import RunData, check_layer_names
from kerastl.recipes.text_recipe import TextRecipe, padding_mask
from kerastl.training import Plan, check_plan, two_phase

# A linear head on pooled vectors of about unit size takes large steps; transformers small ones.
HEAD_EPOCHS, HEAD_RATE = 10, 1e-2
FINE_TUNE_EPOCHS, FINE_TUNE_RATE = 3, 1e-4


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class TextClassification(TextRecipe[TextModel]):
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
        kind: ``"single_label"``: a class for each text; ``"multi_label"``: any number of
            classes; ``"regression"``: a number.
        head: what is trained on top of the backbone.
        plan: the phases; None is ``two_phase()`` with epochs and rates for transformers, and with
            ``select="one_standard_error"``.
        batch_size: texts per step; those of a batch are of about one length.
        class_weight: ``"balanced"``, a dict of a weight for each class name, or None; for a
            single label.
        cache: as of ``ImageClassification``.
        cache_dtype: ``"float32"``, or ``"float16"`` or ``"bfloat16"`` to halve the space.
        memory_limit: bytes of activations that are held in memory.
        precision: ``"float32"``, ``"mixed_float16"`` or ``"mixed_bfloat16"``.

    Example:
        >>> import kerastl
        >>> recipe = kerastl.TextClassification(backbone="minilm_l6", max_length=64)
        >>> kerastl.TextClassification.from_config(recipe.get_config()) == recipe
        True
    """

    NAME: ClassVar[str] = "text_classification"
    HEAD: ClassVar[type] = TextHead

    kind: Kind = "single_label"
    head: TextHead = dataclasses.field(default_factory=TextHead)

    def assemble(
        self, outputs: Outputs, *, seed: int, base: BuiltTextBackbone | None = None
    ) -> tuple[keras.Model, str | None]:
        """Builds the whole network and says what weights it has.

        Args:
            outputs: what it says, one output or several by name.
            seed: of the initial weights of the head.
            base: what ``build_base`` returned; None builds it.

        Returns:
            The network, token ids int32 (n, length) to outputs (n, width), and the SHA-256 of
            the weights (None: random).
        """
        built = base or self.build_base()
        check_layer_names(built.model, outputs)
        made = self.head.attach(
            built.model.outputs[0],
            padding_mask(built),
            outputs,
            pooling=self.record.pooling,
            seed=seed,
        )
        network = keras.Model(built.model.inputs[0], made, name="kerastl_network")
        return network, built.weights_sha256

    @property
    def label_kind(self) -> TextKind:
        """What the labels are."""
        return self.kind

    @property
    def output(self) -> Output:
        """What the labels of this kind are."""
        member = output_named(self.kind)
        if member.family != "classification":
            raise ConfigurationError(
                f"kind={self.kind!r} is not one label, several labels or a number for each text; "
                "it has a recipe of its own."
            )
        return member()

    @property
    def resolved_plan(self) -> Plan:
        """The plan, or the default one."""
        if self.plan is not None:
            check_plan(self.plan)
            return self.plan
        settings: dict[str, Any] = {"select": "one_standard_error"}
        if not self.output.takes_smoothing:
            settings["label_smoothing"] = 0.0
        return two_phase(
            HEAD_EPOCHS,
            FINE_TUNE_EPOCHS,
            head_learning_rate=HEAD_RATE,
            learning_rate=FINE_TUNE_RATE,
            **settings,
        )

    def check_task(self) -> None:
        """Finds a head that cannot be; raises ConfigurationError."""
        if not isinstance(self.head, TextHead):
            raise ConfigurationError(f"head={self.head!r}; give a kerastl.TextHead.")
        self.head.check()

    def trained_model(
        self, data: RunData, base: Any, output: Output, *, seed: int, **content: Any
    ) -> TextModel:
        """The trained model, with thresholds and a few texts that prove an export."""
        thresholds = output.get_config().get("thresholds")
        return TextModel(
            **content,
            tokenizer=base.tokenizer,
            max_length=self.max_length,
            kind=self.kind,
            thresholds=None if thresholds is None else tuple(thresholds),
            samples=self.choose_samples(data.train, data.validation, seed),
        )
