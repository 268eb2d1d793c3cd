"""The head of a text network: pooling over tokens, a hidden layer, dropout, the outputs."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, final

import keras

from kerastl.errors import ConfigurationError
from kerastl.graph import POOLING_LAYER, SCORES_LAYER
from kerastl.heads.layers import Outputs, attach_hidden, attach_outputs, check_hidden

POOLINGS = ("mean", "class_token", "max", "attention")
# Added to the scores of padding: exp of it is 0 in float32, and it is finite in float16 too.
_FAR_BELOW = -3e4


@final
@dataclasses.dataclass(frozen=True)
class TextHead:
    """Settings of a head for texts.

    Attributes:
        pooling: how the tokens (n, length, features) become a vector (n, features), padding
            left out: their ``"mean"``, the ``"class_token"`` (the first), their ``"max"``, or
            ``"attention"``, a mean with learned weights. None takes what the backbone was
            trained with.
        hidden: units of a hidden ReLU layer, or None for a linear head.
        dropout: fraction of features that are dropped in training, in [0, 1).
    """

    pooling: Literal["mean", "class_token", "max", "attention"] | None = None
    hidden: int | None = None
    dropout: float = 0.1

    def attach(self, tokens: Any, mask: Any, outputs: Outputs, *, pooling: str, seed: int) -> Any:
        """Attaches the head to tokens (n, length, features), of which the mask (n, length) is true.

        ``pooling`` is what is taken where the head itself says None. Returns a KerasTensor
        (n, width), float32; of several outputs a list of them.
        """
        self.check()
        features = pool(tokens, mask, self.pooling or pooling, seed=seed)
        features = attach_hidden(features, hidden=self.hidden, dropout=self.dropout, seed=seed)
        return attach_outputs(features, outputs, seed=seed)

    @property
    def is_linear(self) -> bool:
        """Whether answers are a linear function of the pooled tokens, pooled in a fixed way."""
        return self.hidden is None and self.pooling != "attention"

    def check(self) -> None:
        """Raises ConfigurationError where a setting cannot be."""
        if self.pooling is not None and self.pooling not in POOLINGS:
            raise ConfigurationError(
                f"pooling={self.pooling!r}; allowed are {', '.join(map(repr, POOLINGS))}, or None."
            )
        check_hidden(self.hidden, self.dropout)


def pool(tokens: Any, mask: Any, pooling: str, *, seed: int = 0) -> Any:
    """Pools tokens into a vector (n, features); padding takes no part (see ``TextHead``).

    It uses only operations of Keras, so that a saved network asks for no class of this library.
    """
    ops = keras.ops
    if pooling == "class_token":
        return keras.layers.Identity(name=POOLING_LAYER)(tokens[:, 0])
    present = ops.expand_dims(ops.cast(mask, tokens.dtype), -1)
    if pooling == "max":
        pooled = ops.max(tokens + _FAR_BELOW * (1.0 - present), axis=1)
    elif pooling == "mean":
        # An empty text has its start and end tokens; a row of padding alone stays finite.
        count = ops.maximum(ops.sum(present, axis=1), 1.0)
        pooled = ops.sum(tokens * present, axis=1) / count
    else:
        scores = keras.layers.Dense(
            1, name=SCORES_LAYER, kernel_initializer=keras.initializers.GlorotUniform(seed=seed + 2)
        )(tokens)
        shares = ops.softmax(scores + _FAR_BELOW * (1.0 - present), axis=1)
        pooled = ops.sum(tokens * shares, axis=1)
    return keras.layers.Identity(name=POOLING_LAYER)(pooled)
