import keras
import pytest

from kerastl.graph import Cut, find_cuts, prefix_sha256
from kerastl.training.precision import computing_in


def network(name="dense", units=3, activation="relu"):
    inputs = keras.Input((4,))
    x = keras.layers.Dense(units, activation, kernel_initializer="ones", name=name)(inputs)
    return keras.Model(inputs, keras.layers.Dense(2, kernel_initializer="ones")(x))


def last(model) -> Cut:
    return find_cuts(model)[-1]


def sha256(model):
    return prefix_sha256(model, last(model))


def test_names_do_not_count():
    assert sha256(network("one")) == sha256(network("two"))


@pytest.mark.parametrize("change", [{"units": 5}, {"activation": "tanh"}])
def test_settings_count(change):
    assert sha256(network(**change)) != sha256(network())


def test_weights_count():
    other = network()
    other.layers[1].kernel.assign(2 * other.layers[1].kernel)
    assert sha256(other) != sha256(network())


def test_the_precision_counts():
    model = network()
    before = sha256(model)
    with computing_in(model, "mixed_bfloat16"):
        inside = sha256(model)
    with computing_in(model, "mixed_float16"):
        assert len({before, inside, sha256(model)}) == 3
    assert sha256(model) == before
