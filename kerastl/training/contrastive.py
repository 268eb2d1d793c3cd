"""Contrastive fine-tuning: examples of one class are drawn together, others pushed apart."""

from __future__ import annotations

from typing import Any

import keras

from kerastl.errors import ConfigurationError
from kerastl.graph import POOLING_LAYER, nodes_of


def embedding_model(model: keras.Model) -> keras.Model:
    """A model up to the vector that its head gets, sharing its weights.

    Args:
        model: Functional, the part that trains.

    Raises:
        ConfigurationError: the vector is not made in this part, or by no layer of its own.
    """
    for node in nodes_of(model):
        if node.operation.name == POOLING_LAYER and node.input_tensors:
            return keras.Model(model.inputs, node.outputs[0], name=f"{model.name}_embedding")
    raise ConfigurationError(
        "loss='contrastive' trains the vector that the head gets: let the phase begin in the "
        "backbone (train_from a stage, or 'all'), and use a backbone whose tokens or positions "
        "are pooled."
    )


@keras.saving.register_keras_serializable(package="kerastl")
class ContrastiveLoss(keras.losses.Loss):
    """How far the cosine similarities of a batch are from 1 within a class and 0 between classes.

    For each example the mean over its own class and the mean over the others weigh the same,
    however many there are of either: the squared error of all pairs of the batch, as SetFit takes
    it of sampled pairs.

    References:
        Tunstall et al., Efficient Few-Shot Learning Without Prompts, 2022,
        https://arxiv.org/abs/2209.11055, section 3; Reimers and Gurevych, Sentence-BERT, 2019,
        https://arxiv.org/abs/1908.10084.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each example (b,) of targets (b, classes) and vectors (b, features)."""
        ops = keras.ops
        vectors = ops.cast(y_pred, "float32")
        vectors = vectors / ops.maximum(ops.norm(vectors, axis=-1, keepdims=True), 1e-6)
        similar = ops.matmul(vectors, ops.transpose(vectors))
        same = ops.matmul(y_true, ops.transpose(y_true))
        others = 1.0 - ops.eye(ops.shape(same)[0])
        near, far = same * others, (1.0 - same) * others
        return _mean((1.0 - similar) ** 2, near) + _mean(similar**2, far)


def _mean(values: Any, weights: Any) -> Any:
    ops = keras.ops
    # An example that is alone with its class in a batch has nothing to be near to.
    return ops.sum(values * weights, axis=-1) / ops.maximum(ops.sum(weights, axis=-1), 1.0)
