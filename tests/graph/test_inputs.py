import keras
import numpy as np
import pytest

from kerastl.errors import GraphError
from kerastl.graph import with_input


@pytest.fixture
def model():
    inputs = keras.Input((None,), dtype="int32", name="ids")
    mask = keras.layers.Lambda(
        lambda x: keras.ops.cast(x > 0, "float32"), output_shape=(None,), name="mask"
    )(inputs)
    vectors = keras.layers.Embedding(9, 4)(inputs)
    pooled = keras.ops.sum(vectors * keras.ops.expand_dims(mask, -1), axis=1)
    return keras.Model(inputs, keras.layers.Dense(2, name="scores")(pooled))


def test_the_output_of_a_layer_becomes_an_input(model):
    changed = with_input(model, "mask", name="given")
    assert [(item.name, item.dtype) for item in changed.inputs] == [
        ("ids", "int32"),
        ("given", "float32"),
    ]
    ids = np.array([[1, 2, 0], [3, 0, 0]], np.int32)
    mask = (ids > 0).astype(np.float32)
    wanted = model.predict(ids, verbose=0)
    np.testing.assert_array_equal(changed.predict([ids, mask], verbose=0), wanted)
    # What is given counts, and the weights are those of the model.
    assert np.abs(changed.predict([ids, 1 - mask], verbose=0) - wanted).max() > 1e-3
    assert changed.get_layer("scores") is model.get_layer("scores")
    assert "mask" not in [layer.name for layer in changed.layers]


def test_layers_that_cannot_become_inputs(model):
    with pytest.raises(GraphError, match="'musk' can become an input .* called 0 times"):
        with_input(model, "musk")
    twice = keras.layers.Dense(2, name="twice")
    inputs = keras.Input((2,))
    with pytest.raises(GraphError, match="called 2 times"):
        with_input(keras.Model(inputs, twice(twice(inputs))), "twice")
