"""The averaged weights are the ones that are validated and kept."""

from __future__ import annotations

from typing import Any

import keras

from kerastl.training.adamw import averages_of
from kerastl.training.selection import Array, read_variables, write_variables


def kept_values(model: keras.Model) -> list[Array]:
    """The values of a model's trainable variables that a phase would end with now.

    The averaged ones where the optimizer keeps an average, else those that train.
    """
    return read_variables(averages_of(model.optimizer) or model.trainable_variables)


class ValidateAverages(keras.callbacks.Callback):
    """Puts averaged weights into the model for the time of each validation.

    References:
        Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992,
        https://doi.org/10.1137/0330046.
    """

    def __init__(self) -> None:
        super().__init__()
        self._training: list[Array] = []

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Sets the training weights aside."""
        self._training = read_variables(self.model.trainable_variables)
        write_variables(self.model.trainable_variables, kept_values(self.model))

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Puts the training weights back, bit for bit."""
        write_variables(self.model.trainable_variables, self._training)
        self._training = []
