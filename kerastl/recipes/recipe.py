"""What all recipes share: a backbone, outputs, a plan of phases, how activations are kept."""

from __future__ import annotations

import abc
import dataclasses
import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, cast

import keras

from kerastl.backbones import NONE, WeightsSource, find_weights
from kerastl.data import Dataset, load_pair
from kerastl.errors import ConfigurationError
from kerastl.graph import open_model, operations
from kerastl.heads import Head, Outputs, layer_names
from kerastl.inputs import Augment, Input, Reader
from kerastl.inputs.examples import MEMORY_LIMIT
from kerastl.model import TrainedModel
from kerastl.outputs import Output
from kerastl.recipes import fitting
from kerastl.recipes.plans import plan_named
from kerastl.recipes.settings import from_json, to_json
from kerastl.training import (
    FULL,
    HIGHEST_RATE,
    LOWEST_RATE,
    ConsoleReporter,
    LearningRateTest,
    LossWeights,
    Phase,
    Plan,
    Reporter,
    Tracker,
    check_losses,
    check_plan,
    phases_of,
    tracker_of,
    trained,
)

Model = TypeVar("Model", bound=TrainedModel)


@dataclasses.dataclass(frozen=True)
class Base:
    """A backbone with its weights, before anything is put on top of it.

    Attributes:
        model: Functional, from what ``input`` makes of an example to features.
        input: what goes in.
        weights_sha256: of the weights; None where they are random.
        preprocessing: what provenance says of it.
        mask: of sequences a KerasTensor bool (n, length), true where there is something.
    """

    model: keras.Model
    input: Input
    weights_sha256: str | None
    preprocessing: str
    mask: Any = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe(abc.ABC, Generic[Model]):
    """A backbone, outputs and a plan of phases.

    It is inert: nothing is built or loaded before ``fit`` or ``build``. See
    ``ImageClassification`` for the attributes.
    """

    NAME: ClassVar[str]
    HEAD: ClassVar[type[Any]] = Head
    # They came after version 0.1.0. At their defaults they are not written, so that its runs go on.
    LATER: ClassVar[tuple[str, ...]] = ("refit",)

    backbone: Any
    weights: str | os.PathLike[str] | None
    plan: Plan | str | None = None
    batch_size: int = 32
    class_weight: Any = None
    cache: str | bool | os.PathLike[str] = "auto"
    cache_dtype: str = "float32"
    memory_limit: int = MEMORY_LIMIT
    precision: str = FULL
    refit: bool | None = None

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
        track: str | Tracker | None = None,
        reporter: Reporter | None = None,
        **options: Any,
    ) -> Model:
        """Trains a new model.

        Args:
            data: a folder of class folders, or one holding train/ and val/; a CSV, TSV, JSON Lines
                or Parquet table; arrays or lists ``(x, y)``; ``"tfds:NAME"``; of images also a
                tf.data.Dataset, Keras PyDataset or grain dataset.
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
            track: ``"mlflow"`` or ``"mlflow:URI"`` also writes the run to MLflow; or a ``Tracker``
                of your own. A run that is resumed goes on in the same place.
            reporter: hears of the progress; None prints to standard error.
            **options: of ``kerastl.data.load``: ``label_column=``, ``image_column=`` or
                ``text_column=``, ``group_column=``, ``encoding=``, ``on_error=``, ...

        Returns:
            The trained model, with the weights that did best on the validation data.

        Raises:
            ConfigurationError: a setting that cannot be.
            DataError: data that cannot be trained on.
            TrainingError: the loss is not a number.
        """
        run = fitting.RunSettings(
            seed=seed,
            out=None if out is None else Path(out),
            resume=resume,
            overwrite=overwrite,
            callbacks=tuple(callbacks),
            tensorboard=tensorboard,
            tracker=tracker_of(track),
            reporter=reporter or ConsoleReporter(),
            validation=validation,
        )
        load = functools.partial(
            self.load, data, validation, seed=seed, class_names=class_names, **options
        )
        return cast(Model, fitting.fit(self, load, run))

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
        """Finds a learning rate: the loss of steps whose rate rises exponentially.

        Nothing is kept of the training but its losses; what is frozen goes through the cache
        that ``fit`` will use.

        Args:
            data: as in ``fit``, and so are the further arguments and the errors.
            validation: is held back and not trained on.
            phase: what trains; None takes the plan's first phase that has a rate. It begins with
                the pretrained weights and a head of random ones. Its own rate and schedule do not
                count.
            lowest: the first rate.
            highest: the last one.
            seed: as in ``fit``.
            class_names: as in ``fit``.
            reporter: as in ``fit``.
            **options: as in ``fit``.

        Returns:
            Rates, smoothed losses and a suggestion.

        References:
            Smith, Cyclical Learning Rates for Training Neural Networks, 2015,
            https://arxiv.org/abs/1506.01186, section 3.3.
        """
        tested = phase or next(iter(phases_of(self.resolved_plan)), Phase())
        return fitting.find_learning_rate(
            # So that the phase is checked as one of a plan is.
            dataclasses.replace(self, plan=(tested,)),
            functools.partial(
                self.load, data, validation, seed=seed, class_names=class_names, **options
            ),
            seed=seed,
            reporter=reporter or ConsoleReporter(),
            phase=tested,
            lowest=lowest,
            highest=highest,
        )

    # What a recipe says of its backbone and its input.

    @property
    @abc.abstractmethod
    def record(self) -> Any:
        """The backbone's name, licence, paper, stage_pattern and fine_tune_from."""

    @property
    def weights_source(self) -> WeightsSource:
        """Where the weights are; raises WeightsError where they cannot be reached."""
        return find_weights(self.weights)

    @property
    def is_random(self) -> bool:
        """Whether the weights are random; raises WeightsError where they cannot be reached."""
        return self.weights_source.origin == NONE

    @property
    @abc.abstractmethod
    def reader(self) -> Reader:
        """How data sets are read."""

    @abc.abstractmethod
    def check_input(self) -> None:
        """Finds bad settings of the backbone and the input; raises ConfigurationError."""

    @abc.abstractmethod
    def build_base(self) -> Base:
        """Builds the backbone with its weights; raises where they do not fit."""

    @property
    def augmentation(self) -> Augment | None:
        """How training examples are varied, or None."""
        return None

    def finish(self, network: keras.Model) -> keras.Model:
        """The network as it is saved."""
        return network

    # What a recipe says of its outputs.

    @property
    @abc.abstractmethod
    def resolved_outputs(self) -> dict[str, Output]:
        """The outputs by name, before data have named any classes."""

    @property
    def resolved_loss_weights(self) -> Mapping[str, float] | str | None:
        """How much the loss of each of several outputs counts; see ``kerastl.training.Job``."""
        return None

    @abc.abstractmethod
    def attach(self, base: Base, outputs: Outputs, *, seed: int) -> Any:
        """The head's KerasTensor (n, width), float32, on a base; of several outputs a list."""

    @property
    @abc.abstractmethod
    def default_plan(self) -> Plan:
        """The phases where no plan is given."""

    @property
    def plan_settings(self) -> dict[str, Any]:
        """Settings of the plans that have a name."""
        return {}

    def origin(self, outputs: Mapping[str, Output]) -> dict[str, Any]:
        """What provenance says of the outputs that were trained."""
        return {}

    @abc.abstractmethod
    def check(self) -> None:
        """Finds bad settings before anything is read; raises ConfigurationError."""

    # What follows from these.

    @property
    def has_linear_head(self) -> bool:
        """Whether a ``Probe`` can solve the head."""
        return False

    @property
    def resolved_plan(self) -> Plan:
        """The plan, or the default one; a head that cannot be solved is trained instead."""
        if self.plan is None:
            plan = self.default_plan
        elif isinstance(self.plan, str):
            plan = plan_named(self, self.plan)
        else:
            plan = self.plan
            check_plan(plan)
        return plan if self.has_linear_head else trained(plan)

    def check_outputs(self) -> None:
        """Raises ConfigurationError where a plan or weights do not go with the outputs."""
        outputs = self.resolved_outputs
        LossWeights(outputs, self.resolved_loss_weights)
        check_losses(outputs, phases_of(self.resolved_plan))
        if self.class_weight is not None and len(outputs) == 1:
            [output] = outputs.values()
            output.weights(output.missing(0), "balanced")

    def assemble(
        self, outputs: Outputs, *, seed: int, base: Base | None = None
    ) -> tuple[keras.Model, str | None]:
        """The whole network, and the SHA-256 of its pretrained weights (None: random)."""
        built = base or self.build_base()
        _check_layer_names(built.model, outputs)
        made = self.attach(built, outputs, seed=seed)
        # Not model.input, which is a list in some backbones: a call would warn of the structure.
        network = keras.Model(built.model.inputs[0], made, name="kerastl_network")
        return self.finish(network), built.weights_sha256

    def load(
        self,
        data: Any,
        validation: Any = None,
        *,
        columns: Sequence[Any] | None = None,
        **options: Any,
    ) -> tuple[Dataset, Dataset | None]:
        """Loads training data, and validation data or None; ``options`` are of ``load_pair``.

        ``columns`` is a short way to name the columns of examples and labels.
        """
        if columns is not None:
            options["column"], options["label_column"] = columns[0], columns[1]
        outputs = self.resolved_outputs
        return load_pair(data, validation, reader=self.reader, outputs=outputs, **options)

    def as_begun(self, settings: Mapping[str, Any] | None) -> Self:
        """The recipe as an unfinished run means it, which has written down these settings."""
        return self

    def get_config(self) -> dict[str, Any]:
        """The settings as JSON holds them."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        kept = {
            name: value
            for name, value in to_json(self).items()
            if name not in self.LATER or value != defaults[name]
        }
        return {"recipe": self.NAME, **kept}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A recipe out of what ``get_config`` returned."""
        if config.get("recipe", cls.NAME) != cls.NAME:
            raise ConfigurationError(
                f"The settings are of the recipe {config['recipe']!r}, not of {cls.NAME!r}."
            )
        try:
            return cls(**from_json(config, cls.HEAD))
        except TypeError as error:
            raise ConfigurationError(f"The recipe cannot be read: {error}.") from error


def _check_layer_names(base: keras.Model, outputs: Outputs) -> None:
    """Raises ConfigurationError where one of several outputs has the name of a layer."""
    if isinstance(outputs, Output) or len(outputs) == 1:
        return
    taken = {operation.name for operation in operations(open_model(base))}
    named = zip(outputs, layer_names(outputs), strict=True)
    clashes = [name for name, layer in named if layer in taken]
    if clashes:
        raise ConfigurationError(
            f"The network has layers of its own that are called {', '.join(map(repr, clashes))}. "
            "Give the outputs other names."
        )
