"""Layers that text encoders need beside KerasHub's own."""

from __future__ import annotations

from typing import Any

import keras

MASK_LAYER = "padding_mask"
SEGMENTS_LAYER = "segment_ids"


@keras.saving.register_keras_serializable(package="kerastl")
class PaddingMask(keras.layers.Layer):
    """Which tokens are no padding: 1 where ``token_ids != pad_id`` and 0 elsewhere.

    Args:
        pad_id: the id that fills texts up.
        **kwargs: of every layer.
    """

    def __init__(self, pad_id: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pad_id = int(pad_id)
        self.built = True

    def call(self, token_ids: Any) -> Any:
        """Token ids ``(n, length)``, int32, to a mask of the same shape, int32."""
        return keras.ops.cast(keras.ops.not_equal(token_ids, self.pad_id), "int32")

    def compute_output_spec(self, token_ids: Any) -> Any:
        """The same shape, int32."""
        return keras.KerasTensor(token_ids.shape, dtype="int32")

    def get_config(self) -> dict[str, Any]:
        """The id."""
        return {**super().get_config(), "pad_id": self.pad_id}


@keras.saving.register_keras_serializable(package="kerastl")
class SegmentIds(keras.layers.Layer):
    """Zeros: every token belongs to the first segment."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.built = True

    def call(self, token_ids: Any) -> Any:
        """Token ids ``(n, length)`` to zeros of the same shape, int32."""
        return keras.ops.zeros_like(token_ids, dtype="int32")

    def compute_output_spec(self, token_ids: Any) -> Any:
        """The same shape, int32."""
        return keras.KerasTensor(token_ids.shape, dtype="int32")


@keras.saving.register_keras_serializable(package="kerastl")
class RelativePositions(keras.layers.Layer):
    """The relative position embeddings of DeBERTa, normalised, for every text of a batch.

    KerasHub's layer of this kind is built too late for a saved model to be loaded again.

    Args:
        rows: how many positions there are.
        width: of an embedding.
        epsilon: of the normalisation.
        **kwargs: of every layer.

    References:
        He et al., DeBERTa, 2020, https://arxiv.org/abs/2006.03654
    """

    def __init__(self, rows: int, width: int, epsilon: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows = rows
        self.width = width
        self.epsilon = epsilon
        self.normalization = keras.layers.LayerNormalization(
            epsilon=epsilon, dtype=self.dtype_policy, name="normalization"
        )

    def build(self, input_shape: Any) -> None:
        """Makes the embeddings and the normalisation."""
        self.embeddings = self.add_weight(
            shape=(self.rows, self.width), initializer="normal", name="embeddings"
        )
        self.normalization.build((None, self.rows, self.width))
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Anything of ``n`` texts to embeddings ``(n, rows, width)``."""
        embeddings = keras.ops.expand_dims(keras.ops.convert_to_tensor(self.embeddings), axis=0)
        count = keras.ops.shape(inputs)[0]
        return keras.ops.repeat(self.normalization(embeddings), repeats=count, axis=0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``(n, rows, width)``."""
        return (input_shape[0], self.rows, self.width)

    def get_config(self) -> dict[str, Any]:
        """Sizes and epsilon."""
        return {
            **super().get_config(),
            "rows": self.rows,
            "width": self.width,
            "epsilon": self.epsilon,
        }
