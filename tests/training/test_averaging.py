import keras
import numpy as np
import pytest

import kerastl
from kerastl.training import SilentReporter
from tests.conftest import CLASSES
from tests.training.test_loop import Poison

QUIET = {"class_names": CLASSES, "reporter": SilentReporter()}


class Watch(keras.callbacks.Callback):
    """The trainable weights after each step."""

    def __init__(self):
        super().__init__()
        self.begin, self.steps = None, []

    def on_train_begin(self, logs=None):
        if self.begin is None:
            self.begin = self.read()

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(self.read())

    def read(self):
        return [np.array(v) for v in self.model.trainable_variables]


@pytest.mark.parametrize("validation", [None, False])
def test_the_averaged_weights_are_validated_and_kept(small_recipe, colours, validation):
    watch = Watch()
    plan = (kerastl.Phase("head", 1, 3e-2, ema=0.8),)
    model = small_recipe(plan=plan).fit(colours, validation, callbacks=[watch], **QUIET)
    average = [value.astype(np.float64) for value in watch.begin]
    for t, values in enumerate(watch.steps):
        kept = min(0.8, (1 + t) / (10 + t))
        average = [kept * a + (1 - kept) * v for a, v in zip(average, values, strict=True)]
    layer = model.network.get_layer("probabilities")
    for expected, value in zip(average, layer.get_weights(), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6)
    assert not np.allclose(watch.steps[-1][0], layer.get_weights()[0], atol=1e-4)
    [record] = model.history
    if validation is None:
        assert record["loss"] == pytest.approx(model.metrics["loss"], rel=1e-4)
        assert record["history"]["val_loss"] == [pytest.approx(model.metrics["loss"], rel=1e-4)]


def test_training_goes_on_from_the_plain_weights(small_recipe, colours):
    """With the same steps as without averaging, whatever is validated in between."""
    watches = [Watch(), Watch()]
    for watch, ema in zip(watches, (None, 0.8), strict=True):
        plan = (kerastl.Phase("head", 2, 1e-2, ema=ema, weight_decay=0.0),)
        small_recipe(plan=plan).fit(colours, callbacks=[watch], **QUIET)
    for one, other in zip(*(watch.steps for watch in watches), strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_divergence_goes_back_to_the_averages(small_recipe, colours):
    plan = (
        kerastl.Phase(
            "conv_13", 4, 1e-2, ema=0.9, layer_decay=0.7, l2_sp=0.01, mixup=0.2, interpolate=True
        ),
    )
    model = small_recipe(plan=plan).fit(colours, callbacks=[Poison(2, 1)], **QUIET)
    assert model.history[0]["slowed_at"] == 2
    assert all(np.isfinite(weights).all() for weights in model.network.get_weights())


def test_a_network_trained_with_averages_is_saved_without_its_optimizer(
    small_recipe, colours, tmp_path
):
    plan = kerastl.full(1, ema=0.9)
    model = small_recipe(plan=plan).fit(colours, out=tmp_path / "run", **QUIET)
    plain = keras.models.load_model(tmp_path / "run" / "model.keras")
    for one, other in zip(plain.get_weights(), model.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
