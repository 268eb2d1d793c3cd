"""What a trained model says of its inputs."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Predictions for n inputs.

    Attributes:
        labels: the most probable class name of each input. Of several labels an input a tuple of
            names each; of a regression none.
        probabilities: float32 (n, classes); rows sum to 1, except of several labels. Of a
            regression the numbers (n, 1).
        class_names: names in the order of the columns.
    """

    labels: tuple[Any, ...]
    probabilities: np.ndarray[Any, Any]
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def confidences(self) -> np.ndarray[Any, Any]:
        """Float32 (n,), the probability of each label."""
        return np.asarray(np.max(self.probabilities, axis=-1, initial=0.0))


def make_predictions(
    probabilities: np.ndarray[Any, Any], class_names: tuple[str, ...]
) -> Predictions:
    """Names the most probable class of each row."""
    labels = tuple(class_names[index] for index in np.argmax(probabilities, axis=-1))
    return Predictions(labels, probabilities, class_names)
