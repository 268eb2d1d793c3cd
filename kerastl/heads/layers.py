"""The layers that every head ends with: a hidden one, dropout, and the outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import keras
import numpy as np

from kerastl.errors import ConfigurationError
from kerastl.outputs import Output

Outputs: TypeAlias = Output | Mapping[str, Output]
"""One output, or several by name."""


def attach_outputs(features: Any, outputs: Outputs, *, seed: int) -> Any:
    """Attaches the last layers.

    The layer of a single output has the name of its kind, those of several have theirs, with ``_``
    for characters that Keras does not allow.

    Returns:
        KerasTensor (n, width), float32; of several outputs a list of them, in their order.

    Raises:
        ConfigurationError: two outputs would have one name, or an output has too few classes.
    """
    several = {outputs.tensor: outputs} if isinstance(outputs, Output) else outputs
    names = layer_names(several)
    # Layers of one shape and one seed would begin, and so go on, alike.
    seeds = [seed, *(np.random.SeedSequence([seed, 0]).generate_state(len(names) - 1) >> 1)]
    made = [
        output.attach(features, name=name, seed=int(own))
        for output, name, own in zip(several.values(), names, seeds, strict=True)
    ]
    return made if len(made) > 1 else made[0]


def layer_names(outputs: Mapping[str, Output]) -> list[str]:
    """The names of the last layers; raises ConfigurationError where two would be the same."""
    if len(outputs) == 1:
        return [output.tensor for output in outputs.values()]
    names = [re.sub(r"[^A-Za-z0-9.-]", "_", name).lstrip("_-") for name in outputs]
    if len(set(names)) < len(names) or "" in names:
        raise ConfigurationError(
            f"The outputs {', '.join(map(repr, outputs))} need names that differ in their letters "
            "and digits."
        )
    return names


def attach_hidden(features: Any, *, hidden: int | None, dropout: float, seed: int) -> Any:
    """Attaches a hidden layer and dropout to a vector, each where it is asked for."""
    if hidden:
        features = keras.layers.Dense(
            hidden,
            activation="relu",
            name="head_hidden",
            kernel_initializer=keras.initializers.HeNormal(seed=seed + 1),
        )(features)
    if dropout:
        features = keras.layers.Dropout(dropout, seed=seed, name="head_dropout")(features)
    return features


def check_hidden(hidden: Any, dropout: Any) -> None:
    """Raises ConfigurationError where a setting cannot be."""
    if not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise ConfigurationError(f"dropout={dropout!r}; allowed is 0 <= dropout < 1.")
    if hidden is not None and (not isinstance(hidden, int) or hidden < 1):
        raise ConfigurationError(f"hidden={hidden!r}; give a number of units, or None.")
