"""The second family of a task: what a network says of an example.

An output knows five things, and every flow of kerastl asks it instead of asking what it is:

- labels: how they are read out of tables and arrays, checked, counted and divided evenly;
- learning: the last layer, the targets, the losses and the metrics of training;
- answers: what a row of the network's output means, and how good many are (in NumPy only);
- judgement: what an evaluation tells of them (``kerastl.outputs.judging``);
- proof: when two rows decide the same, and what a bundle says of it.

A new output is one file like those beside this one: see docs/extending.md.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from kerastl.alignment import Alignment
from kerastl.errors import ConfigurationError, DataError
from kerastl.outputs import gate as gates
from kerastl.outputs.gate import Gate
from kerastl.outputs.judging import Judged
from kerastl.outputs.names import listed
from kerastl.outputs.predictions import Predictions
from kerastl.outputs.source import Cell, Source

Array = np.ndarray[Any, Any]
PROBABILITIES = "probabilities"


class LossSettings(Protocol):
    """What of a training phase decides the loss."""

    @property
    def loss(self) -> str:
        """``"cross_entropy"``, ``"focal"`` or ``"contrastive"``."""

    @property
    def label_smoothing(self) -> float:
        """Share of the target that is spread over all classes, in [0, 1)."""

    @property
    def title(self) -> str:
        """The phase's name in messages."""


@dataclasses.dataclass(frozen=True)
class Output(Judged):
    """What a network says of an example: a frozen value that JSON can hold.

    Attributes:
        kind: what manifests, recipes and runs call it.
        family: the second half of a task's name.
        tensor: what artifacts call it in a task of one output.
        score: the metric by which epochs are compared, the higher the better.
        score_is_a_share: whether ``score`` is a share of examples, whose standard error is known.
        takes_smoothing: whether focal loss and label smoothing, which are made for classes, mean
            anything here.
        metric: the metric that tables show.
        several_columns: whether labels may stand in several columns of a table.
        names_one_class: whether the answer to an example is one of the classes.
        gives_vectors: whether the numbers are a vector that others are compared with.
        one_class: whether each example has exactly one class, as in a folder of class folders.
        strata_on_both_sides: whether a split must leave examples of each of the ``strata`` on both
            sides.
        has_classes: whether labels are names of classes.
        same_when_cropped: whether the label of an image stays right when a part is cut out, in
            other light.
        moves: whether labels are places in the example, which move with it: see ``moved``.
        begins_trained: whether what a network says before any training could be what it ends with.
        activation: of the dense layer that ``attach`` makes.
        link: what makes answers of the scores of a linear head, as ``kerastl.solving`` names it;
            None where a linear head is no convex problem.
        class_names: in the order of the network's columns; empty where there are no classes, or
            before data have named them.
    """

    kind: ClassVar[str]
    family: ClassVar[str] = "classification"
    tensor: ClassVar[str] = PROBABILITIES
    score: ClassVar[str]
    score_is_a_share: ClassVar[bool] = False
    takes_smoothing: ClassVar[bool] = True
    metric: ClassVar[str]
    several_columns: ClassVar[bool] = False
    names_one_class: ClassVar[bool] = False
    gives_vectors: ClassVar[bool] = False
    one_class: ClassVar[bool] = False
    strata_on_both_sides: ClassVar[bool] = True
    has_classes: ClassVar[bool] = True
    same_when_cropped: ClassVar[bool] = True
    moves: ClassVar[bool] = False
    begins_trained: ClassVar[bool] = False
    activation: ClassVar[str | None] = None
    link: ClassVar[str | None] = None

    class_names: tuple[str, ...] = ()

    # Values.

    def get_config(self) -> dict[str, Any]:
        """The output as JSON data; ``kerastl.outputs.output_from_config`` reads it."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}
        return {"kind": self.kind, **plain}

    def manifest_config(self) -> dict[str, Any]:
        """``get_config`` with what is implied written out, as bundles tell it to others."""
        return self.get_config()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """An output out of what ``get_config`` gave; keys of later versions are passed over."""
        known = {field.name for field in dataclasses.fields(cls)}
        values = {key: value for key, value in config.items() if key in known}
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})

    @property
    def width(self) -> int:
        """How many numbers the network gives for an example."""
        return len(self.class_names)

    @property
    def summary(self) -> str:
        """How many numbers it gives and of what, in a few words."""
        count = len(self.class_names)
        return f"{count} classes" if count else self.kind

    # Labels.

    @property
    def labelling(self) -> Output:
        """The output whose labels these are; another one where the network does not give them."""
        return self

    def with_classes(self, class_names: tuple[str, ...]) -> Self:
        """This output with the classes that data are expected to have; raises DataError."""
        if not self.has_classes:
            raise DataError(
                f"Labels of the kind {self.kind!r} have no classes. Received "
                f"class_names={list(class_names)!r}."
            )
        return dataclasses.replace(self, class_names=class_names)

    @abc.abstractmethod
    def read_columns(
        self, values: Sequence[tuple[Cell, ...]], source: Source
    ) -> tuple[Self, Array]:
        """Labels out of the label columns of a table: of each row, one cell for each column.

        Returns:
            This output with the classes that were found, and the labels ``(n, ...)``.

        Raises:
            DataError: a label is missing or not valid, or the classes are not those of
                ``class_names``.
        """

    @abc.abstractmethod
    def read_array(self, labels: Any, source: Source) -> tuple[Self, Array]:
        """Labels out of an array or a list; otherwise as ``read_columns``.

        Where labels are optional, None and NaN stand for one that is missing.
        """

    def check_examples(self, labels: Array, source: Source) -> None:
        """Raises DataError where labels leave a class without an example, or name none at all."""
        if not len(labels):
            raise DataError(f"{source.where} holds no example that can be read.")
        if not self.present(labels).any():
            raise DataError(f"{source.where} has no label for any example. Add some.")
        empty = [name for name, count in self.counts(labels).items() if count == 0]
        if empty and not source.allow_missing:
            raise DataError(
                f"{source.where} has no example that can be read of the class"
                f"{'es' if len(empty) > 1 else ''} {listed(empty)}. Add some, or take the class "
                "out."
            )

    @abc.abstractmethod
    def checked(self, labels: Any, *, optional: bool = False) -> Array:
        """An array or a list as labels ``(n, ...)``; some may be missing if ``optional``.

        Raises:
            DataError: they cannot be labels of this output.
        """

    @abc.abstractmethod
    def present(self, labels: Array) -> Array:
        """Which examples have a label: bool ``(n,)``."""

    @abc.abstractmethod
    def missing(self, count: int) -> Array:
        """Labels that stand for none, ``(count, ...)``."""

    def counts(self, labels: Array) -> dict[str, int]:
        """The number of examples by class name, zeros included; empty without classes."""
        return {}

    def check_trainable(self, labels: Array, batch_size: int) -> None:
        """Raises DataError where nothing can be learned from labels, and warns where little can."""

    @abc.abstractmethod
    def strata(self, labels: Array) -> Array:
        """What a split should divide alike, float64 ``(n, strata)``."""

    def classes_of(self, labels: Array) -> Array | None:
        """The class of each example, int64 ``(n,)``, where each has exactly one; else None."""
        return None

    def for_other_data(self) -> Self:
        """This output with the classes that data have to hold on which a model is measured."""
        return self

    # Learning.

    def fitted(self, labels: Array) -> Self:
        """This output with what its last layer takes from the labels of the training data."""
        return self

    def moved(self, labels: Array, alignment: Alignment) -> Array:
        """Labels of examples that were varied: places where the examples' parts now lie."""
        return labels

    def attach(self, features: Any, *, name: str, seed: int) -> Any:
        """The last layer: KerasTensor ``(n, features)`` to ``(n, width)``, float32."""
        import keras

        return keras.layers.Dense(
            self.width,
            activation=self.activation,
            dtype="float32",
            name=name,
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        )(features)

    @abc.abstractmethod
    def targets(self, labels: Array) -> Array:
        """What the loss compares outputs with, float32 ``(n, ...)``; finite for missing labels."""

    def linear_targets(self, labels: Array) -> Array:
        """What the scores of a linear head are fitted to, float64 ``(n, width)``."""
        return self.targets(labels).astype(np.float64)

    def of_linear(self, scores: Array) -> Array:
        """What the network gives where its dense layer gives these numbers ``(n, width)``."""
        return scores

    def linear_layer(self, name: str) -> str:
        """The name of the dense layer that ``attach`` makes under a name."""
        return name

    @abc.abstractmethod
    def loss(self, phase: LossSettings) -> Any:
        """The loss of a phase; raises ConfigurationError where it does not go with the labels."""

    @abc.abstractmethod
    def metrics(self) -> list[Any]:
        """The metrics that a model is compiled with; one of them is ``score``."""

    def compares(self, phase: LossSettings) -> bool:
        """Whether a phase trains what the score is of, so that its epochs can be compared."""
        return phase.loss != "contrastive"

    def weights(self, labels: Array, class_weight: Any) -> Array | None:
        """Weights of examples in the loss, float32 ``(n,)``, or None.

        Raises ConfigurationError for class weights where there is not one class per example.
        """
        if class_weight is not None:
            raise ConfigurationError("class_weight is for kind='single_label'. Leave it out.")
        return None

    # Answers.

    @abc.abstractmethod
    def decode(self, outputs: Array) -> list[Any]:
        """The label of each row ``(width,)``: a name, a list of names, a number, or None."""

    @abc.abstractmethod
    def answers(self, outputs: Array) -> list[dict[str, Any]]:
        """What ``predict`` prints for each row, as JSON data: ``label``, ``probability``, ..."""

    @abc.abstractmethod
    def line(self, answer: Mapping[str, Any]) -> str:
        """One of ``answers`` for people."""

    def presented(self, outputs: Array) -> Array:
        """The numbers ``(n, width)`` that answers give; others where a network gives scores."""
        return outputs

    def as_said(self, meaning: str) -> Self:
        """This output where a manifest says what its numbers are: see ``meaning``."""
        return self

    def predictions(self, outputs: Array) -> Any:
        """What ``TrainedModel.predict`` returns of outputs ``(n, width)``."""
        labels = (tuple(x) if isinstance(x, list) else x for x in self.decode(outputs))
        return Predictions(tuple(labels), self.presented(outputs), self.class_names)

    @abc.abstractmethod
    def measure(self, labels: Array, outputs: Array) -> dict[str, float]:
        """The metrics that ``evaluate`` reports of examples that all have a label."""

    def accuracy(self, labels: Array, outputs: Array) -> float | None:
        """Share of right decisions, of examples that all have a label; None without classes."""
        return None

    def tuned(self, labels: Array, outputs: Array) -> Self:
        """This output with what is chosen on validation data after training."""
        return self

    def cross_fitted(self, labels: Array, outputs: Array, parts: Array) -> Array:
        """Answers that decide as ``tuned`` would on the other parts of the examples.

        What is measured of them is not flattered by a choice that was made on the same examples.

        Args:
            labels: ``(n, ...)``; some may be missing.
            outputs: ``(n, width)``, of this model or of another.
            parts: the part of each example, int64 ``(n,)``.
        """
        return outputs

    def of_network(self, width: int) -> Self:
        """This output as a trained network of this width gives it."""
        return self

    def groups(self, outputs: Array) -> Array:
        """Which rows decide alike, int64 ``(n,)``: what examples are drawn and divided by."""
        return np.zeros(len(outputs), dtype=np.int64)

    def shown(self, output: Array) -> str:
        """What a message says of one row ``(width,)``."""
        return repr(self.decode(output[None])[0])

    # Proof.

    @abc.abstractmethod
    def agreement_of(self, noun: str) -> str:
        """What ``label_agreement`` is the share of, as the end of a sentence."""

    @abc.abstractmethod
    def agreeing(
        self, reference: Array, outputs: Array, gate: Gate, quantization: str | None
    ) -> Array:
        """Which of an artifact's decisions are the network's: bool ``(n,)`` or ``(n, classes)``.

        A tie in the network's own answer, within ``TIE``, agrees with either decision. Both are
        of the shape ``(n, width)``: what is of another agrees nowhere, see ``figures``.
        """

    def scale(self, reference: Array) -> float:
        """What differences of float artifacts are measured in."""
        return 1.0

    def figures(
        self, reference: Array, outputs: Array, gate: Gate, quantization: str | None
    ) -> dict[str, Any]:
        """``max_abs_diff``, ``label_agreement`` and ``passed`` of an artifact's outputs."""
        diff = gates.max_abs_diff(reference, outputs)
        agreement = 0.0
        if reference.shape == outputs.shape:
            agreement = float(self.agreeing(reference, outputs, gate, quantization).mean())
        scaled = None if diff is None else diff / self.scale(reference)
        return {
            "max_abs_diff": diff,
            "label_agreement": agreement,
            "passed": gate.passes(quantization, scaled, agreement),
        }

    def repeats(self, recorded: Array, answered: Array) -> bool:
        """Whether a quantised artifact gives the answers that it gave at export."""
        return gates.repeats(recorded, answered)

    def parity_details(
        self, reference: Array, outputs: Array, gate: Gate, quantization: str | None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Further entries of an artifact's ``parity.threshold`` and ``parity`` in a manifest."""
        return {}, {}

    @abc.abstractmethod
    def meaning(self, reference: Array) -> str:
        """What the numbers are, as a manifest says: ``"probabilities"``, ``"numbers"``, ..."""

    def column(self, index: int) -> str:
        """A column of the output, for messages."""
        return repr(self.class_names[index]) if self.class_names else f"column {index}"

    # Card.

    def hub_tags(self, input_kind: str) -> tuple[str, ...]:
        """Tags of the Hugging Face hub, the pipeline's first."""
        return (f"{input_kind}-{self.family}",)

    @abc.abstractmethod
    def title(self, noun: str) -> str:
        """The heading of the model card; ``noun`` is that of one input, as ``"image"``."""

    @abc.abstractmethod
    def use(self, noun: str, nouns: str, origin: str) -> str:
        """What the model does and should not be used for; ``origin`` names the backbone."""

    def caveats(self, noun: str, nouns: str) -> list[str]:
        """Sentences of the card on what was not proved."""
        return ["A probability is not a certainty: its calibration was not measured here."]
