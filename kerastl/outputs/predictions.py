"""What a trained model says of its inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from kerastl.optional import require


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The prediction for one input.

    Attributes:
        label: as in ``Predictions.labels``.
        probabilities: float32 (classes,), as a row of ``Predictions.probabilities``.
        class_names: names in the order of the probabilities.
    """

    label: Any
    probabilities: np.ndarray[Any, Any]
    class_names: tuple[str, ...]

    @property
    def confidence(self) -> float:
        """The largest probability."""
        return float(np.max(self.probabilities, initial=0.0))


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions(Sequence[Prediction]):
    """Predictions for n inputs: a sequence of a ``Prediction`` each.

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

    @overload
    def __getitem__(self, index: int) -> Prediction: ...

    @overload
    def __getitem__(self, index: slice) -> Predictions: ...

    def __getitem__(self, index: int | slice) -> Prediction | Predictions:
        label, row = self.labels[index], self.probabilities[index]
        made: type[Any] = Predictions if isinstance(index, slice) else Prediction
        found: Prediction | Predictions = made(label, row, self.class_names)
        return found

    def __iter__(self) -> Iterator[Prediction]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.labels[:3]))
        return f"Predictions({len(self)}: {shown}{', ...' if len(self) > 3 else ''})"

    @property
    def confidences(self) -> np.ndarray[Any, Any]:
        """Float32 (n,), the probability of each label."""
        return np.asarray(np.max(self.probabilities, axis=-1, initial=0.0))

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` of n rows: ``label``, and of classes a column each.

        With one class per input there is a column ``probability`` too, that of the label.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        pandas = require("pandas", extra="pandas", purpose="A data frame of predictions")
        table: dict[str, Any] = {"label": list(self.labels)}
        if self.class_names and all(isinstance(label, str) for label in self.labels):
            table["probability"] = self.confidences
        columns = zip(self.class_names, self.probabilities.T, strict=False)
        return pandas.DataFrame({**table, **dict(columns)})
