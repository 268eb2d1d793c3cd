"""What answers to texts decide, and whether two answers decide the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kerastl.bundles import parity, text_vectors
from kerastl.bundles.bundle import Gate

Array = np.ndarray[Any, Any]

EMBEDDING = "embedding"
PROBABILITIES = "probabilities"
# Of a regression: how far a quantised artifact's number may lie off, as a share of the spread.
SPREAD = 0.05
# As of images: kernels of another machine may round an integer step or two differently.
QUANTIZED_REPEAT = 0.05


def output_name(kind: str) -> str:
    """What an artifact calls its output."""
    return EMBEDDING if kind == EMBEDDING else PROBABILITIES


@dataclass(frozen=True)
class Decisions:
    """How outputs ``(n, outputs)`` become labels, or what else they mean.

    Attributes:
        kind: ``"single_label"``, ``"multi_label"``, ``"regression"`` or ``"embedding"``.
        class_names: one per output; empty for a regression and an embedding.
        thresholds: of several labels, the probability from which each is given.
        dimensions: of an embedding, how many numbers a vector has.
    """

    kind: str
    class_names: tuple[str, ...]
    thresholds: tuple[float, ...] | None = None
    dimensions: int | None = None

    @property
    def outputs(self) -> int:
        """How many numbers there are for a text."""
        return self.dimensions or len(self.class_names) or 1

    def labels(self, outputs: Array) -> list[Any]:
        """The label of each row: a name, a list of names, a number, or None of an embedding."""
        if self.kind == EMBEDDING:
            return [None] * len(outputs)
        if self.kind == "single_label":
            return [self.class_names[int(row.argmax())] for row in outputs]
        if self.kind == "regression":
            return [float(row[0]) for row in outputs]
        chosen = outputs >= self._limits()
        names = np.array(self.class_names, dtype=object)
        return [list(names[row]) for row in chosen]

    def shown(self, output: Array) -> str:
        """What a message says of the answer ``(outputs,)`` to one text."""
        if self.kind == EMBEDDING:
            return text_vectors.shown(output)
        return repr(self.labels(output[None])[0])

    def answers(self, outputs: Array) -> list[dict[str, Any]]:
        """Of each row what ``predict`` prints: ``label`` and ``probability``.

        Both are lists for several labels. Of a regression they are None, and ``value`` is the
        number; of an embedding ``embedding`` is the vector, a list.
        """
        labels = self.labels(outputs)
        if self.kind == EMBEDDING:
            vectors = np.asarray(outputs).astype(float).tolist()
            return [{"label": None, "probability": None, EMBEDDING: row} for row in vectors]
        if self.kind == "regression":
            return [{"label": None, "probability": None, "value": value} for value in labels]
        if self.kind == "single_label":
            return [
                {"label": label, "probability": float(row.max())}
                for label, row in zip(labels, outputs, strict=True)
            ]
        index = {name: position for position, name in enumerate(self.class_names)}
        return [
            {"label": names, "probability": [float(row[index[name]]) for name in names]}
            for names, row in zip(labels, outputs, strict=True)
        ]

    def scale(self, reference: Array) -> float:
        """What differences are measured in: 1, or the spread of a regression's numbers."""
        if self.kind != "regression":
            return 1.0
        return max(1.0, float(np.ptp(reference)))

    def agreeing(
        self, reference: Array, outputs: Array, gate: Gate, quantization: str | None
    ) -> Array:
        """Which decisions are the network's: bool ``(n,)``, of several labels ``(n, classes)``.

        A tie in the network's own answer, within :data:`kerastl.bundles.parity.TIE`, agrees with
        either decision. Of a regression those agree that are near enough: within the gate's
        largest difference times ``scale``, or, quantised, within 5 % of the spread; of an
        embedding see :func:`kerastl.bundles.text_vectors.agreeing`.
        """
        if self.kind == EMBEDDING:
            return text_vectors.agreeing(reference, outputs, quantization)
        if self.kind == "single_label":
            return parity.agreeing(reference, outputs)
        if reference.shape != outputs.shape:
            return np.zeros(len(reference), dtype=bool)
        if self.kind == "multi_label":
            limits = self._limits()
            same = (reference >= limits) == (outputs >= limits)
            tie = np.abs(reference - limits) <= parity.TIE
            return np.asarray((same | tie) & np.isfinite(outputs))
        allowed = self.allowed_difference(reference, gate, quantization)
        return np.asarray(np.abs(reference - outputs)[:, 0] <= allowed)

    def allowed_difference(self, reference: Array, gate: Gate, quantization: str | None) -> float:
        """How far a number may lie off the network's."""
        if quantization is None or self.kind != "regression":
            return gate.max_abs_diff * self.scale(reference)
        # Of a single text, or numbers all alike, there is no spread: their size stands for it.
        spread = float(np.ptp(reference)) or float(np.abs(reference).max(initial=0.0)) or 1.0
        return SPREAD * spread

    def passes(
        self,
        reference: Array,
        diff: float | None,
        agreement: float,
        gate: Gate,
        quantization: str | None,
    ) -> bool:
        """Whether an artifact with these figures passes the gate."""
        if diff is not None and quantization is None:
            diff = diff / self.scale(reference)
        return parity.passes(gate, quantization, diff, agreement)

    def repeats(self, recorded: Array, answered: Array) -> bool:
        """Whether a quantised artifact repeats its own answers of the export."""
        difference = parity.max_abs_diff(recorded, answered)
        # Of what they range over: the numbers of a vector, and of many classes, are small.
        allowed = QUANTIZED_REPEAT * (float(np.ptp(recorded)) or 1.0)
        return difference is not None and difference <= allowed

    def accuracy(self, labels: Array | None, outputs: Array) -> float | None:
        """Share of right decisions; None without labels, and where there are no classes."""
        if labels is None or not self.class_names:
            return None
        if self.kind == "multi_label":
            return float(((outputs >= self._limits()) == (labels > 0)).mean())
        return float((outputs.argmax(axis=1) == labels).mean())

    def _limits(self) -> Array:
        return np.array(self.thresholds or [0.5] * len(self.class_names))
