"""The head of an image network: pooling, an optional hidden layer, dropout, the outputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import keras

from kerastl.errors import ConfigurationError
from kerastl.graph import POOLING_LAYER
from kerastl.heads.features import LATE, check_features
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
        features: what is pooled: the ``"last"`` feature map; ``"late"``, that and the last one
            before it that is larger, where there is one within reach; or a list of the names of
            stages and layers, with ``"last"`` for the backbone's output. A backbone of KerasHub
            shows nothing but its output.
    """

    pooling: Literal["avg", "max"] = "avg"
    hidden: int | None = None
    dropout: float = 0.3
    features: str | Sequence[str] = LATE

    def attach(self, features: Any, outputs: Outputs, *, seed: int) -> Any:
        """Attaches the head to (n, height, width, features), (n, tokens, features), (n, features).

        ``features`` is one of these or a list of several. Returns a KerasTensor (n, width),
        float32; of several outputs a list of them.
        """
        self.check()
        several = list(features) if isinstance(features, (list, tuple)) else [features]
        if len(several) == 1:
            pooled = self._pooled(several[0], POOLING_LAYER)
        else:
            parts = [self._pooled(x, f"{POOLING_LAYER}_{i}") for i, x in enumerate(several)]
            pooled = keras.layers.Concatenate(name=POOLING_LAYER)(parts)
        pooled = attach_hidden(pooled, hidden=self.hidden, dropout=self.dropout, seed=seed)
        return attach_outputs(pooled, outputs, seed=seed)

    def _pooled(self, features: Any, name: str) -> Any:
        pooling = {
            ("avg", 4): keras.layers.GlobalAveragePooling2D,
            ("max", 4): keras.layers.GlobalMaxPooling2D,
            ("avg", 3): keras.layers.GlobalAveragePooling1D,
            ("max", 3): keras.layers.GlobalMaxPooling1D,
        }
        pool = pooling.get((self.pooling, len(features.shape)))
        return features if pool is None else pool(name=name)(features)

    @property
    def is_linear(self) -> bool:
        """Whether answers are a linear function of the features, but for the last activation."""
        return self.hidden is None

    def check(self) -> None:
        """Raises ConfigurationError where a setting cannot be."""
        if self.pooling not in ("avg", "max"):
            raise ConfigurationError(f"pooling={self.pooling!r}; allowed are 'avg' and 'max'.")
        check_features(self.features)
        check_hidden(self.hidden, self.dropout)
