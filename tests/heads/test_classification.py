import keras
import numpy as np
import pytest

import kerastl
from kerastl.errors import ConfigurationError
from kerastl.outputs import Classes, Labels, Number


def attach(head, *, classes=4, seed=0, shape=(5, 6, 8)):
    features = keras.Input(shape)
    outputs = Classes(tuple("abcdef"[:classes]))
    return keras.Model(features, head.attach(features, outputs, seed=seed))


@pytest.mark.parametrize("shape", [(5, 6, 8), (8,)])
@pytest.mark.parametrize("pooling", ["avg", "max"])
@pytest.mark.parametrize("hidden", [None, 7])
def test_probabilities(shape, pooling, hidden):
    model = attach(kerastl.Head(pooling=pooling, hidden=hidden), shape=shape)
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype("float32")
    y = np.asarray(model(x))
    assert y.shape == (3, 4)
    assert y.dtype == np.float32
    assert (y >= 0).all()
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(("pooling", "reduce"), [("avg", np.mean), ("max", np.max)])
def test_against_numpy(pooling, reduce):
    model = attach(kerastl.Head(pooling=pooling, hidden=7))
    x = np.random.default_rng(0).normal(size=(3, 5, 6, 8)).astype("float32")
    kernel, bias, last, last_bias = model.get_weights()
    logits = np.maximum(reduce(x, axis=(1, 2)) @ kernel + bias, 0) @ last + last_bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.asarray(model(x)), expected, rtol=1e-5)


def test_probabilities_stay_float32_in_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = attach(kerastl.Head(hidden=4))
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.output.dtype == "float32"


def test_the_seed_decides_the_weights_whatever_came_before():
    head = kerastl.Head(hidden=5)
    first = attach(head, seed=1).get_weights()
    keras.utils.set_random_seed(9)
    again, other = attach(head, seed=1).get_weights(), attach(head, seed=2).get_weights()
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[2], other[2])


def test_dropout_is_of_training_alone_and_can_be_left_out():
    model = attach(kerastl.Head(dropout=0.5), shape=(64,))
    x = np.ones((1, 64), np.float32)
    np.testing.assert_array_equal(np.asarray(model(x)), np.asarray(model(x)))
    assert not np.array_equal(
        np.asarray(model(x, training=True)), np.asarray(model(x, training=True))
    )
    names = [layer.name for layer in attach(kerastl.Head(dropout=0)).layers]
    assert "head_dropout" not in names


def test_several_outputs_end_in_layers_of_their_names():
    outputs = {"kind": Classes(("a", "b")), "tags and more": Labels(("x", "y")), "size": Number(),
               "age": Number()}  # fmt: skip
    features = keras.Input((5,))
    made = kerastl.Head(dropout=0.0).attach(features, outputs, seed=3)
    model = keras.Model(features, made)
    assert model.output_names == ["kind", "tags_and_more", "size", "age"]
    assert [tensor.shape[-1] for tensor in model.outputs] == [2, 2, 1, 1]
    # The first begins as it would alone, and no two alike.
    alone = attach(kerastl.Head(dropout=0.0), classes=2, seed=3, shape=(5,)).get_weights()[0]
    weights = [model.get_layer(name).get_weights()[0] for name in model.output_names]
    np.testing.assert_array_equal(weights[0], alone)
    assert not np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[2], weights[3])
    with pytest.raises(ConfigurationError, match="names that differ in their letters"):
        kerastl.Head().attach(features, {"a b": Number(), "a_b": Number()}, seed=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pooling": "mean"}, "pooling='mean'; allowed are 'avg' and 'max'"),
        ({"dropout": 1.0}, r"dropout=1\.0; allowed is 0 <= dropout < 1"),
        ({"dropout": -0.1}, r"dropout=-0\.1"),
        ({"dropout": float("nan")}, "dropout=nan"),
        ({"dropout": "0.3"}, "dropout='0.3'"),
        ({"hidden": 0}, "hidden=0; give a number of units"),
        ({"hidden": 2.5}, r"hidden=2\.5"),
        ({"hidden": "8"}, "hidden='8'"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    head = kerastl.Head(**settings)
    with pytest.raises(ConfigurationError, match=message):
        head.check()
    with pytest.raises(ConfigurationError, match=message):
        attach(head)
