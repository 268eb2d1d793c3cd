"""The head of an image network: pooling, an optional hidden layer, dropout, the outputs."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import keras

from kerastl.errors import ConfigurationError
from kerastl.graph import POOLING_LAYER
from kerastl.heads.layers import Outputs, attach_hidden, attach_outputs, check_hidden


@dataclasses.dataclass(frozen=True)
class Head:
    """Settings of a head for images.

    Attributes:
        pooling: how a feature map (n, height, width, features) or tokens (n, tokens, features)
            become a vector (n, features): ``"avg"`` or ``"max"`` over the positions. Backbones
            that end in a vector, such as their class token, leave nothing to pool.
        hidden: units of a hidden ReLU layer, or None for a linear head.
        dropout: fraction of features that are dropped in training, in [0, 1).
    """

    pooling: Literal["avg", "max"] = "avg"
    hidden: int | None = None
    dropout: float = 0.3

    def attach(self, features: Any, outputs: Outputs, *, seed: int) -> Any:
        """Attaches the head to (n, height, width, features), (n, tokens, features), (n, features).

        Returns a KerasTensor (n, width), float32; of several outputs a list of them.
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
        features = attach_hidden(features, hidden=self.hidden, dropout=self.dropout, seed=seed)
        return attach_outputs(features, outputs, seed=seed)

    def check(self) -> None:
        """Raises ConfigurationError where a setting cannot be."""
        if self.pooling not in ("avg", "max"):
            raise ConfigurationError(f"pooling={self.pooling!r}; allowed are 'avg' and 'max'.")
        check_hidden(self.hidden, self.dropout)
