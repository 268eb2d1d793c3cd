"""Layers that text encoders need beside KerasHub's own."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

MASK_LAYER = "padding_mask"
SEGMENTS_LAYER = "segment_ids"


class _OfTokenIds(keras.layers.Layer):
    """A layer without weights from token ids to whole numbers of the same shape."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.built = True

    def compute_output_spec(self, token_ids: Any) -> Any:
        """The same shape, int32."""
        return keras.KerasTensor(token_ids.shape, dtype="int32")


@keras.saving.register_keras_serializable(package="kerastl")
class PaddingMask(_OfTokenIds):
    """Which tokens are not padding: 1 where ``token_ids != pad_id`` and 0 elsewhere."""

    def __init__(self, pad_id: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pad_id = int(pad_id)

    def call(self, token_ids: Any) -> Any:
        """Token ids ``(n, length)``, int32, to a mask of the same shape, int32."""
        return keras.ops.cast(keras.ops.not_equal(token_ids, self.pad_id), "int32")

    def get_config(self) -> dict[str, Any]:
        """The id."""
        return {**super().get_config(), "pad_id": self.pad_id}


@keras.saving.register_keras_serializable(package="kerastl")
class SegmentIds(_OfTokenIds):
    """Zeros: every token belongs to the first segment."""

    def call(self, token_ids: Any) -> Any:
        """Token ids ``(n, length)`` to zeros of the same shape, int32."""
        return keras.ops.zeros_like(token_ids, dtype="int32")


@keras.saving.register_keras_serializable(package="kerastl")
class FixedLength(keras.layers.Layer):
    """Fills rows up on the right to one length, whatever length up to that they come in."""

    def __init__(self, length: int, fill: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length = int(length)
        self.fill = int(fill)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Whole numbers ``(n, any)`` to ``(n, length)``, of the same dtype."""
        inputs = keras.ops.convert_to_tensor(inputs)
        rest = self.length - keras.ops.shape(inputs)[1]
        padded = keras.ops.pad(inputs, ((0, 0), (0, rest)), constant_values=self.fill)
        return keras.ops.reshape(padded, (-1, self.length))

    def compute_output_spec(self, inputs: Any) -> Any:
        """``(n, length)``, of the same dtype."""
        return keras.KerasTensor((inputs.shape[0], self.length), dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """Length and fill."""
        return {**super().get_config(), "length": self.length, "fill": self.fill}


@keras.saving.register_keras_serializable(package="kerastl")
class FourierEncoder(keras.layers.Layer):
    """A layer of FNet whose Fourier transform is a product of matrices.

    Neither ONNX nor LiteRT has the transform of two dimensions that TensorFlow makes of
    ``keras.ops.fft2``; both have products.

    Between its two dense layers are ``intermediate_dim`` values and the activation.

    References:
        Lee-Thorp et al., FNet, 2021, https://arxiv.org/abs/2105.03824
    """

    PARTS = ("mixing_layer_norm", "output_layer_norm", "intermediate_dense", "output_dense")

    def __init__(
        self, intermediate_dim: int, activation: Any, dropout: float, epsilon: float, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.intermediate_dim = intermediate_dim
        self.activation = keras.activations.get(activation)
        self.epsilon = epsilon
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        """Makes the normalisations and the dense layers."""
        layers, policy = keras.layers, self.dtype_policy
        self.mixing_layer_norm = layers.LayerNormalization(epsilon=self.epsilon, dtype=policy)
        self.output_layer_norm = layers.LayerNormalization(epsilon=self.epsilon, dtype=policy)
        self.intermediate_dense = layers.Dense(self.intermediate_dim, self.activation, dtype=policy)
        self.output_dense = layers.Dense(input_shape[-1], dtype=policy)
        for layer in (self.mixing_layer_norm, self.output_layer_norm, self.intermediate_dense):
            layer.build(input_shape)
        self.output_dense.build((*input_shape[:-1], self.intermediate_dim))
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Hidden states ``(n, length, features)`` to the same shape."""
        mixed = self.mixing_layer_norm(inputs + _fourier(inputs))
        made = self.output_dense(self.intermediate_dense(mixed))
        return self.output_layer_norm(mixed + self.dropout(made, training=training))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The same."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Width, activation, dropout and epsilon."""
        return {
            **super().get_config(),
            "intermediate_dim": self.intermediate_dim,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout.rate,
            "epsilon": self.epsilon,
        }


def _fourier(inputs: Any) -> Any:
    """The real part of the transform over tokens and features."""
    length, features = keras.ops.shape(inputs)[1:]
    values = keras.ops.cast(inputs, "float32")
    parts = []
    for turn in (keras.ops.cos, keras.ops.sin):
        over_features = keras.ops.matmul(values, turn(_angles(features)))
        parts.append(keras.ops.matmul(turn(_angles(length)), over_features))
    return keras.ops.cast(parts[0] - parts[1], inputs.dtype)


def _angles(count: Any) -> Any:
    """``2 pi i j / count`` for all rows i and columns j, float32, each within one turn."""
    index = keras.ops.arange(count, dtype="int32")
    # Whole turns are taken off while the numbers are whole still: large angles are inexact.
    steps = keras.ops.mod(index[:, None] * index[None, :], count)
    return keras.ops.cast(steps, "float32") * (2 * np.pi / keras.ops.cast(count, "float32"))


@keras.saving.register_keras_serializable(package="kerastl")
class RelativePositions(keras.layers.Layer):
    """The relative position embeddings of DeBERTa, normalised, for every text of a batch.

    There are as many rows as positions. KerasHub's layer of this kind is built too late for a
    saved model to be loaded again.

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
        own = {"rows": self.rows, "width": self.width, "epsilon": self.epsilon}
        return {**super().get_config(), **own}
