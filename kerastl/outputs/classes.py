"""One class for each example: softmax probabilities."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, final

import numpy as np

from kerastl.errors import ConfigurationError, DataError
from kerastl.metrics import classification_metrics
from kerastl.outputs.encoding import class_indices, encode_names, lines_of, need_names
from kerastl.outputs.gate import Gate, same_class
from kerastl.outputs.names import check_class_count, given_class_names
from kerastl.outputs.output import LossSettings, Output, Source
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
    metric: ClassVar[str] = "accuracy"
    names_one_class: ClassVar[bool] = True

    @property
    def width(self) -> int:
        """One probability for each class."""
        return len(self.class_names)

    # Labels.

    def read_columns(self, values: Sequence[tuple[str, ...]], source: Source) -> tuple[Self, Array]:
        """Class names out of one column."""
        written = [row[0].strip() for row in values]
        blank = [line for line, name in zip(source.lines, written, strict=True) if not name]
        if blank and not source.allow_missing:
            raise DataError(
                f"{source.where} has no label in column {source.columns[0]!r} on "
                f"{lines_of(blank)}. Fill it in, or remove the row."
            )
        return self._encoded(written, source)

    def read_array(self, labels: Any, source: Source) -> tuple[Self, Array]:
        """Names or indices ``(n,)`` or ``(n, 1)``, or one-hot ``(n, classes)``."""
        array = np.asarray(labels)
        if array.dtype.kind in "UTO":
            one = array.ndim == 1 or array.shape[1:] == (1,)
            values: list[Any] = array.ravel().tolist() if one else [None]
            bad = [i for i, v in enumerate(values) if not isinstance(v, str) or not v.strip()]
            if bad:
                raise DataError(
                    f"{source.where}: labels must be one class name for each example; {len(bad)} "
                    f"{'is' if len(bad) == 1 else 'are'} missing or no string, the first at "
                    f"position {bad[0]}: {values[bad[0]]!r}. Received an array of shape "
                    f"{array.shape}."
                )
            return self._encoded(values, source)
        if not self.class_names:
            raise need_names()
        names = given_class_names(self.class_names)
        indices = class_indices(array, len(names), what=f"{source.where}: the labels")
        check_class_count(indices, names, where=source.where, allow_missing=source.allow_missing)
        return dataclasses.replace(self, class_names=names), indices

    def _encoded(self, written: Sequence[str], source: Source) -> tuple[Self, Array]:
        present = [bool(name) for name in written]
        names, found = encode_names(
            [name for name in written if name],
            self.class_names or None,
            where=source.where,
            allow_missing=source.allow_missing,
        )
        labels = np.full(len(written), NO_LABEL, dtype=np.int64)
        labels[present] = found
        check_class_count(found, names, where=source.where, allow_missing=source.allow_missing)
        return dataclasses.replace(self, class_names=names), labels

    def checked(self, labels: Any) -> Array:
        """Class indices, int64 ``(n,)``."""
        values, count = np.asarray(labels), self.width
        if values.dtype.kind not in "iub" or values.ndim != 1:
            raise DataError(
                "Labels must be class indices, integers of the shape (n,). Received: "
                f"{values.dtype} of the shape {values.shape}."
            )
        if len(values) and not (values.min() >= NO_LABEL and values.max() < count):
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
        """One-hot rows, float32 ``(n, classes)``."""
        return np.eye(self.width, dtype=np.float32)[labels]

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
            by_class = len(labels) / (self.width * np.maximum(counts, 1))
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
