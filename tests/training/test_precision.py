import keras
import numpy as np
import pytest

import kerastl
from kerastl.errors import ConfigurationError
from kerastl.outputs import Classes
from kerastl.training import SilentReporter
from kerastl.training.precision import computing_in
from tests.conftest import CLASSES

QUIET = {"class_names": CLASSES, "reporter": SilentReporter()}


def dtypes(network):
    return {layer.name: layer.compute_dtype for layer in network._flatten_layers()}


def test_layers_compute_in_it_for_a_time(small_recipe, colours):
    network, _ = small_recipe().assemble(Classes(CLASSES), seed=0)
    x = colours[0][:4, :32, :32].astype(np.float32)
    first = keras.Model(network.inputs[0], network.get_layer("conv1_bn").output)
    before, outputs = dtypes(network), network.predict_on_batch(x)
    early = np.asarray(first(x))
    with computing_in(network, "mixed_float16"):
        inside = dtypes(network)
        half = network.predict_on_batch(x)
        # Random weights magnify a difference from layer to layer: it is measured at the first.
        np.testing.assert_allclose(np.asarray(first(x), "float32"), early, atol=0.02)
        assert {v.dtype for v in network.weights} == {"float32"}
    assert inside["preprocessing"] == inside["probabilities"] == "float32"
    assert inside["conv1"] == inside["conv_pw_13"] == "float16"
    assert half.dtype == np.float32
    assert not np.array_equal(half, outputs)
    assert dtypes(network) == before
    np.testing.assert_array_equal(network.predict_on_batch(x), outputs)


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_a_run_leaves_a_float32_network_and_no_global_policy(
    small_recipe, colours, precision, tmp_path
):
    policy = keras.config.dtype_policy()
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            # Predicting traces a function in half precision, which must not outlive the run.
            self.model.predict_on_batch(np.zeros((1, *self.model.input_shape[1:]), np.float32))
            seen.append((type(self.model.optimizer).__name__, dtypes(self.model)))

    plan = (kerastl.Phase("head", 2, 1e-2), kerastl.Phase("all", 1, 1e-3))
    recipe = small_recipe(plan=plan, precision=precision)
    model = recipe.fit(colours, out=tmp_path / "run", callbacks=[Watch()], **QUIET)
    assert keras.config.dtype_policy() is policy
    half = precision.removeprefix("mixed_")
    assert [name == "LossScaleOptimizer" for name, _ in seen] == [half == "float16"] * 2
    assert seen[1][1]["conv_pw_13"] == half
    assert set(dtypes(model.network).values()) == {"float32"}
    assert all(np.isfinite(w).all() for w in model.network.get_weights())
    again = kerastl.load(tmp_path / "run")
    x = colours[0][:4, :32, :32].astype(np.float32)
    np.testing.assert_array_equal(
        again.network.predict_on_batch(x), model.network.predict_on_batch(x)
    )
    plain = keras.models.load_model(tmp_path / "run" / "model.keras")
    assert set(dtypes(plain).values()) == {"float32"}


def test_cached_activations_of_two_precisions_are_two(small_recipe, colours, tmp_path):
    computed = []
    for precision in ("float32", "mixed_bfloat16", "float32", "mixed_bfloat16"):
        recipe = small_recipe(
            plan=kerastl.head_only(1), precision=precision, cache=str(tmp_path / "cache")
        )
        computed.append(recipe.fit(colours, **QUIET).history[0]["computed_examples"])
    assert computed[0] == computed[1] > 0
    assert computed[2:] == [0, 0]


def test_a_precision_that_there_is_not(small_recipe):
    with pytest.raises(ConfigurationError, match="precision='float16'; allowed are 'float32'"):
        small_recipe(precision="float16").fit("no/such/data")


def test_the_settings_fingerprint_knows_it(small_recipe):
    config = small_recipe(precision="mixed_float16").get_config()
    assert config["precision"] == "mixed_float16"
    assert kerastl.ImageClassification.from_config(config).precision == "mixed_float16"
