"""What the recipes for texts share: an encoder with its tokenizer, and texts as token ids."""

from __future__ import annotations

import abc
import dataclasses
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import keras
import numpy as np

from kerastl.backbones import (
    MASK_LAYER,
    PUBLISHED,
    BuiltTextBackbone,
    FixedLength,
    PaddingMask,
    TextBackbone,
    WeightsSource,
    build_text_backbone,
    resolve_text_backbone,
)
from kerastl.data import DataWarning, TextDataset, TextKind, load_text_pair, stratified_sample
from kerastl.errors import ConfigurationError
from kerastl.model import TextSamples, TokenModel, predict_tokens
from kerastl.model.samples import CALIBRATION_EXAMPLES, VALIDATION_EXAMPLES
from kerastl.recipes import fitting, learning_rate
from kerastl.recipes.recipe import Array, Recipe
from kerastl.training import (
    HIGHEST_RATE,
    LOWEST_RATE,
    LearningRateTest,
    Phase,
    Reporter,
    TokenExamples,
    labels_by_output,
    sort_tokens,
)

DEFAULT_BACKBONE = "minilm_l6"
DEFAULT_MAX_LENGTH = 128
_LEAST_LENGTH = 8
Model = TypeVar("Model", bound=TokenModel)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextRecipe(Recipe, Generic[Model]):
    """A recipe for texts: a pretrained encoder with its tokenizer, and what it becomes.

    It is inert: nothing is built or loaded before it is asked for.

    Attributes:
        backbone: see the recipe.
        weights: see the recipe.
        tokenizer: a directory to take the tokenizer from where the weights are random.
        max_length: maximum tokens per text, start and end tokens included.
    """

    backbone: str = DEFAULT_BACKBONE
    weights: str | os.PathLike[str] | None = PUBLISHED
    tokenizer: str | os.PathLike[str] | None = None
    max_length: int = DEFAULT_MAX_LENGTH

    @property
    @abc.abstractmethod
    def label_kind(self) -> TextKind:
        """What the labels of the data are."""

    @abc.abstractmethod
    def check_task(self) -> None:
        """Finds bad settings of the recipe's own task; raises ConfigurationError."""

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
    ) -> Model:
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
            class_names=class_names,
            options=options,
            run=fitting.RunSettings(
                seed=seed,
                out=None if out is None else Path(out),
                resume=resume,
                overwrite=overwrite,
                callbacks=tuple(callbacks),
                tensorboard=tensorboard,
                reporter=reporter,
            ),
        )
        return cast(Model, model)

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
        tested = phase or self.resolved_plan[0]
        return learning_rate.find_learning_rate(
            # So that the phase is checked as one of a plan is.
            dataclasses.replace(self, plan=(tested,)),
            data,
            validation,
            phase=tested,
            lowest=lowest,
            highest=highest,
            seed=seed,
            class_names=class_names,
            options=options,
            reporter=reporter,
        )

    def build_base(self) -> BuiltTextBackbone:
        """Builds the backbone with its weights and tokenizer; raises where they do not fit."""
        base = build_text_backbone(
            self.record,
            self.weights_source,
            tokenizer=self.tokenizer,
            max_length=self.max_length,
        )
        limit = base.tokenizer.max_length
        if limit is not None and self.max_length > limit:
            raise ConfigurationError(
                f"max_length={self.max_length}; {self.record.name} takes up to {limit} tokens."
            )
        return base

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

    def check(self) -> None:
        """Finds bad settings before anything is read; raises ConfigurationError."""
        self.check_task()
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
            data, validation, seed=seed, class_names=class_names, kind=self.label_kind, **options
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
            sort_tokens(
                part.ids,
                labels_by_output(dataset.labels, self.output.tensor),
                pad_id=pad,
                length=base.fixed_length,
            )
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

    def predict(self, network: keras.Model, examples: Any) -> Array:
        """What a network says of examples, float32 (n, width), in their order."""
        found: Array = predict_tokens(network, examples)[examples.positions]
        return found

    def describe(self, base: BuiltTextBackbone) -> dict[str, Any]:
        """What provenance says of the backbone."""
        return {"preprocessing": f"tokenizer {base.tokenizer.sha256[:16]}"}

    def choose_samples(
        self, train: TextDataset, validation: TextDataset | None, seed: int
    ) -> TextSamples:
        """A few texts that travel with the model, of every class where each has one."""
        shown = train if validation is None else validation

        def chosen(data: TextDataset, count: int) -> Any:
            classes = self.output.classes_of(data.labels)
            if classes is not None:
                return stratified_sample(classes, count, seed=seed)
            return np.random.default_rng(seed).permutation(len(data))[:count]

        rows = chosen(shown, VALIDATION_EXAMPLES)
        return TextSamples(
            tuple(shown.texts[int(i)] for i in rows),
            np.asarray(shown.labels)[rows],
            tuple(train.texts[int(i)] for i in chosen(train, CALIBRATION_EXAMPLES)),
        )


def padding_mask(built: BuiltTextBackbone) -> Any:
    """Which tokens are not padding; FNet has no use for it, but what is on top of it does."""
    if any(layer.name == MASK_LAYER for layer in built.model.layers):
        return built.model.get_layer(MASK_LAYER).output
    mask = PaddingMask(built.tokenizer.pad_id, name=MASK_LAYER)(built.model.inputs[0])
    if built.fixed_length is None:
        return mask
    return FixedLength(built.fixed_length, 0, name="fixed_length_of_mask")(mask)
