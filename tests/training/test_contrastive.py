import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kerastl
from kerastl.metrics import precision_at_1
from kerastl.outputs.contrastive import ContrastiveLoss, PrecisionAtOne
from kerastl.training import Objective

EMBEDDING = Objective("embedding")


def batch(seed, count=12, classes=4):
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, count)
    return labels, random.normal(size=(count, 5)).astype(np.float32)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_precision_at_1_is_that_of_numpy(seed):
    labels, vectors = batch(seed)
    metric = PrecisionAtOne()
    metric.update_state(np.eye(4, dtype=np.float32)[labels], vectors)
    assert float(metric.result()) == pytest.approx(precision_at_1(labels, vectors))


def test_batches_are_counted_by_the_texts_that_have_a_partner():
    metric = PrecisionAtOne()
    one_hot = np.eye(4, dtype=np.float32)
    near = np.array([[1, 0], [1, 0.1], [-1, 0], [0, 1]], np.float32)
    metric.update_state(one_hot[[0, 0, 1, 2]], near)  # two of two
    metric.update_state(one_hot[[0, 1, 0, 2]], near)  # none of two
    assert float(metric.result()) == 0.5
    metric.update_state(one_hot[[3]], near[:1])  # alone: does not count
    assert float(metric.result()) == 0.5
    metric.update_state(one_hot[[1, 1]], near[:2])  # nothing of another class: neither
    assert float(metric.result()) == 0.5
    metric.reset_state()
    assert float(metric.result()) == 0.0


def test_vectors_that_are_all_alike_score_nothing():
    metric = PrecisionAtOne()
    metric.update_state(np.eye(2, dtype=np.float32)[[0, 0, 1, 1]], np.ones((4, 3), np.float32))
    assert float(metric.result()) == 0.0


def test_the_objective_of_an_embedding():
    phase = kerastl.Phase("all", 1, 1e-3, loss="contrastive")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    assert EMBEDDING.score == "precision_at_1"
    assert EMBEDDING.compares(phase)
    assert EMBEDDING.trained(phase, model) is model
    assert isinstance(EMBEDDING.loss(phase), ContrastiveLoss)
    assert [metric.name for metric in EMBEDDING.metrics(phase)] == ["precision_at_1"]
    np.testing.assert_array_equal(EMBEDDING.targets(np.array([2, 0]), 3), np.eye(3)[[2, 0]])
    assert not Objective().compares(phase)
    for loss in ("cross_entropy", "focal"):
        with pytest.raises(kerastl.ConfigurationError, match="give the phase loss='contrastive'"):
            EMBEDDING.loss(kerastl.Phase("all", 1, loss=loss))
