import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kerastl
from kerastl.metrics import precision_at_1
from kerastl.outputs import Classes, Labels, Number, Vector
from kerastl.outputs.contrastive import ContrastiveLoss, PrecisionAtOne


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


def test_examples_without_a_class_take_no_part():
    labels, vectors = batch(3)
    targets = np.eye(4, dtype=np.float32)[labels]
    targets[::3] = 0.0
    known = np.flatnonzero(targets.any(axis=1))
    found = np.asarray(ContrastiveLoss(reduction=None)(targets, vectors))
    alone = np.asarray(ContrastiveLoss(reduction=None)(targets[known], vectors[known]))
    np.testing.assert_allclose(found[known], alone, rtol=1e-6)
    np.testing.assert_array_equal(found[::3], 0.0)
    metric, other = PrecisionAtOne(), PrecisionAtOne()
    metric.update_state(targets, vectors)
    other.update_state(targets[known], vectors[known])
    assert float(metric.result()) == float(other.result())


def test_what_an_embedding_learns_from():
    phase = kerastl.Phase("all", 1, 1e-3, loss="contrastive")
    output = Vector().with_classes("abc")
    assert output.score == "precision_at_1"
    assert output.compares(phase)
    assert isinstance(output.loss(phase), ContrastiveLoss)
    assert [metric.name for metric in output.metrics()] == ["precision_at_1"]
    np.testing.assert_array_equal(output.targets(np.array([2, 0])), np.eye(3)[[2, 0]])
    assert not Classes().compares(phase)
    for loss in ("cross_entropy", "focal"):
        with pytest.raises(kerastl.ConfigurationError, match="give the phase loss='contrastive'"):
            output.loss(kerastl.Phase("all", 1, loss=loss))
    for other in (Labels(), Number()):
        with pytest.raises(kerastl.ConfigurationError, match="needs one class for each example"):
            other.loss(phase)
