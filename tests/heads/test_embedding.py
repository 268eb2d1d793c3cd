import keras
import numpy as np
import pytest

from kerastl.heads import attach_outputs, pool
from kerastl.outputs import Vector
from kerastl.outputs.vector import PROJECTION


def network(pooling="mean", dimensions=None, seed=0):
    tokens = keras.Input((None, 6))
    mask = keras.Input((None,), dtype="int32")
    output = Vector(dimensions=dimensions, project=dimensions is not None)
    pooled = pool(tokens, mask, pooling, seed=seed)
    # Before Keras 3.15 every input has to lead to an output, and the class token needs no mask.
    inputs = tokens if pooling == "class_token" else [tokens, mask]
    return keras.Model(inputs, attach_outputs(pooled, output, seed=seed))


def answer(model, tokens, mask):
    given = [tokens, mask][: len(model.inputs)]
    return np.asarray(model(given if len(given) > 1 else tokens, training=False))


@pytest.fixture
def tokens():
    return np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)


@pytest.mark.parametrize("pooling", ["mean", "class_token", "max", "attention"])
@pytest.mark.parametrize("dimensions", [None, 3, 9])
def test_vectors_of_length_1_whatever_the_padding(tokens, pooling, dimensions):
    model = network(pooling, dimensions)
    mask = np.ones((4, 5), np.int32)
    found = answer(model, tokens, mask)
    assert found.shape == (4, dimensions or 6)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    padded = np.concatenate([tokens, np.full((4, 3, 6), 50, np.float32)], axis=1)
    longer = np.concatenate([mask, np.zeros((4, 3), np.int32)], axis=1)
    np.testing.assert_allclose(answer(model, padded, longer), found, atol=1e-5)
    assert model.layers[-1].name == "embedding"


@pytest.mark.parametrize("pooling", ["mean", "class_token", "max", "attention"])
def test_a_row_of_padding_alone_stays_finite(tokens, pooling):
    model = network(pooling, 3)
    found = answer(model, tokens, np.zeros((4, 5), np.int32))
    assert np.isfinite(found).all()
    zeros = answer(model, np.zeros_like(tokens), np.zeros((4, 5), np.int32))
    assert np.isfinite(zeros).all()


def test_it_is_the_mean_over_its_length(tokens):
    mask = np.array([[1, 1, 1, 0, 0]] * 4, np.int32)
    mean = tokens[:, :3].mean(axis=1)
    expected = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(answer(network(), tokens, mask), expected, rtol=1e-5)


def test_the_projection_has_no_bias_and_begins_orthogonal():
    kernel = np.asarray(network(dimensions=4, seed=1).get_layer(PROJECTION).kernel)
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(4), atol=1e-5)
    assert len(network(dimensions=4).weights) == 1
    other = np.asarray(network(dimensions=4, seed=2).get_layer(PROJECTION).kernel)
    assert not np.allclose(kernel, other)


def test_a_saved_network_names_no_class_of_this_library(tokens, tmp_path):
    model = network("attention", 4)
    assert "kerastl" not in model.to_json()
    model.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    mask = np.ones((4, 5), np.int32)
    np.testing.assert_array_equal(answer(again, tokens, mask), answer(model, tokens, mask))
