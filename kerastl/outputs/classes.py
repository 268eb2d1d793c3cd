"""One class for each example: softmax probabilities."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, final

import numpy as np

from kerastl.errors import ConfigurationError, DataError
from kerastl.metrics import classification_metrics
from kerastl.outputs.encoding import (
    array_of,
    class_indices,
    column_of,
    encode_names,
    need_names,
)
from kerastl.outputs.gate import Gate, same_class
from kerastl.outputs.names import given_class_names, listed
from kerastl.outputs.output import Cell, LossSettings, Output, Source
from kerastl.outputs.predictions import Predictions

Array = np.ndarray[Any, Any]
NO_LABEL = -1


@final
@dataclasses.dataclass(frozen=True)
class Classes(Output):
    """One class for each example; the network gives a probability for each class.

    Labels are class indices int64 ``(n,)``; -1 stands for a label that is missing.
    """

    kind: ClassVar[str] = "single_label"
    score: ClassVar[str] = "accuracy"
    score_is_a_share: ClassVar[bool] = True
    metric: ClassVar[str] = "accuracy"
    names_one_class: ClassVar[bool] = True
    one_class: ClassVar[bool] = True

    @property
    def width(self) -> int:
        """One probability for each class."""
        return len(self.class_names)

    # Labels.

    def read_columns(
        self, values: Sequence[tuple[Cell, ...]], source: Source
    ) -> tuple[Self, Array]:
        """Class names out of one column."""
        return self._encoded(
            column_of([row[0] for row in values], source.columns[0], source), source
        )

    def read_array(self, labels: Any, source: Source) -> tuple[Self, Array]:
        """Names or indices ``(n,)`` or ``(n, 1)``, or one-hot ``(n, classes)``."""
        array = array_of(labels, source.where)
        if array.dtype.kind in "UTO":
            return self._encoded(_names(labels, source), source)
        if not self.class_names:
            raise need_names()
        names = given_class_names(self.class_names)
        indices = np.full(len(array), NO_LABEL, dtype=np.int64)
        held = np.ones(len(array), dtype=bool)
        if source.optional and array.ndim in (1, 2):
            rows = array.reshape(len(array), -1)
            held = ~((rows != rows).any(axis=1) | (rows == NO_LABEL).all(axis=1))
        indices[held] = class_indices(array[held], len(names), what=f"{source.where}: the labels")
        return dataclasses.replace(self, class_names=names), indices

    def _encoded(self, written: Sequence[str], source: Source) -> tuple[Self, Array]:
        names, found = encode_names(
            [name for name in written if name],
            self.class_names or None,
            where=source.where,
            allow_missing=source.allow_missing,
        )
        indices = np.full(len(written), NO_LABEL, dtype=np.int64)
        indices[[bool(name) for name in written]] = found
        return dataclasses.replace(self, class_names=names), indices

    def check_examples(self, labels: Array, source: Source) -> None:
        """Refuses a single class too."""
        if self.width < 2 and self.present(labels).any() and not source.allow_missing:
            raise DataError(
                f"{source.where} has a single class, {listed(self.class_names)}. A classifier "
                "needs two or more: add another, for example of what the class is not."
            )
        super().check_examples(labels, source)

    def checked(self, labels: Any, *, optional: bool = False) -> Array:
        """Class indices, int64 ``(n,)``."""
        values, count = np.asarray(labels), self.width
        # An empty list is an array of floats.
        if values.ndim != 1 or (len(values) and values.dtype.kind not in "iub"):
            raise DataError(
                "Labels must be class indices, integers of the shape (n,). Received: "
                f"{values.dtype} of the shape {values.shape}."
            )
        least = NO_LABEL if optional else 0
        if len(values) and not (values.min() >= least and values.max() < count):
            raise DataError(
                f"Labels must be from 0 to {count - 1}, one of {count} class names each. Received "
                f"labels from {values.min()} to {values.max()}."
            )
        return values.astype(np.int64)

    def present(self, labels: Array) -> Array:
        """Those that are not -1."""
        return np.asarray(labels != NO_LABEL)

    def missing(self, count: int) -> Array:
        """All -1."""
        return np.full(count, NO_LABEL, dtype=np.int64)

    def counts(self, labels: Array) -> dict[str, int]:
        """The number of examples of each class."""
        found = np.bincount(labels[self.present(labels)], minlength=self.width)
        return dict(zip(self.class_names, found.tolist(), strict=True))

    def check_trainable(self, labels: Array, batch_size: int) -> None:
        """Refuses a class without examples."""
        empty = [name for name, count in self.counts(labels).items() if count == 0]
        if empty:
            raise DataError(f"No training example of {', '.join(empty)} could be read.")

    def strata(self, labels: Array) -> Array:
        """The classes."""
        return np.eye(self.width)[labels] * self.present(labels)[:, None]

    def classes_of(self, labels: Array) -> Array | None:
        """The labels themselves, where none is missing."""
        return labels if self.present(labels).all() else None

    # Learning.

    def attach(self, features: Any, *, name: str, seed: int) -> Any:
        """A dense layer with softmax."""
        import keras

        if self.width < 2:
            raise ConfigurationError(f"{self.width} class; a classifier needs at least 2.")
        return keras.layers.Dense(
            self.width,
            activation="softmax",
            dtype="float32",
            name=name,
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        )(features)

    def targets(self, labels: Array) -> Array:
        """One-hot rows, float32 ``(n, classes)``; zeros where the label is missing."""
        return np.eye(self.width, dtype=np.float32)[labels] * self.present(labels)[:, None]

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
        """Weights of examples in the loss.

        Args:
            labels: int64 ``(n,)``.
            class_weight: ``"balanced"`` weighs each class by n / (classes * count); a dict gives
                a weight to each class name; None weighs all alike.

        Raises:
            ConfigurationError: neither of these, or a dict that lacks a class.
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
        named = zip(self.decode(outputs), outputs, strict=True)
        return [{"label": name, "probability": float(row.max())} for name, row in named]

    def line(self, answer: Mapping[str, Any]) -> str:
        """The label and its probability."""
        return f"{answer['label']}  {answer['probability']:.3f}"

    def predictions(self, outputs: Array) -> Predictions:
        """Labels and probabilities."""
        return Predictions(tuple(self.decode(outputs)), outputs, self.class_names)

    def measure(self, labels: Array, outputs: Array) -> dict[str, float]:
        """See ``kerastl.metrics.classification_metrics``."""
        rows = self.present(labels)
        return classification_metrics(labels[rows], outputs[rows])

    def accuracy(self, labels: Array, outputs: Array) -> float | None:
        """Share of right classes."""
        rows = self.present(labels)
        if not rows.any():
            return None
        return float((outputs[rows].argmax(axis=1) == labels[rows]).mean())

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
        return same_class(reference, outputs)

    def meaning(self, reference: Array) -> str:
        """``"probabilities"`` where rows lie in 0..1 and sum to 1, else ``"scores"``."""
        within = reference.min() >= -1e-6 and reference.max() <= 1 + 1e-6
        sums = np.allclose(reference.sum(1), 1, atol=1e-3)
        return "probabilities" if within and sums else "scores"

    def column(self, index: int) -> str:
        """A class name."""
        return repr(self.class_names[index])

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


def _names(labels: Any, source: Source) -> list[str]:
    """Class names out of an array or a list; ``""`` where one is missing."""
    # Of the objects themselves: an array of strings would turn numbers among names into names.
    array = np.asarray(labels, dtype=object)
    one = array.ndim == 1 or array.shape[1:] == (1,)
    values: list[Any] = array.ravel().tolist() if one else [array]
    missing = [v is None or v != v or (isinstance(v, str) and not v.strip()) for v in values]
    bad = [
        i
        for i, (value, none) in enumerate(zip(values, missing, strict=True))
        if (none and not source.optional) or not (none or isinstance(value, str))
    ]
    if bad:
        raise DataError(
            f"{source.where}: labels must be one class name for each example; {len(bad)} "
            f"{'is' if len(bad) == 1 else 'are'} missing or not a string, the first at position "
            f"{bad[0]}: {values[bad[0]]!r}. Received an array of shape {array.shape}."
        )
    return ["" if none else value for value, none in zip(values, missing, strict=True)]
