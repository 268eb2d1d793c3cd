"""Labels as Keras takes them: a target and a weight for each example and output."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from kerastl.errors import ConfigurationError
from kerastl.outputs import Output

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class KerasTargets:
    """What the losses of a network compare its outputs with.

    Attributes:
        values: for each output, float32 (n, ...).
        weights: for each output the weight of each example in its loss, float32 (n,); None where
            all examples weigh the same in all losses.
    """

    values: tuple[Array, ...]
    weights: tuple[Array, ...] | None = None

    def __len__(self) -> int:
        return len(self.values[0])

    def take(self, rows: Any) -> KerasTargets:
        """Those of some examples."""
        weights = None if self.weights is None else tuple(w[rows] for w in self.weights)
        return KerasTargets(tuple(v[rows] for v in self.values), weights)

    def arguments(self) -> tuple[Any, ...]:
        """``(y,)`` or ``(y, sample_weight)``: arrays of one output, tuples of several."""
        parts = [self.values] if self.weights is None else [self.values, self.weights]
        return tuple(part[0] if len(part) == 1 else part for part in parts)


def make_targets(
    outputs: Mapping[str, Output], labels: Mapping[str, Array], class_weight: Any = None
) -> KerasTargets:
    """Targets and weights of examples; raises ConfigurationError as ``weights_by_output`` does.

    An example without a label for an output weighs 0 there, and the others weigh more in turn:
    n over the number of those that have one. Keras divides the sum of the weighted losses by the
    number of examples, so that over an epoch an output's loss is the mean over its labels. That
    of a single batch is an unbiased estimate of it: a batch with few labels counts less, and not
    as much as a full one.
    """
    given = weights_by_output(outputs, class_weight)
    values = tuple(output.targets(labels[name]) for name, output in outputs.items())
    weights = [_weights(output, labels[name], given[name]) for name, output in outputs.items()]
    if all(found is None for found in weights):
        return KerasTargets(values)
    ones = np.ones(len(values[0]), np.float32)
    return KerasTargets(values, tuple(ones if w is None else w for w in weights))


def _weights(output: Output, labels: Array, class_weight: Any) -> Array | None:
    weights, present = output.weights(labels, class_weight), output.present(labels)
    if present.all():
        return weights
    share = max(int(present.sum()), 1) / len(present)
    scaled = present.astype(np.float32) / np.float32(share)
    return np.asarray(scaled if weights is None else scaled * weights)


def weights_by_output(outputs: Mapping[str, Output], class_weight: Any) -> dict[str, Any]:
    """The class weights of each output, by its name; None where it has none.

    Raises:
        ConfigurationError: weights that are not given by the names of several outputs, or are
            for an output without one class per example.
    """
    if len(outputs) == 1:
        given = dict.fromkeys(outputs, class_weight)
    elif class_weight is None or (
        isinstance(class_weight, Mapping) and class_weight.keys() <= outputs.keys()
    ):
        given = {name: (class_weight or {}).get(name) for name in outputs}
    else:
        raise ConfigurationError(
            f"class_weight={class_weight!r}: with several outputs give each its own, as in "
            f"{{{next(iter(outputs))!r}: 'balanced'}}. The outputs are {', '.join(outputs)}."
        )
    for name, output in outputs.items():
        # Raises where the weights do not go with the output.
        output.weights(output.missing(1), given[name])
    return given


def is_labelled(outputs: Mapping[str, Output], labels: Mapping[str, Array]) -> dict[str, Array]:
    """Which examples have a label of each output: bool (n,), by name."""
    return {name: output.present(labels[name]) for name, output in outputs.items()}
