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


def joined(extra=0):
    """A network that hands a list of tensors to a layer."""
    for _ in range(extra):
        # Keras numbers the tensors that a process makes.
        keras.Input((1,))
    inputs = keras.Input((4,))
    x = keras.layers.Dense(4, kernel_initializer="ones", name="dense")(inputs)
    x = keras.layers.Add(name="add")([inputs, x])
    return keras.Model(inputs, x)


def test_what_was_made_before_does_not_count(tmp_path):
    assert sha256(joined(3)) == sha256(joined())
    joined().save(tmp_path / "m.keras")
    assert sha256(keras.saving.load_model(tmp_path / "m.keras")) == sha256(joined())


def test_constants_count():
    def shifted(by):
        inputs = keras.Input((4,))
        return keras.Model(inputs, keras.ops.add(inputs, by))

    assert sha256(shifted(1.0)) == sha256(shifted(1.0))
    assert sha256(shifted(1.0)) != sha256(shifted(2.0))
