"""What a trained model says of its inputs."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Predictions for n inputs.

    Attributes:
        labels: the most probable class name of each input. With several labels per input, a tuple
            of names each; of a number, the number.
        probabilities: float32 (n, classes); rows sum to 1, except with several labels. Of a
            number, the numbers (n, 1).
        class_names: names in the order of the columns.
    """

    labels: tuple[Any, ...]
    probabilities: np.ndarray[Any, Any]
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def confidences(self) -> np.ndarray[Any, Any]:
        """Float32 (n,), the probability of each label."""
        return np.asarray(np.max(self.probabilities, axis=-1, initial=0.0))
