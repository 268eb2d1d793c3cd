"""Which feature maps of a backbone a head reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from kerastl.errors import ConfigurationError, did_you_mean
from kerastl.graph import Stage, find_cuts

LAST, LATE = "last", "late"
_PADDINGS = (keras.layers.ZeroPadding2D,)
# Halving both sides leaves a quarter of the positions, or less where borders are dropped. What is
# larger still lies further back, in a network whose last stages have no tensor of their own.
_MOST_REDUCTION = 6


def check_features(features: Any) -> None:
    """Raises ConfigurationError for what is neither ``"last"``, ``"late"`` nor a list of names."""
    if features in (LAST, LATE):
        return
    named = isinstance(features, (list, tuple)) and all(isinstance(x, str) for x in features)
    if not named or not features or len(set(features)) < len(features):
        raise ConfigurationError(
            f"features={features!r}; give 'last', 'late', or a list of the names of stages and "
            "layers, with 'last' for the backbone's output."
        )


def find_features(
    model: keras.Model, features: str | Sequence[str], stages: Sequence[Stage]
) -> list[Any]:
    """The KerasTensors (n, ...) that a head reads, from the earliest to the last.

    Args:
        model: the backbone, Functional.
        features: see ``Head``.
        stages: of that very model.

    Raises:
        ConfigurationError: there is no such stage or layer, or its shape cannot be pooled.
    """
    if features == LAST:
        return [model.output]
    if features == LATE:
        before = _before_the_last_reduction(model)
        return [model.output] if before is None else [before, model.output]
    ends = {
        stage.name: after.cut
        for stage, after in zip(stages, [*stages[1:], None], strict=True)
        if after is not None and len(after.cut.tensors) == 1
    }
    layers = {layer.name: layer for layer in model.layers}
    found = []
    for name in features:
        if name == LAST or (stages and name == stages[-1].name):
            found.append(model.output)
        elif name in ends:
            found.append(ends[name].tensor)
        elif name in layers and len(layers[name]._inbound_nodes) == 1:
            found.append(layers[name].output)
        else:
            raise ConfigurationError(
                f"features: there is no stage or layer {name!r} to read."
                f"{did_you_mean(name, [*ends, *layers])} The stages are: "
                f"{', '.join([*ends, *(stage.name for stage in stages[-1:])]) or 'none'}."
            )
        shape = found[-1].shape
        if len(shape) not in (2, 3, 4) or shape[-1] is None:
            raise ConfigurationError(f"features: {name!r} has the shape {tuple(shape)}.")
    return found


def _before_the_last_reduction(model: keras.Model) -> Any:
    """The last feature map that is larger than the one the backbone ends with; None without one.

    Features of objects that the backbone was not trained on are clearest a little before its end.
    """
    if len(model.output.shape) != 4:
        return None
    size = _positions(model.output)
    for cut in reversed(find_cuts(model)):
        tensor = cut.tensor
        if len(tensor.shape) != 4 or isinstance(tensor._keras_history.operation, _PADDINGS):
            continue
        positions = _positions(tensor)
        if size is not None and positions is not None and positions > size:
            return tensor if positions <= _MOST_REDUCTION * size else None
    return None


def _positions(tensor: Any) -> int | None:
    height, width = tensor.shape[1:3]
    return None if height is None or width is None else int(height) * int(width)
