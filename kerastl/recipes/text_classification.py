"""Classification of texts by transfer learning."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import keras
import numpy as np

from kerastl.backbones import (
    MASK_LAYER,
    PUBLISHED,
    BuiltTextBackbone,
    PaddingMask,
    TextBackbone,
    WeightsSource,
    build_text_backbone,
    resolve_text_backbone,
)
from kerastl.data import DataWarning, TextDataset, load_text_pair, stratified_sample
from kerastl.errors import ConfigurationError
from kerastl.heads import TextHead
from kerastl.metrics import best_thresholds
from kerastl.model import TextModel, TextSamples, measure, predict_tokens
from kerastl.model.samples import CALIBRATION_EXAMPLES, VALIDATION_EXAMPLES
from kerastl.model.texts import Kind
from kerastl.recipes import fitting, learning_rate
from kerastl.recipes.recipe import Recipe
from kerastl.training import (
    HIGHEST_RATE,
    LOWEST_RATE,
    LearningRateTest,
    Objective,
    Phase,
    Plan,
    Reporter,
    TokenExamples,
    check_plan,
    sort_tokens,
    two_phase,
)

DEFAULT_BACKBONE = "minilm_l6"
# A linear head on pooled vectors of about unit size takes large steps; transformers small ones.
HEAD_EPOCHS, HEAD_RATE = 10, 1e-2
FINE_TUNE_EPOCHS, FINE_TUNE_RATE = 3, 1e-4
_MAX_LENGTH = 128
_LEAST_LENGTH = 8
_KINDS = ("single_label", "multi_label", "regression")


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class TextClassification(Recipe):
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
        max_length: the most tokens a text, its start and end tokens counted; what is longer is
            cut, with a warning that counts.
        kind: ``"single_label"``: a class for each text; ``"multi_label"``: any number of
            classes; ``"regression"``: a number.
        head: what is trained on top of the backbone.
        plan: the phases; None is ``two_phase()`` with epochs and rates for transformers.
        batch_size: texts a step; those of a batch are of about one length.
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

    backbone: str = DEFAULT_BACKBONE
    weights: str | os.PathLike[str] | None = PUBLISHED
    tokenizer: str | os.PathLike[str] | None = None
    max_length: int = _MAX_LENGTH
    kind: Kind = "single_label"
    head: TextHead = dataclasses.field(default_factory=TextHead)

    def fit(
        self,
        data: Any,
        validation: Any = None,
        *,
        seed: int = 0,
        class_names: Iterable[str] | None = None,
        out: str | os.PathLike[str] | None = None,
        resume: bool = False,
        overwrite: bool = False,
        callbacks: Sequence[Any] = (),
        tensorboard: bool | str | os.PathLike[str] = False,
        reporter: Reporter | None = None,
        **options: Any,
    ) -> TextModel:
        """Trains a new model.

        Args:
            data: a CSV or TSV table, a folder of class folders of .txt files (or one holding
                train/ and val/), lists ``(texts, labels)``, or ``"tfds:NAME"``.
            validation: data of any kind, or the fraction of the training data that is held
                back, or False for none; None takes val/, or else a fifth.
            seed: of the split, the initial weights, shuffling and dropout.
            class_names: the classes in order, where labels are numbers.
            out: a run directory, written while training so that the run can be resumed.
            resume: go on with an interrupted run in ``out``; without one there, start.
            overwrite: replace a run that is there.
            callbacks: Keras callbacks.
            tensorboard: a folder for TensorBoard's logs; True takes ``out``/tensorboard.
            reporter: hears of the progress; None prints to standard error.
            **options: of ``kerastl.data.load_texts``: ``text_column``, ``label_column``,
                ``encoding``, ``group_column``, ``label_separator``.

        Returns:
            The trained model, with the weights that did best on the validation data.

        Raises:
            ConfigurationError: a setting that cannot be.
            DataError: data that cannot be trained on.
            TrainingError: the loss is not a number.
        """
        model = fitting.fit(
            self,
            data,
            validation,
            seed=seed,
            class_names=class_names,
            out=None if out is None else Path(out),
            resume=resume,
            overwrite=overwrite,
            callbacks=tuple(callbacks),
            tensorboard=tensorboard,
            options=options,
            reporter=reporter,
        )
        assert isinstance(model, TextModel)
        return model

    def find_learning_rate(
        self,
        data: Any,
        validation: Any = None,
        *,
        phase: Phase | None = None,
        lowest: float = LOWEST_RATE,
        highest: float = HIGHEST_RATE,
        seed: int = 0,
        class_names: Iterable[str] | None = None,
        reporter: Reporter | None = None,
        **options: Any,
    ) -> LearningRateTest:
        """Finds a learning rate; see ``ImageClassification.find_learning_rate``."""
        return learning_rate.find_learning_rate(
            self,
            data,
            validation,
            phase=phase or self.resolved_plan[0],
            lowest=lowest,
            highest=highest,
            seed=seed,
            class_names=class_names,
            options=options,
            reporter=reporter,
        )

    def build_base(self) -> BuiltTextBackbone:
        """Builds the backbone with its weights and tokenizer; raises where they do not fit."""
        base = build_text_backbone(self.record, self.weights_source, tokenizer=self.tokenizer)
        limit = base.tokenizer.max_length
        if limit is not None and self.max_length > limit:
            raise ConfigurationError(
                f"max_length={self.max_length}; {self.record.name} takes up to {limit} tokens."
            )
        return base

    def assemble(
        self, outputs: int, *, seed: int, base: BuiltTextBackbone | None = None
    ) -> tuple[keras.Model, str | None]:
        """Builds the whole network and says what weights it has.

        Args:
            outputs: classes, at least 2 of a single label; 1 for a regression.
            seed: of the initial weights of the head.
            base: what ``build_base`` returned; None builds it.

        Returns:
            The network, token ids int32 (n, length) to outputs (n, outputs), and the SHA-256 of
            the weights (None: random).
        """
        if outputs < 2 and self.kind == "single_label":
            raise ConfigurationError(f"{outputs} class; a classifier needs at least 2.")
        built = base or self.build_base()
        made = self.head.attach(
            built.model.outputs[0],
            _mask(built),
            outputs,
            kind=self.kind,
            pooling=self.record.pooling,
            seed=seed,
        )
        network = keras.Model(built.model.inputs[0], made, name="kerastl_network")
        return network, built.weights_sha256

    @property
    def record(self) -> TextBackbone:
        """The backbone's record; of a directory, what its settings say."""
        return self._resolved[0]

    @property
    def weights_source(self) -> WeightsSource:
        """Where the weights are; raises WeightsError where they cannot be reached."""
        return self._resolved[1]

    @property
    def _resolved(self) -> tuple[TextBackbone, WeightsSource]:
        return resolve_text_backbone(self.backbone, self.weights)

    @property
    def objective(self) -> Objective:
        """What the labels mean."""
        return Objective(self.kind)

    @property
    def resolved_plan(self) -> Plan:
        """The plan, or the default one."""
        if self.plan is not None:
            check_plan(self.plan)
            return self.plan
        return two_phase(
            HEAD_EPOCHS,
            FINE_TUNE_EPOCHS,
            head_learning_rate=HEAD_RATE,
            learning_rate=FINE_TUNE_RATE,
        )

    def check(self) -> None:
        """Finds bad settings before anything is read; raises ConfigurationError."""
        if not isinstance(self.head, TextHead):
            raise ConfigurationError(f"head={self.head!r}; give a kerastl.TextHead.")
        self.head.check()
        if self.kind not in _KINDS:
            raise ConfigurationError(
                f"kind={self.kind!r}; allowed are {', '.join(map(repr, _KINDS))}."
            )
        if self.class_weight is not None and self.kind != "single_label":
            raise ConfigurationError("class_weight is for kind='single_label'. Leave it out.")
        if not isinstance(self.max_length, int) or self.max_length < _LEAST_LENGTH:
            raise ConfigurationError(
                f"max_length={self.max_length!r}; give at least {_LEAST_LENGTH} tokens."
            )

    def load(
        self,
        data: Any,
        validation: Any,
        *,
        seed: int,
        class_names: Iterable[str] | None,
        options: Mapping[str, Any],
    ) -> tuple[TextDataset, TextDataset | None]:
        """Loads training texts, and validation texts or None."""
        return load_text_pair(
            data, validation, seed=seed, class_names=class_names, kind=self.kind, **options
        )

    def read(
        self, train: Any, validation: Any, base: Any, scratch: Path, reporter: Reporter
    ) -> tuple[TokenExamples, TokenExamples | None]:
        """Tokenises the training texts and, where there are any, the validation texts."""
        del scratch
        reporter.start("tokenising", 1)
        sets = [part for part in (train, validation) if part is not None]
        encoded = [base.tokenizer.encode(part.texts, self.max_length) for part in sets]
        pad = base.tokenizer.pad_id
        found = [
            sort_tokens(part.ids, dataset.labels, pad_id=pad)
            for part, dataset in zip(encoded, sets, strict=True)
        ]
        held_out = None if validation is None else found[1]
        count = 0 if held_out is None else len(held_out)
        reporter.finish(f"{len(train)} training, {count} validation texts")
        cut = sum(part.truncated for part in encoded)
        if cut:
            warnings.warn(
                f"{cut} of {len(train) + count} texts are longer than "
                f"max_length={self.max_length} tokens: their ends were cut off.",
                DataWarning,
                stacklevel=2,
            )
        return found[0], held_out

    def measure(self, network: keras.Model, examples: Any) -> dict[str, float]:
        """Metrics of a network on examples."""
        outputs = predict_tokens(network, examples)
        return measure(examples.labels, outputs[examples.positions], self.kind)

    def describe(self, base: BuiltTextBackbone) -> dict[str, Any]:
        """What provenance says of the backbone."""
        return {"preprocessing": f"tokenizer {base.tokenizer.sha256[:16]}"}

    def finish(
        self,
        train: Any,
        held_out: Any,
        data: Any,
        validation: Any,
        base: Any,
        *,
        seed: int,
        **content: Any,
    ) -> TextModel:
        """The trained model, with thresholds and a few texts that prove an export."""
        del train
        thresholds = None
        if self.kind == "multi_label" and held_out is not None:
            outputs = predict_tokens(content["network"], held_out)[held_out.positions]
            thresholds = tuple(map(float, best_thresholds(held_out.labels, outputs)))
            content["metrics"] = measure(held_out.labels, outputs, self.kind, thresholds)
        return TextModel(
            **content,
            tokenizer=base.tokenizer,
            max_length=self.max_length,
            kind=self.kind,
            thresholds=thresholds,
            samples=_samples(data, validation, self.kind, seed),
        )


def _mask(built: BuiltTextBackbone) -> Any:
    """Which tokens are no padding; FNet has no use for it, and the head does."""
    if any(layer.name == MASK_LAYER for layer in built.model.layers):
        return built.model.get_layer(MASK_LAYER).output
    return PaddingMask(built.tokenizer.pad_id, name=MASK_LAYER)(built.model.inputs[0])


def _samples(
    train: TextDataset, validation: TextDataset | None, kind: Kind, seed: int
) -> TextSamples:
    shown = train if validation is None else validation

    def chosen(data: TextDataset, count: int) -> Any:
        if kind == "single_label":
            return stratified_sample(data.labels, count, seed=seed)
        return np.random.default_rng(seed).permutation(len(data))[:count]

    rows = chosen(shown, VALIDATION_EXAMPLES)
    return TextSamples(
        tuple(shown.texts[int(i)] for i in rows),
        np.asarray(shown.labels)[rows],
        tuple(train.texts[int(i)] for i in chosen(train, CALIBRATION_EXAMPLES)),
    )
