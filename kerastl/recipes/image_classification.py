"""Image classification by transfer learning."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import keras

from kerastl.backbones import (
    INPUT,
    Backbone,
    BuiltBackbone,
    WeightsSource,
    build_backbone,
    describe_preprocessing,
    find_weights,
    freeze,
    get_backbone,
    split_name,
)
from kerastl.data import load_pair
from kerastl.errors import ConfigurationError
from kerastl.graph import inline
from kerastl.heads import Head, Outputs
from kerastl.model import ImageModel, predict_images
from kerastl.outputs import Classes, Output
from kerastl.recipes import fitting, learning_rate
from kerastl.recipes.image_samples import image_samples
from kerastl.recipes.recipe import Array, Recipe, RunData, check_layer_names
from kerastl.training import (
    HIGHEST_RATE,
    LOWEST_RATE,
    Augment,
    ImageExamples,
    LearningRateTest,
    Phase,
    Reporter,
    decode,
)

DEFAULT_BACKBONE = "mobilenet_v2"


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageClassification(Recipe):
    """A recipe: photographs of one class each, a pretrained backbone, a new head.

    It is inert: nothing is built or loaded before ``fit`` or ``build``.

    Attributes:
        backbone: a name of ``kerastl.list_backbones("image")``; ``NAME@WEIGHTS`` gives the
            weights too.
        weights: ``"imagenet"`` (what Keras or KerasHub downloads for that backbone), a path,
            ``"pkg:DISTRIBUTION/PATH"`` (a file inside an installed distribution), or None for
            random weights. For backbones of KerasHub also a preset, or a local directory that
            KerasHub, Hugging Face transformers or timm wrote.
        image_size: height and width in pixels, as one number or two; None takes the size that
            the backbone's weights were trained at.
        plan: the phases; None is ``two_phase()``. With random weights there is nothing worth
            freezing: train them with ``full(batch_norm=True)``.
        head: what is trained on top of the backbone.
        augment: how training images are varied; None not at all.
        batch_size: examples per step.
        class_weight: ``"balanced"``, a dict of a weight for each class name, or None.
        cache: the frozen part's activations are computed once for each view, and kept on disk
            for later runs: ``"auto"`` where that pays, True always, a path in that folder.
            False runs the frozen part again at each step, with new variations each epoch. The
            folder is ``KERASTL_CACHE`` or the user's cache folder (see ``kerastl cache``).
        cache_dtype: ``"float32"``, or ``"float16"`` or ``"bfloat16"`` to halve the space.
        memory_limit: bytes of activations that are held in memory; beyond it they are read
            from disk as they are needed.
        precision: what training computes in: ``"float32"``, ``"mixed_float16"`` or
            ``"mixed_bfloat16"``, which are faster on GPUs that are made for it. Weights stay
            float32, and so do the probabilities; the trained network computes in float32.

    Example:
        >>> import kerastl
        >>> recipe = kerastl.ImageClassification(backbone="mobilenet_v2", image_size=160)
        >>> kerastl.ImageClassification.from_config(recipe.get_config()) == recipe
        True
    """

    NAME: ClassVar[str] = "image_classification"

    backbone: str = DEFAULT_BACKBONE
    weights: str | os.PathLike[str] | None = "imagenet"
    image_size: int | tuple[int, int] | None = None
    head: Head = dataclasses.field(default_factory=Head)
    augment: Augment | None = dataclasses.field(default_factory=Augment)

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
        on_error: str = "warn",
        columns: tuple[str, str] | None = None,
        reporter: Reporter | None = None,
    ) -> ImageModel:
        """Trains a new model.

        Args:
            data: a folder of class folders, or one holding train/ and val/; a CSV or TSV of
                paths and labels; arrays ``(x, y)``; ``"tfds:NAME"``; a tf.data.Dataset, Keras
                PyDataset or grain dataset.
            validation: data of any kind, or the fraction of the training data that is held
                back, or False for none; None takes the folder's val/, or else a fifth.
            seed: of the split, the initial weights, shuffling, augmentation and dropout.
                Keras's, NumPy's and Python's global generators are seeded with it.
            class_names: needed for numeric labels and streams.
            out: a run directory, written while training so that the run can be resumed.
            resume: go on with an interrupted run in ``out``; without one there, start.
            overwrite: replace a run that is there.
            callbacks: Keras callbacks.
            tensorboard: a folder for TensorBoard's logs; True takes ``out``/tensorboard.
            on_error: ``"warn"`` skips unreadable images, ``"raise"`` does not.
            columns: of a table: the names of the image and label columns.
            reporter: hears of the progress; None prints to standard error.

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
            options={"on_error": on_error, "columns": columns},
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
        assert isinstance(model, ImageModel)
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
        on_error: str = "warn",
        columns: tuple[str, str] | None = None,
        reporter: Reporter | None = None,
    ) -> LearningRateTest:
        """Finds a learning rate: the loss of steps whose rate rises exponentially.

        Nothing is kept of the training but its losses; what is frozen goes through the cache
        that ``fit`` will use.

        Args:
            data: as of ``fit``.
            validation: as of ``fit``: it is held back and not trained on.
            phase: what trains; None takes the plan's first phase. It begins with the pretrained
                weights and a head of random ones. Its own rate and schedule do not count.
            lowest: the first rate.
            highest: the last one.
            seed: as of ``fit``.
            class_names: as of ``fit``.
            on_error: as of ``fit``.
            columns: as of ``fit``.
            reporter: hears of the progress; None prints to standard error.

        Returns:
            Rates, smoothed losses and a suggestion.

        Raises:
            ConfigurationError: a setting that cannot be.
            DataError: data that cannot be trained on.

        References:
            Smith, Cyclical Learning Rates for Training Neural Networks, 2015,
            https://arxiv.org/abs/1506.01186, section 3.3.
        """
        return learning_rate.find_learning_rate(
            self,
            data,
            validation,
            phase=phase or self.resolved_plan[0],
            lowest=lowest,
            highest=highest,
            seed=seed,
            class_names=class_names,
            options={"on_error": on_error, "columns": columns},
            reporter=reporter,
        )

    def build(self, class_names: Sequence[str], *, seed: int = 0) -> keras.Model:
        """Builds the network for plain ``network.fit``: compiled, base frozen, BatchNorm still.

        Args:
            class_names: in the order of the labels 0..k-1 that it will be fitted on.
            seed: of the initial weights of the head.

        Returns:
            A compiled ``keras.Model`` that takes float or uint8 RGB pixels in 0..255 and
            integer labels.
        """
        network, _ = self.assemble(self.output.with_classes(class_names), seed=seed)
        freeze(network)
        plan = self.resolved_plan
        network.compile(
            optimizer=keras.optimizers.AdamW(plan[0].learning_rate),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        return network

    def build_base(self) -> BuiltBackbone:
        """Builds the backbone with its weights; raises where they do not fit."""
        return build_backbone(self.record, self.weights_source, self.size)

    def assemble(
        self, outputs: Outputs, *, seed: int, base: BuiltBackbone | None = None
    ) -> tuple[keras.Model, str | None]:
        """Builds the whole network and says what weights it has.

        Args:
            outputs: what it says, one output or several by name.
            seed: of the initial weights of the head.
            base: what ``build_base`` returned; None builds it.

        Returns:
            The network, and the SHA-256 of the weights (None: random).
        """
        built = base or self.build_base()
        check_layer_names(built.model, outputs)
        made = self.head.attach(built.model.output, outputs, seed=seed)
        # Not model.input, which is a list in some backbones: a call would warn of the structure.
        network = keras.Model(built.model.inputs[0], made, name="kerastl_network")
        # Some backbones nest small models; laid open, every stage can be cut. Layers of KerasHub
        # can be saved only inside their backbone, which is opened for training alone.
        if self.record.source == "keras.applications":
            network = inline(network)
        assert network.inputs[0].name == INPUT
        return network, built.weights_sha256

    @property
    def output(self) -> Output:
        """One class for each image."""
        return Classes()

    @property
    def record(self) -> Backbone:
        """The backbone's record."""
        return get_backbone(split_name(self.backbone)[0], "image")

    @property
    def weights_source(self) -> WeightsSource:
        """Where the weights are; raises WeightsError where they cannot be reached."""
        named = split_name(self.backbone)[1]
        return find_weights(self.weights if named is None else named)

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

    @property
    def augmentation(self) -> Augment | None:
        """How training images are varied, or None."""
        return self.augment

    def check(self) -> None:
        """Finds bad settings before anything is read; raises ConfigurationError."""
        for name, kind in (("head", Head), ("augment", Augment)):
            value = getattr(self, name)
            if not isinstance(value, kind) and not (name == "augment" and value is None):
                raise ConfigurationError(f"{name}={value!r}; give a kerastl.{kind.__name__}.")
        self.head.check()
        if self.augment is not None:
            self.augment.check()
        _ = self.size

    def load(
        self,
        data: Any,
        validation: Any,
        *,
        seed: int,
        class_names: Iterable[str] | None,
        options: Mapping[str, Any],
    ) -> tuple[Any, Any]:
        """Loads training data, and validation data or None."""
        columns = options["columns"]
        named = {} if columns is None else {"image_column": columns[0], "label_column": columns[1]}
        return load_pair(
            data,
            validation,
            seed=seed,
            class_names=class_names,
            on_error=options["on_error"],
            **named,
        )

    def read(
        self, train: Any, validation: Any, base: Any, scratch: Path, reporter: Reporter
    ) -> tuple[ImageExamples, ImageExamples | None]:
        """Decodes the training images and, where there are any, the validation images."""
        del base
        reporter.start("decoding", 1)
        decoded = decode(train, self.size, scratch)
        held_out = None if validation is None else decode(validation, self.size, scratch)
        count = 0 if held_out is None else len(held_out)
        reporter.finish(f"{len(decoded)} training, {count} validation images")
        return decoded, held_out

    def predict(self, network: keras.Model, examples: Any) -> Array:
        """What a network says of examples, float32 (n, classes)."""
        return predict_images(network, examples.images)

    def describe(self, base: BuiltBackbone) -> dict[str, Any]:
        """What provenance says of the backbone."""
        return {"preprocessing": describe_preprocessing(base.preprocessing)}

    def trained_model(
        self, data: RunData, base: Any, output: Output, *, seed: int, **content: Any
    ) -> ImageModel:
        """The trained model, with a few images that prove an export."""
        del base, output
        samples = image_samples(
            data.train_examples, data.validation_examples, data.validation, seed
        )
        return ImageModel(**content, samples=samples)
