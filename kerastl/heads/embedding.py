"""The head of an embedding: pooling over tokens, an optional projection, a vector of length 1."""

from __future__ import annotations

from typing import Any

import keras

from kerastl.heads.text import pool

EMBEDDING = "embedding"
PROJECTION = "head_projection"
# Squares that sum up to less are taken for so much: the vector of zeros stays finite.
_LEAST = 1e-12


def attach_embedding(
    tokens: Any, mask: Any, *, pooling: str, dimensions: int | None = None, seed: int = 0
) -> Any:
    """Turns a sequence into one vector of length 1; padding takes no part.

    Args:
        tokens: KerasTensor (n, length, features).
        mask: KerasTensor bool (n, length), true where there is a token.
        pooling: as of ``pool``.
        dimensions: of a linear projection without bias; None leaves it out. It begins
            orthogonal, and so nearly keeps the angles between vectors.
        seed: of the initial weights.

    Returns:
        KerasTensor (n, dimensions) or (n, features), float32, rows of length 1; a row of zeros
        alone stays one. Operations of Keras alone, so that a saved network asks for no class of
        this library.
    """
    ops = keras.ops
    vectors = pool(tokens, mask, pooling, seed=seed)
    if dimensions is not None:
        vectors = keras.layers.Dense(
            dimensions,
            use_bias=False,
            name=PROJECTION,
            kernel_initializer=keras.initializers.Orthogonal(seed=seed),
        )(vectors)
    # In 16 bits the squares would lose most of their digits.
    vectors = ops.cast(vectors, "float32")
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    vectors = vectors / ops.sqrt(ops.maximum(squares, _LEAST))
    return keras.layers.Identity(name=EMBEDDING, dtype="float32")(vectors)
