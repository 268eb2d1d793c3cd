"""One class for each example: softmax probabilities."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self, final

import numpy as np

from kerastl.errors import ConfigurationError
from kerastl.metrics import (
    Replicate,
    calibration,
    classification_metrics,
    classification_replicate,
)
from kerastl.outputs.class_labels import ClassLabels
from kerastl.outputs.gate import TIE, Gate
from kerastl.outputs.judging import Details, Marks, calibration_table
from kerastl.outputs.linear import LinearModel, logistic
from kerastl.outputs.output import PROBABILITIES, LossSettings

Array = np.ndarray[Any, Any]
SCORES = "scores"
"""What manifests call numbers that are no probabilities, and artifacts their tensor."""
INDEPENDENT = "independent"
"""What manifests call probabilities that do not sum to 1, as sigmoids give them."""


@final
@dataclasses.dataclass(frozen=True)
class Classes(ClassLabels):
    """One class for each example; the network gives a probability for each class.

    Attributes:
        scores: the network gives scores (logits) instead, whose softmax are the probabilities.
    """

    kind: ClassVar[str] = "single_label"
    score: ClassVar[str] = "accuracy"
    score_is_a_share: ClassVar[bool] = True
    metric: ClassVar[str] = "accuracy"
    names_one_class: ClassVar[bool] = True
    constant_name: ClassVar[str] = "the most frequent class"
    linear_name: ClassVar[str] = "logistic regression"
    activation: ClassVar[str | None] = "softmax"
    link: ClassVar[str | None] = "softmax"

    scores: bool = False

    def get_config(self) -> dict[str, Any]:
        """Without ``scores`` where there are none, as version 0.1.0 wrote it."""
        config = super().get_config()
        return config if self.scores else {k: v for k, v in config.items() if k != "scores"}

    # Learning.

    def attach(self, features: Any, *, name: str, seed: int) -> Any:
        """Refuses a single class, and scores: what is trained here ends in probabilities."""
        if self.scores:
            raise ConfigurationError(
                "Classes(scores=True) is of a trained network that ends in scores. Leave it out: "
                "what kerastl trains ends in probabilities."
            )
        if self.width < 2:
            raise ConfigurationError(f"{self.width} class; a classifier needs at least 2.")
        return super().attach(features, name=name, seed=seed)

    def loss(self, phase: LossSettings) -> Any:
        """Cross-entropy, focal cross-entropy, or a contrastive loss on the features."""
        import keras

        if phase.loss == "contrastive":
            from kerastl.outputs.contrastive import ContrastiveLoss

            return ContrastiveLoss()
        smoothing = phase.label_smoothing
        if phase.loss == "focal":
            return keras.losses.CategoricalFocalCrossentropy(
                alpha=1.0, gamma=2.0, label_smoothing=smoothing
            )
        return keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)

    def metrics(self) -> list[Any]:
        """The share of right classes."""
        return [self.score]

    def weights(self, labels: Array, class_weight: Any) -> Array | None:
        """Weights of examples in the loss; None weighs all alike.

        ``"balanced"`` weighs each class by n / (classes * count); a dict gives a weight to each
        class name.
        """
        if class_weight is None:
            return None
        if class_weight == "balanced":
            counts = np.bincount(labels[self.present(labels)], minlength=self.width)
            by_class = counts.sum() / (self.width * np.maximum(counts, 1))
            return np.asarray(by_class[labels], dtype=np.float32)
        if isinstance(class_weight, dict) and set(class_weight) == set(self.class_names):
            given = np.array([class_weight[name] for name in self.class_names], dtype=np.float32)
            return np.asarray(given[labels])
        raise ConfigurationError(
            f"class_weight={class_weight!r}: give 'balanced', None, or a dict with a weight for "
            f"each of the classes {', '.join(self.class_names)}."
        )

    # Answers.

    def decode(self, outputs: Array) -> list[Any]:
        """The most probable class of each row."""
        return [self.class_names[int(row.argmax())] for row in outputs]

    def answers(self, outputs: Array) -> list[dict[str, Any]]:
        """``label`` and ``probability``."""
        named = zip(self.decode(outputs), self.presented(outputs), strict=True)
        return [{"label": name, "probability": float(row.max())} for name, row in named]

    def presented(self, outputs: Array) -> Array:
        """The softmax of scores, float64; probabilities as they are."""
        if not self.scores or not len(outputs):
            return outputs
        powers = np.exp(outputs.astype(np.float64) - outputs.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def as_said(self, meaning: str) -> Self:
        """With scores where a manifest says so."""
        return dataclasses.replace(self, scores=meaning == SCORES)

    def line(self, answer: Mapping[str, Any]) -> str:
        """The label and its probability."""
        return f"{answer['label']}  {answer['probability']:.3f}"

    def measure(self, labels: Array, outputs: Array) -> dict[str, float]:
        """See ``kerastl.metrics.classification_metrics``."""
        return classification_metrics(labels, self.presented(outputs))

    def accuracy(self, labels: Array, outputs: Array) -> float | None:
        """Share of right classes."""
        return float((outputs.argmax(axis=1) == labels).mean())

    # Judgement.

    def marks(self, labels: Array, outputs: Array) -> Marks:
        """Names; the confidence is the probability of the answer."""
        truth = [self.class_names[label] for label in labels]
        right = np.asarray(outputs.argmax(axis=1) == labels)
        return Marks(truth, self.decode(outputs), right, outputs.max(axis=1))

    def shares(self, labels: Array, outputs: Array) -> dict[str, tuple[int, int]]:
        """Accuracy."""
        return {"accuracy": (int((outputs.argmax(axis=1) == labels).sum()), len(labels))}

    def replicate(self, labels: Array, outputs: Array) -> Replicate:
        """See ``kerastl.metrics.classification_replicate``."""
        return classification_replicate(labels, outputs)

    def details(self, labels: Array, outputs: Array, marks: Marks) -> Details:
        """Classes, coverage, and calibration of what are probabilities."""
        found = super().details(labels, outputs, marks)
        if marks.right is None or self.meaning(outputs) != "probabilities":
            return found
        error, bins = calibration(outputs.max(axis=1), marks.right)
        tables = {**found.tables, **calibration_table(bins)}
        return Details({"calibration_error": error}, tables, found.confusion)

    def linear(self, features: Any, labels: Array) -> LinearModel | None:
        """Logistic regression."""
        return logistic(features, labels, self.width)

    def groups(self, outputs: Array) -> Array:
        """By the most probable class."""
        return np.asarray(outputs.argmax(axis=1))

    # Proof.

    def agreement_of(self, noun: str) -> str:
        """Labels."""
        return "labels"

    def agreeing(
        self, reference: Array, outputs: Array, gate: Gate, quantization: str | None
    ) -> Array:
        """The same most probable class: bool ``(n,)``."""
        chosen = outputs.argmax(axis=1)
        lead = reference.max(axis=1) - reference[np.arange(len(reference)), chosen]
        return np.asarray((lead <= TIE) & np.isfinite(outputs).all(axis=1))

    def meaning(self, reference: Array) -> str:
        """``"probabilities"``: rows in 0..1 that sum to 1; in 0..1 ``"independent"``; ``"scores"``.

        What sigmoids give lies in 0..1 and does not sum to 1: a softmax of it would mean nothing.
        """
        if reference.min() < -1e-6 or reference.max() > 1 + 1e-6:
            return SCORES
        return PROBABILITIES if np.allclose(reference.sum(1), 1, atol=1e-3) else INDEPENDENT

    # Card.

    def title(self, noun: str) -> str:
        """A classifier."""
        return f"{noun.capitalize()} classifier: {self.width} classes"

    def use(self, noun: str, nouns: str, origin: str) -> str:
        """Sorting, and what it cannot say."""
        names = ", ".join("`" + name.replace("`", "'") + "`" for name in self.class_names)
        article = "an" if noun[0] in "aeiou" else "a"
        return (
            f"This model sorts {nouns} into {self.width} classes: {names}.{origin} It always "
            f"answers with one of these classes, also for {article} {noun} that belongs to none "
            f"of them. Use it on {nouns} like those it was trained on, and measure it on your own "
            "before you rely on it; do not let it decide alone about people."
        )
