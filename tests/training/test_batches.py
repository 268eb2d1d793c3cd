import keras
import numpy as np
import pytest

from kerastl.training.batches import FixedBatches, ViewBatches
from kerastl.training.feeding import for_evaluate, for_fit
from kerastl.training.targets import KerasTargets


class Memory(keras.layers.Layer):
    """Passes its input on and writes it down."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def call(self, x):
        self.seen.append(keras.ops.convert_to_numpy(x)[:, 0].astype(int).tolist())
        return x


def expected(epochs, count=10, size=4, phase=3):
    """The order is a function of seed, phase and epoch."""
    for epoch in epochs:
        order = np.random.default_rng([7, phase, epoch]).permutation(count)
        for start in range(0, count, size):
            yield sorted((order[start : start + size] + 100 * (epoch % 2)).tolist())


def batches(first=0, skip=0):
    views = [np.arange(10.0)[:, None], 100 + np.arange(10.0)[:, None]]
    targets = KerasTargets((np.eye(2, dtype=np.float32)[np.arange(10) % 2],))
    order = {"batch_size": 4, "seed": 7, "phase": 3, "first_epoch": first, "skip": skip}
    return ViewBatches(views, lambda _: targets, **order)


@pytest.fixture
def model():
    memory = Memory()
    model = keras.Sequential([keras.Input((1,)), memory, keras.layers.Dense(2)])
    model.compile("sgd", "mse", run_eagerly=True)
    memory.seen.clear()
    return model


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX traces: nothing to write down")
def test_fit_sees_the_order_of_the_seed(model):
    model.fit(**for_fit(batches(), 3), epochs=3, shuffle=False, verbose=0)
    assert model.layers[0].seen[-9:] == list(expected(range(3)))


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX traces: nothing to write down")
def test_an_interrupted_epoch_goes_on_where_it_was(model):
    options = {"shuffle": False, "verbose": 0}
    model.fit(**for_fit(batches(first=1, skip=2), 2), initial_epoch=1, epochs=2, **options)
    model.fit(**for_fit(batches(first=2), 4), initial_epoch=2, epochs=4, **options)
    assert model.layers[0].seen[-7:] == list(expected(range(1, 4)))[2:]


def test_evaluation_goes_through_all_examples_each_time():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    rows = np.arange(10.0, dtype=np.float32)[:, None]
    fixed = FixedBatches(rows, KerasTargets((np.zeros((10, 2), np.float32),)), batch_size=4)
    expected_loss = model.evaluate(rows, np.zeros((10, 2)), verbose=0)
    data = for_evaluate(fixed)
    for _ in range(2):
        assert model.evaluate(data, verbose=0) == pytest.approx(expected_loss)


def test_weights_of_examples_come_along():
    weights = np.arange(10, dtype=np.float32)
    targets = KerasTargets((np.eye(2, dtype=np.float32)[np.arange(10) % 2],), (weights,))
    order = {"batch_size": 4, "seed": 0, "phase": 0, "first_epoch": 0, "skip": 0}
    source = ViewBatches([np.arange(10.0)[:, None]], lambda _: targets, **order)
    for values, _, weight in source.epochs(2):
        np.testing.assert_array_equal(values[:, 0], weight)
