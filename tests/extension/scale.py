"""An output of your own: a scale such as bad < fair < good, learned as k - 1 thresholds."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from kerastl.errors import DataError
from kerastl.outputs import TIE, Output, register_output


@register_output
@dataclasses.dataclass(frozen=True)
class Scale(Output):
    """A place on a scale: labels are int64 (n,), -1 where one is missing.

    The network gives the probability of lying above each step, float32 (n, steps - 1).
    """

    kind: ClassVar[str] = "scale"
    tensor: ClassVar[str] = "above"
    score: ClassVar[str] = "agreement"
    metric: ClassVar[str] = "mean_error"
    lower_is_better: ClassVar[bool] = True
    takes_smoothing: ClassVar[bool] = False
    steps: tuple[str, ...] = ("bad", "fair", "good")

    @property
    def width(self):
        return len(self.steps) - 1

    def read_columns(self, values, source):
        return self.read_array([cell for (cell,) in values], source)

    def read_array(self, labels, source):
        known = {**{name: i for i, name in enumerate(self.steps)}, None: -1, "": -1}
        unknown = sorted({str(label) for label in labels} - {str(name) for name in known})
        if unknown:
            raise DataError(f"{source.where} has {unknown}, and the scale is {list(self.steps)}.")
        return self, np.array([known[label] for label in labels], dtype=np.int64)

    def checked(self, labels, *, optional=False):
        found = np.asarray(labels, dtype=np.int64)
        if not optional and (found < 0).any():
            raise DataError("A label is missing.")
        return found

    def present(self, labels):
        return labels >= 0

    def missing(self, count):
        return np.full(count, -1, np.int64)

    def strata(self, labels):
        return np.eye(len(self.steps))[np.maximum(labels, 0)]

    def attach(self, features, *, name, seed):
        import keras

        start = keras.initializers.GlorotUniform(seed=seed)
        layer = keras.layers.Dense(
            self.width, activation="sigmoid", name=name, dtype="float32", kernel_initializer=start
        )
        return layer(features)

    def targets(self, labels):
        return (labels[:, None] > np.arange(self.width)).astype(np.float32)

    def loss(self, phase):
        import keras

        return keras.losses.BinaryCrossentropy()

    def metrics(self):
        import keras

        return [keras.metrics.BinaryAccuracy(name=self.score)]

    def places(self, outputs):
        return (outputs > 0.5).sum(axis=1)

    def decode(self, outputs):
        return [self.steps[place] for place in self.places(outputs)]

    def answers(self, outputs):
        pairs = zip(self.decode(outputs), np.asarray(outputs).astype(float).tolist(), strict=True)
        return [{"label": label, "probability": None, "above": above} for label, above in pairs]

    def line(self, answer):
        return answer["label"]

    def predictions(self, outputs):
        return self.decode(outputs)

    def measure(self, labels, outputs):
        rows = self.present(labels)
        error = np.abs(self.places(outputs[rows]) - labels[rows])
        return {"mean_error": float(error.mean()), "examples": int(rows.sum())}

    def agreement_of(self, noun):
        return f"steps of the scale that a {noun} lies above"

    def agreeing(self, reference, outputs, gate, quantization):
        same = (reference > 0.5) == (outputs > 0.5)
        return same | (np.abs(reference - 0.5) <= TIE)

    def meaning(self, reference):
        return "probabilities"

    def title(self, noun):
        return f"A place on a scale for each {noun}"

    def use(self, noun, nouns, origin):
        return f"This model puts {nouns} on the scale {' < '.join(self.steps)}.{origin}"
