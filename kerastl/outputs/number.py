"""A number for each example: regression."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, final

import numpy as np

from kerastl.errors import ConfigurationError, DataError
from kerastl.metrics import regression_metrics, residual_figures, residuals_by_tenth
from kerastl.outputs.encoding import array_of, column_of, lines_of
from kerastl.outputs.gate import Gate
from kerastl.outputs.judging import Details, Marks, Table
from kerastl.outputs.linear import LinearModel, ridge
from kerastl.outputs.output import LossSettings, Output
from kerastl.outputs.source import Cell, Source

Array = np.ndarray[Any, Any]
# How far a quantised artifact's number may lie off, as a share of the spread.
SPREAD = 0.05
# Numbers whose mean and spread are no larger, or whose spread is no smaller, are learned as they
# are; a dense layer of small random weights would take long to reach others.
_UNIT = 8.0


@final
@dataclasses.dataclass(frozen=True)
class Number(Output):
    """A number for each example.

    Labels are float32 ``(n,)``; NaN stands for a label that is missing.

    Attributes:
        quantity: what the number is and its unit, as the label column is called; None where no
            column has named it.
        mean: of the training labels, where they are not of about unit size: the network's last
            dense layer gives a standard score.
        deviation: their standard deviation.
    """

    kind: ClassVar[str] = "regression"
    score: ClassVar[str] = "r2"
    takes_smoothing: ClassVar[bool] = False
    metric: ClassVar[str] = "r2"
    has_classes: ClassVar[bool] = False
    # Its strata are tenths of the numbers, which are nothing by themselves.
    strata_on_both_sides: ClassVar[bool] = False

    same_when_cropped: ClassVar[bool] = False
    constant_name: ClassVar[str] = "the mean"
    linear_name: ClassVar[str] = "ridge regression"
    link: ClassVar[str | None] = "identity"

    quantity: str | None = None
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def width(self) -> int:
        """One number."""
        return 1

    # Labels.

    def read_columns(
        self, values: Sequence[tuple[Cell, ...]], source: Source
    ) -> tuple[Self, Array]:
        """Numbers out of one column, with a point for decimals."""
        column = source.columns[0]
        written = column_of([row[0] for row in values], column, source)
        numbers = np.array([_number(text) for text in written], dtype=np.float32)
        bad = [
            i
            for i, (text, number) in enumerate(zip(written, numbers, strict=True))
            if text and not np.isfinite(number)
        ]
        if bad:
            raise DataError(
                f"{source.where} has labels that are not finite numbers on "
                f"{lines_of([source.lines[i] for i in bad])}, the first being "
                f"{written[bad[0]]!r}. With kind='regression' each must be a number, with a point "
                "for decimals."
            )
        quantity = column if isinstance(column, str) else self.quantity
        return dataclasses.replace(self, quantity=quantity), numbers

    def read_array(self, labels: Any, source: Source) -> tuple[Self, Array]:
        """Numbers ``(n,)`` or ``(n, 1)``."""
        array = array_of(labels, source.where)
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        return self, _finite(array, source.optional, f"{source.where}: labels")

    def checked(self, labels: Any, *, optional: bool = False) -> Array:
        """Numbers, float32 ``(n,)``."""
        return _finite(np.asarray(labels), optional, "Labels")

    def present(self, labels: Array) -> Array:
        """Those that are numbers."""
        return np.asarray(~np.isnan(labels))

    def missing(self, count: int) -> Array:
        """NaN."""
        return np.full(count, np.nan, dtype=np.float32)

    def strata(self, labels: Array) -> Array:
        """Tenths of the numbers."""
        present = self.present(labels)
        return np.eye(10)[_tenths(np.nan_to_num(labels), labels[present])] * present[:, None]

    # Learning.

    def fitted(self, labels: Array) -> Self:
        """With the mean and the spread of numbers that are not of about unit size."""
        held = labels[self.present(labels)].astype(np.float64)
        mean, spread = (float(held.mean()), float(held.std())) if len(held) else (0.0, 1.0)
        if spread == 0 or (abs(mean) <= _UNIT and 1 / _UNIT <= spread <= _UNIT):
            return self
        return dataclasses.replace(self, mean=mean, deviation=spread)

    def attach(self, features: Any, *, name: str, seed: int) -> Any:
        """A dense layer without activation; or that of a standard score."""
        import keras

        if (self.mean, self.deviation) == (0.0, 1.0):
            return super().attach(features, name=name, seed=seed)
        score = super().attach(features, name=f"{name}_score", seed=seed)
        rescale = keras.layers.Rescaling(self.deviation, self.mean, name=name, dtype="float32")
        return rescale(score)

    def targets(self, labels: Array) -> Array:
        """The numbers, float32 ``(n, 1)``."""
        return np.nan_to_num(np.asarray(labels, dtype=np.float32)).reshape(len(labels), 1)

    def linear_targets(self, labels: Array) -> Array:
        """Standard scores, where the dense layer gives these."""
        return (self.targets(labels).astype(np.float64) - self.mean) / self.deviation

    def of_linear(self, scores: Array) -> Array:
        """The numbers of standard scores."""
        return scores * self.deviation + self.mean

    def linear_layer(self, name: str) -> str:
        """That of the standard score."""
        return name if (self.mean, self.deviation) == (0.0, 1.0) else f"{name}_score"

    def loss(self, phase: LossSettings) -> Any:
        """The mean squared error, in units of the deviation."""
        import keras

        if phase.loss == "contrastive":
            raise ConfigurationError(
                "loss='contrastive' needs one class for each example. Leave it out."
            )
        if phase.loss == "focal" or phase.label_smoothing:
            raise ConfigurationError(
                "Focal loss and label smoothing are for classes; a regression has none. Leave loss "
                "and label_smoothing as they are."
            )
        if self.deviation == 1:
            return keras.losses.MeanSquaredError()
        deviation = self.deviation

        class SquaredError(keras.losses.Loss):
            """In standard scores."""

            def call(self, y_true: Any, y_pred: Any) -> Any:
                return keras.ops.mean(keras.ops.square((y_pred - y_true) / deviation), axis=-1)

        return SquaredError(name="mean_squared_error")

    def metrics(self) -> list[Any]:
        """The share of the variance that is explained."""
        import keras

        return [keras.metrics.R2Score(name=self.score)]

    # Answers.

    def decode(self, outputs: Array) -> list[Any]:
        """The number of each row."""
        return [float(row[0]) for row in outputs]

    def answers(self, outputs: Array) -> list[dict[str, Any]]:
        """``value``; ``label`` and ``probability`` are None."""
        named = {} if self.quantity is None else {"quantity": self.quantity}
        return [
            {"label": None, "probability": None, "value": value, **named}
            for value in self.decode(outputs)
        ]

    def line(self, answer: Mapping[str, Any]) -> str:
        """The number."""
        return f"{answer['value']:.6g}"

    def measure(self, labels: Array, outputs: Array) -> dict[str, float]:
        """See ``kerastl.metrics.regression_metrics``."""
        return regression_metrics(labels, outputs)

    def groups(self, outputs: Array) -> Array:
        """By tenths."""
        return _tenths(outputs[:, 0], outputs[:, 0])

    # Judgement.

    def marks(self, labels: Array, outputs: Array) -> Marks:
        """Numbers, and by how much the answer lies above the label."""
        truth = [float(label) for label in labels]
        answers = self.decode(outputs)
        return Marks(truth, answers, error=np.array(answers) - np.array(truth))

    def details(self, labels: Array, outputs: Array, marks: Marks) -> Details:
        """See ``kerastl.metrics.residual_figures`` and ``residuals_by_tenth``."""
        error = outputs[:, 0].astype(np.float64) - labels
        rows = tuple(residuals_by_tenth(labels, error))
        table = Table("Errors by size of the true number", rows, ("bars", "from", "mae"))
        return Details(residual_figures(error), {"residuals": table})

    def linear(self, features: Any, labels: Array) -> LinearModel | None:
        """Ridge regression."""
        return ridge(features, labels)

    # Proof.

    def agreement_of(self, noun: str) -> str:
        """Numbers that are near enough."""
        return (
            "numbers within max_abs_diff times the spread, if that is over 1; quantised, within "
            f"{SPREAD:.0%} of the spread"
        )

    def agreeing(
        self, reference: Array, outputs: Array, gate: Gate, quantization: str | None
    ) -> Array:
        """Numbers within ``allowed`` of the network's: bool ``(n,)``."""
        allowed = self.allowed(reference, gate, quantization)
        return np.asarray(np.abs(reference - outputs)[:, 0] <= allowed)

    def allowed(self, reference: Array, gate: Gate, quantization: str | None) -> float:
        """How far a number may lie off the network's."""
        if quantization is None:
            return gate.max_abs_diff * self.scale(reference)
        # Of a single example, or numbers all alike, there is no spread: their size stands for it.
        spread = float(np.ptp(reference)) or float(np.abs(reference).max(initial=0.0)) or 1.0
        return SPREAD * spread

    def scale(self, reference: Array) -> float:
        """The spread of the numbers, where that is over 1."""
        return max(1.0, float(np.ptp(reference)))

    def parity_details(
        self, reference: Array, outputs: Array, gate: Gate, quantization: str | None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """How far a number was allowed to lie off."""
        return {"max_abs_diff_of_a_number": self.allowed(reference, gate, quantization)}, {}

    def meaning(self, reference: Array) -> str:
        """Numbers."""
        return "numbers"

    # Card.

    def title(self, noun: str) -> str:
        """A regression."""
        return f"Regression on {noun}s"

    def use(self, noun: str, nouns: str, origin: str) -> str:
        """Giving a number."""
        named = "a number" if self.quantity is None else f"a number, `{self.quantity}`"
        return (
            f"This model gives each {noun} {named}.{origin} Use it on {nouns} like those it was "
            "trained on, and measure it on your own before you rely on it; do not let it decide "
            "alone about people."
        )

    def caveats(self, noun: str, nouns: str) -> list[str]:
        """No interval comes with a number."""
        return ["A number comes without an interval: how far it may lie off is not told with it."]


def _tenths(values: Array, among: Array) -> Array:
    """In which tenth of some numbers each value lies, 0 to 9."""
    edges = np.quantile(among, np.linspace(0, 1, 11)[1:-1]) if len(among) else np.zeros(0)
    return np.asarray(np.searchsorted(edges, values))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _finite(values: Array, optional: bool, what: str) -> Array:
    if values.dtype.kind not in "iufb":
        raise DataError(
            f"{what} for regression must be numbers. Received an array of {values.dtype}."
        )
    bad = np.isinf(values) if optional else ~np.isfinite(values)
    if values.ndim != 1 or bad.any():
        raise DataError(
            f"{what} for regression must be finite numbers of the shape (n,). Received the shape "
            f"{values.shape}{', with NaN or infinity' if bad.any() else ''}."
        )
    return values.astype(np.float32)
