"""A trained classifier of texts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, final

import numpy as np

from kerastl.data import load_texts
from kerastl.errors import DataError, RunError
from kerastl.metrics import classification_metrics, multi_label_metrics, regression_metrics
from kerastl.model.predictions import Predictions, make_predictions
from kerastl.model.token_model import TokenModel, as_texts, read_texts_of

Array = np.ndarray[Any, Any]
Kind = Literal["single_label", "multi_label", "regression"]
_THRESHOLD = 0.5


@final
@dataclasses.dataclass(frozen=True)
class TextModel(TokenModel):
    """A classifier of texts, or a regression on them.

    Attributes:
        kind: ``"single_label"``, ``"multi_label"`` or ``"regression"``.
        thresholds: of several labels, the probability from which each class is predicted.
    """

    KIND: ClassVar[str] = "text_classification"

    kind: Kind = "single_label"
    thresholds: tuple[float, ...] | None = None

    def predict(self, inputs: Any) -> Predictions:
        """Predicts the classes of texts.

        Args:
            inputs: a string, or a list of strings.

        Returns:
            Labels and probabilities, in the order of the inputs. Of several labels a tuple of
            names each; of a regression no labels, and the numbers (n, 1) as probabilities.

        Raises:
            TextError: one of them is no text.
        """
        outputs = self.outputs(as_texts(inputs))
        if self.kind == "single_label":
            return make_predictions(outputs, self.class_names)
        if self.kind == "regression":
            return Predictions((), outputs, ())
        chosen = outputs >= self._thresholds()
        names = np.array(self.class_names, dtype=object)
        return Predictions(tuple(tuple(names[row]) for row in chosen), outputs, self.class_names)

    def evaluate(self, data: Any, **options: Any) -> dict[str, float]:
        """Measures the model on labelled texts.

        Args:
            data: any kind of data that ``fit`` takes.
            **options: of ``kerastl.data.load_texts``, as ``text_column="message"``.

        Returns:
            Of one label ``accuracy`` with its 95 % interval, ``macro_f1``, ``loss`` and
            ``examples``; see ``kerastl.metrics`` for those of several labels and of numbers.

        Raises:
            DataError: the data's classes are not the model's.
        """
        dataset = load_texts(data, class_names=self.class_names or None, kind=self.kind, **options)
        if not len(dataset):
            raise DataError("There is not a single text.")
        return measure(dataset.labels, self.outputs(dataset.sources), self.kind, self.thresholds)

    def _thresholds(self) -> Array:
        return np.array(self.thresholds or [_THRESHOLD] * len(self.class_names))

    def settings(self) -> dict[str, Any]:
        """Kind and thresholds."""
        return {"kind": self.kind, "thresholds": self.thresholds}


def measure(
    labels: Array, outputs: Array, kind: Kind, thresholds: tuple[float, ...] | None = None
) -> dict[str, float]:
    """The metrics of a kind of labels."""
    if kind == "regression":
        return regression_metrics(labels, outputs)
    if kind == "multi_label":
        chosen = np.array(thresholds or [_THRESHOLD] * outputs.shape[1])
        return multi_label_metrics(labels, outputs, chosen)
    return classification_metrics(labels, outputs)


def load_text_model(run: Path, content: Mapping[str, Any]) -> TextModel:
    """A text model out of a run directory.

    Args:
        run: the directory.
        content: what ``run_directory.read`` found there.

    Raises:
        RunError: a file is missing or damaged.
    """
    parts, settings = read_texts_of(run)
    try:
        thresholds = settings["thresholds"]
        return TextModel(
            **content,
            **parts,
            kind=settings["kind"],
            thresholds=None if thresholds is None else tuple(thresholds),
        )
    except (KeyError, TypeError) as error:
        raise RunError(f"The run directory {run} is damaged: {error}.") from error
