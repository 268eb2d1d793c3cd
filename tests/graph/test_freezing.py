import keras
import numpy as np
import pytest

import kerastl
from kerastl.graph import open_model, operations, settle_momentum


def trainable_layers(model):
    """Names of the layers with weights that would train, in running order."""
    return [op.name for op in operations(open_model(model)) if getattr(op, "trainable_weights", ())]


def base(name="base"):
    inputs = keras.Input((16, 16, 3), name="image")
    x = keras.layers.Conv2D(4, 3, name="block_1_conv")(inputs)
    x = keras.layers.BatchNormalization(name="block_1_bn")(x)
    x = keras.layers.Dropout(0.5, name="block_1_drop")(x)
    x = keras.layers.Conv2D(4, 3, name="block_2_conv")(x)
    x = keras.layers.BatchNormalization(name="block_2_bn")(x)
    return keras.Model(inputs, x, name=name)


def network(nested):
    inside = base()
    inputs = keras.Input((16, 16, 3)) if nested else inside.input
    features = inside(inputs, training=False) if nested else inside.output
    x = keras.layers.GlobalAveragePooling2D()(features)
    return keras.Model(inputs, keras.layers.Dense(2, name="logits")(x)), inside


def data():
    random = np.random.default_rng(0)
    return random.normal(3, 2, (16, 16, 16, 3)).astype("float32"), random.integers(0, 2, 16)


def train(model):
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(*data(), epochs=1, batch_size=8, verbose=0)


@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
def test_a_frozen_base_does_not_move_whatever_was_called_before(nested):
    model, inside = network(nested)
    inside.trainable = True
    model.trainable = True
    kerastl.freeze(model)
    before = [np.array(w) for w in inside.get_weights()]
    train(model)
    for old, new in zip(before, inside.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert trainable_layers(model) == ["logits"]


def test_plain_keras_drifts_where_kerastl_does_not():
    """The control: `training=False` alone lets the statistics of the base move."""
    model, inside = network(nested=True)
    before = inside.get_layer("block_1_bn").moving_mean.numpy().copy()
    train(model)
    assert np.abs(inside.get_layer("block_1_bn").moving_mean.numpy() - before).max() > 0


@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
def test_unfreezing_late_stages_keeps_batch_norm_still(nested):
    model, inside = network(nested)
    kerastl.unfreeze(model, from_stage=-1)
    assert trainable_layers(model) == ["block_2_conv", "logits"]
    statistics = inside.get_layer("block_2_bn").moving_mean.numpy().copy()
    early = inside.get_layer("block_1_conv").kernel.numpy().copy()
    late = inside.get_layer("block_2_conv").kernel.numpy().copy()
    train(model)
    np.testing.assert_array_equal(inside.get_layer("block_2_bn").moving_mean.numpy(), statistics)
    np.testing.assert_array_equal(inside.get_layer("block_1_conv").kernel.numpy(), early)
    assert np.abs(inside.get_layer("block_2_conv").kernel.numpy() - late).max() > 0


def test_batch_norm_trains_where_asked():
    model, _ = network(nested=False)
    kerastl.unfreeze(model, from_stage=-1, batch_norm=True)
    assert "block_2_bn" in trainable_layers(model)
    assert "block_1_bn" not in trainable_layers(model)


def test_dropout_before_the_boundary_is_off_and_comes_back():
    model, inside = network(nested=False)
    drop = inside.get_layer("block_1_drop")
    kerastl.freeze(model)
    assert drop.rate == 0
    kerastl.unfreeze(model)
    assert drop.rate == 0.5


def test_a_compiled_model_must_be_compiled_again():
    model, _ = network(nested=False)
    train(model)
    kerastl.unfreeze(model, from_stage=-1)
    with pytest.raises(ValueError, match="compile"):
        model.fit(*data(), verbose=0)


def test_freezing_everything():
    model, _ = network(nested=False)
    assert kerastl.freeze(model, head=False).trainable_weights == []


def test_moving_statistics_settle_within_a_training():
    model, inside = network(nested=False)
    frozen, free = inside.get_layer("block_1_bn"), inside.get_layer("block_2_bn")
    free.momentum = frozen.momentum = 0.999
    kerastl.unfreeze(model, from_stage=-1, batch_norm=True)
    settle_momentum(model, 200)
    assert free.momentum == pytest.approx(0.95)
    assert frozen.momentum == 0.999
