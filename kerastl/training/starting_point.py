"""The weights with which a run began, and which of them hold a phase back (L2-SP)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kerastl.training.selection import Array, read_variables

# By the names that Keras gives them: biases, and the scale and offset of normalisation.
NOT_DECAYED = ("bias", "gamma", "beta")


def read_origin(variables: Sequence[Any]) -> dict[int, Array]:
    """Copies of values: ``id(variable)`` to value."""
    return dict(zip(map(id, variables), read_variables(variables), strict=True))


def starting_points(
    variables: Sequence[Any], depth: Mapping[int, int], origin: Mapping[int, Array]
) -> list[Array | None]:
    """The values that L2-SP pulls variables towards.

    The reference is the weights with which the run began, which are the pretrained ones: in the
    phases after the first too, since a reference that moved on with each phase would let the
    network drift away from what it had learned before. The head begins at random values and has
    no starting point. Biases and the parameters of normalisation are left free, as in the
    experiments of the paper's authors: for these there is None.

    References:
        Li, Grandvalet and Davoine, Explicit Inductive Bias for Transfer Learning with
        Convolutional Networks, 2018, https://arxiv.org/abs/1802.01483, equation 1.
    """
    free = re.compile("|".join(NOT_DECAYED))
    return [
        None if depth[id(variable)] == 0 or free.search(variable.name) else origin.get(id(variable))
        for variable in variables
    ]
