"""The classification head: pooling, dropout, an optional hidden layer, softmax."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import keras

from kerastl.errors import ConfigurationError
from kerastl.graph import POOLING_LAYER

OUTPUT = "probabilities"


@dataclasses.dataclass(frozen=True)
class Head:
    """Settings of a classification head.

    Attributes:
        pooling: how a feature map (n, height, width, features) or tokens (n, tokens, features)
            become a vector (n, features): ``"avg"`` or ``"max"`` over the positions. Backbones
            that end in a vector, such as their class token, leave nothing to pool.
        hidden: units of a hidden ReLU layer, or None for a linear classifier.
        dropout: fraction of features that are dropped in training, in [0, 1).
    """

    pooling: Literal["avg", "max"] = "avg"
    hidden: int | None = None
    dropout: float = 0.3

    def attach(self, features: Any, num_classes: int, *, seed: int) -> Any:
        """Attaches the head to a feature map.

        Args:
            features: KerasTensor (n, height, width, features), (n, tokens, features) or
                (n, features).
            num_classes: how many classes.
            seed: seed of the initial weights and of the dropout.

        Returns:
            KerasTensor (n, num_classes), float32, rows that sum to 1.

        Raises:
            ConfigurationError: a setting that cannot be.
        """
        self.check()
        pooling = {
            ("avg", 4): keras.layers.GlobalAveragePooling2D,
            ("max", 4): keras.layers.GlobalMaxPooling2D,
            ("avg", 3): keras.layers.GlobalAveragePooling1D,
            ("max", 3): keras.layers.GlobalMaxPooling1D,
        }
        pool = pooling.get((self.pooling, len(features.shape)))
        if pool is not None:
            features = pool(name=POOLING_LAYER)(features)
        if self.hidden:
            features = keras.layers.Dense(
                self.hidden,
                activation="relu",
                name="head_hidden",
                kernel_initializer=keras.initializers.HeNormal(seed=seed + 1),
            )(features)
        if self.dropout:
            features = keras.layers.Dropout(self.dropout, seed=seed, name="head_dropout")(features)
        return keras.layers.Dense(
            num_classes,
            activation="softmax",
            dtype="float32",
            name=OUTPUT,
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        )(features)

    def check(self) -> None:
        """Raises ConfigurationError where a setting cannot be."""
        if self.pooling not in ("avg", "max"):
            raise ConfigurationError(f"pooling={self.pooling!r}; allowed are 'avg' and 'max'.")
        if not isinstance(self.dropout, (int, float)) or not 0 <= self.dropout < 1:
            raise ConfigurationError(f"dropout={self.dropout!r}; allowed is 0 <= dropout < 1.")
        if self.hidden is not None and (not isinstance(self.hidden, int) or self.hidden < 1):
            raise ConfigurationError(f"hidden={self.hidden!r}; give a number of units, or None.")
