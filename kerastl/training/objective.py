"""What labels mean: the targets, the loss and the score of a task."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeAlias

import keras
import numpy as np

from kerastl.errors import ConfigurationError
from kerastl.outputs.contrastive import ContrastiveLoss, PrecisionAtOne, embedding_model
from kerastl.training.phase import Phase

Array = np.ndarray[Any, Any]
Kind: TypeAlias = Literal["single_label", "multi_label", "regression", "embedding"]
_SCORES = {"regression": "r2", "embedding": "precision_at_1"}


@dataclasses.dataclass(frozen=True)
class Objective:
    """One class an example, any number of classes, a number, or a vector.

    Attributes:
        kind: ``"single_label"``: labels int64 (n,), outputs are probabilities that sum to 1.
            ``"multi_label"``: labels (n, classes) of 0 and 1, outputs are a probability for each
            class. ``"regression"``: labels (n,) are numbers, the output (n, 1) is one.
            ``"embedding"``: labels int64 (n,), outputs are vectors, which a contrastive loss
            draws together within a class.
    """

    kind: Kind = "single_label"

    @property
    def score(self) -> str:
        """The metric by which epochs are compared, the higher the better.

        ``"accuracy"``: the share of right classes, of several labels that of right decisions at
        0.5. ``"r2"``: the share of the variance that is explained. ``"precision_at_1"``: see
        ``PrecisionAtOne``.
        """
        return _SCORES.get(self.kind, "accuracy")

    def compares(self, phase: Phase) -> bool:
        """Whether a phase trains what the score is of, so that its epochs can be compared."""
        return phase.loss != "contrastive" or self.kind == "embedding"

    def trained(self, phase: Phase, model: keras.Model) -> keras.Model:
        """What of a model a phase trains: all of it, or up to the vector that its head gets."""
        return model if self.compares(phase) else embedding_model(model)

    def targets(self, labels: Array, outputs: int) -> Array:
        """Float32 (n, outputs); of an embedding ``outputs`` is the number of classes."""
        if self.kind in ("single_label", "embedding"):
            return np.eye(outputs, dtype=np.float32)[labels]
        return np.asarray(labels, dtype=np.float32).reshape(len(labels), outputs)

    def metrics(self, phase: Phase) -> list[Any]:
        """The metrics that a model is compiled with."""
        if not self.compares(phase):
            return []
        if self.kind == "embedding":
            return [PrecisionAtOne(name=self.score)]
        if self.kind == "regression":
            return [keras.metrics.R2Score(name=self.score)]
        if self.kind == "multi_label":
            return [keras.metrics.BinaryAccuracy(name=self.score)]
        return [self.score]

    def loss(self, phase: Phase) -> Any:
        """The loss, smoothed as the phase says.

        Raises:
            ConfigurationError: a loss that does not go with the labels.
        """
        if phase.loss == "contrastive":
            if self.kind not in ("single_label", "embedding"):
                raise ConfigurationError(
                    "loss='contrastive' needs one class an example. Leave it out."
                )
            return ContrastiveLoss()
        if self.kind == "embedding":
            raise ConfigurationError(
                f"Phase {phase.title!r}: loss={phase.loss!r} is of classes, and an embedding "
                "gives none: give the phase loss='contrastive', without label_smoothing."
            )
        smoothing = phase.label_smoothing
        focal = phase.loss == "focal"
        if self.kind == "regression":
            if focal or smoothing:
                raise ConfigurationError(
                    "Focal loss and label smoothing are of classes; a regression has none. Leave "
                    "loss and label_smoothing as they are."
                )
            return keras.losses.MeanSquaredError()
        if self.kind == "multi_label":
            if focal:
                return keras.losses.BinaryFocalCrossentropy(gamma=2.0, label_smoothing=smoothing)
            return keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
        if focal:
            return keras.losses.CategoricalFocalCrossentropy(
                alpha=1.0, gamma=2.0, label_smoothing=smoothing
            )
        return keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)


SINGLE_LABEL = Objective()
