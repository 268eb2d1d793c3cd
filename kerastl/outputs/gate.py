"""The parity gate, and how two arrays of answers are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerastl.errors import ConfigurationError

Array = np.ndarray[Any, Any]

# Two classes this close in the network's own answer are a tie: rounding decides the label.
TIE = 1e-6
# A quantised artifact must repeat its own answers of the export; kernels of another machine
# may round an integer step or two differently. A share of what the answers range over.
QUANTIZED_REPEAT = 0.05
STEPS = 2


@dataclass(frozen=True)
class Gate:
    """The parity gate: how closely an artifact must answer like the Keras model.

    Args:
        max_abs_diff: largest difference of any output value that a float artifact may show
            (all but the quantised files).
        label_agreement: share of examples, in 0..1, on which a float artifact must give the
            model's label.
        quantized_label_agreement: the same for quantised artifacts, whose values are not
            held to ``max_abs_diff``.
    """

    max_abs_diff: float = 1e-3
    label_agreement: float = 1.0
    quantized_label_agreement: float = 0.98

    def validate(self) -> None:
        """Raises ConfigurationError where a threshold is not valid."""
        # Written so that NaN fails too.
        if not self.max_abs_diff >= 0:
            raise ConfigurationError(
                f"Gate.max_abs_diff must be 0 or more; received {self.max_abs_diff!r}."
            )
        for name in ("label_agreement", "quantized_label_agreement"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigurationError(
                    f"Gate.{name} is a share of examples from 0 to 1; received {value!r}."
                )

    def threshold(self, quantization: str | None) -> dict[str, float | None]:
        """The two thresholds that an artifact is held to; None where it is not held."""
        if quantization is None:
            return {"max_abs_diff": self.max_abs_diff, "label_agreement": self.label_agreement}
        return {"max_abs_diff": None, "label_agreement": self.quantized_label_agreement}

    def passes(self, quantization: str | None, diff: float | None, agreement: float) -> bool:
        """Whether an artifact with these figures passes.

        ``diff`` is in the output's own scale, None where it cannot be told; ``agreement`` a share.
        """
        if diff is None:
            return False
        if quantization is not None:
            return agreement >= self.quantized_label_agreement
        return diff <= self.max_abs_diff and agreement >= self.label_agreement


def max_abs_diff(reference: Array, outputs: Array) -> float | None:
    """Largest difference of two arrays; None where shapes differ or a value is not finite."""
    if reference.shape != outputs.shape or not np.isfinite(outputs).all():
        return None
    return float(np.max(np.abs(reference.astype(np.float64) - outputs), initial=0.0))


def repeats(recorded: Array, answered: Array) -> bool:
    """Whether a quantised artifact gives the answers that it gave at export, ``(n, outputs)``."""
    difference = max_abs_diff(recorded, answered)
    if difference is None:
        return False
    # Of what they range over: the numbers of a vector, and of many classes, are small.
    allowed = QUANTIZED_REPEAT * (float(np.ptp(recorded)) or 1.0)
    values = np.unique(recorded)
    if 1 < len(values) <= 256:
        # Integers for many classes range over only a few steps.
        allowed = max(allowed, STEPS * float(np.diff(values).min()))
    return difference <= allowed
