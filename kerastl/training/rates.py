"""Discriminative learning rates: how far each variable lies from the head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerastl.graph import Stage, head_cut, operations


def depths(network: keras.Model, stages: Sequence[Stage]) -> dict[int, int]:
    """How many stages each variable lies before the head: ``id(variable)`` to depth.

    That is 0 in the head, 1 in the last stage, and one more for each stage before it; what lies
    before the first stage is one deeper still. A layer that is used in two places has the depth
    of the one nearer to the input, which trains more slowly.
    """
    boundaries = [*(stage.cut.position for stage in stages), head_cut(network).position]
    found: dict[int, int] = {}
    for position, operation in enumerate(operations(network)):
        depth = sum(boundary >= position for boundary in boundaries)
        for variable in getattr(operation, "variables", ()):
            found.setdefault(id(variable), depth)
    return found


def rate_factors(
    variables: Sequence[Any], depth: Mapping[int, int], decay: float | None
) -> list[float]:
    """What each variable's learning rate is multiplied by: ``decay ** depth``, 1 in the head.

    References:
        Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, 2018,
        https://arxiv.org/abs/1801.06146 (discriminative fine-tuning); Bao et al., BEiT, 2021,
        https://arxiv.org/abs/2106.08254 (layer decay).
    """
    return [1.0 if decay is None else decay ** depth[id(variable)] for variable in variables]
