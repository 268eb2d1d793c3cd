"""Contrastive training: examples of one class are drawn together, others pushed apart."""

from __future__ import annotations

from typing import Any

import keras

from kerastl.errors import ConfigurationError
from kerastl.graph import POOLING_LAYER, nodes_of
from kerastl.metrics import TIE

# Below every cosine.
_FARTHER = -2.0


def embedding_model(model: keras.Model) -> keras.Model:
    """A Functional model up to the vector that its head gets, sharing its weights."""
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
        """The loss of each example (b,) of targets (b, classes) and vectors (b, features).

        An example whose class is missing, a row of zeros, is near to none and far from none.
        """
        similar, near, far = _pairs(y_true, y_pred)
        return _mean((1.0 - similar) ** 2, near) + _mean(similar**2, far)


@keras.saving.register_keras_serializable(package="kerastl")
class PrecisionAtOne(keras.metrics.Metric):
    """The share of examples whose most similar other example of the batch is of their class.

    Similar is what has a high cosine; a tie with an example of another class, within 1e-6, is a
    miss, so that vectors that are all alike score 0. An example that is alone with its class in
    its batch does not count, nor do those of a batch of one class, where no other could be nearer.
    """

    def __init__(self, name: str = "precision_at_1", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self._hits = self.add_variable(shape=(), initializer="zeros", name="hits")
        self._count = self.add_variable(shape=(), initializer="zeros", name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch of targets (b, classes) and vectors (b, features); all weigh alike."""
        ops = keras.ops
        similar, near, far = _pairs(ops.cast(y_true, "float32"), y_pred)
        counts = ops.max(near, axis=-1) * ops.max(far, axis=-1)
        nearest = ops.max(ops.where(near > 0, similar, _FARTHER), axis=-1)
        others = ops.max(ops.where(far > 0, similar, _FARTHER), axis=-1)
        hits = ops.cast(nearest > others + TIE, counts.dtype)
        self._hits.assign_add(ops.sum(counts * hits))
        self._count.assign_add(ops.sum(counts))

    def result(self) -> Any:
        """The share so far; 0 where no example counts."""
        return self._hits / keras.ops.maximum(self._count, 1.0)


def _pairs(targets: Any, vectors: Any) -> tuple[Any, Any, Any]:
    """Cosines of a batch (b, b), and which pairs are of one class and which of two, 1 or 0.

    No example is a pair with itself, nor with one whose class is missing.
    """
    ops = keras.ops
    vectors = ops.cast(vectors, "float32")
    vectors = vectors / ops.maximum(ops.norm(vectors, axis=-1, keepdims=True), 1e-6)
    similar = ops.matmul(vectors, ops.transpose(vectors))
    same = ops.matmul(targets, ops.transpose(targets))
    others = 1.0 - ops.eye(ops.shape(same)[0])
    known = ops.sum(targets, axis=-1)
    return similar, same * others, (ops.outer(known, known) - same) * others


def _mean(values: Any, weights: Any) -> Any:
    ops = keras.ops
    # An example that is alone with its class in a batch has nothing to be near to.
    return ops.sum(values * weights, axis=-1) / ops.maximum(ops.sum(weights, axis=-1), 1.0)
