import keras
import numpy as np
import pytest

import kerastl
from kerastl.errors import ConfigurationError
from kerastl.graph import apply_boundary, find_cuts, head_cut
from kerastl.outputs import Classes
from kerastl.training import SilentReporter
from kerastl.training.lora import adapters
from tests.conftest import CLASSES

QUIET = {"class_names": CLASSES, "reporter": SilentReporter()}


@pytest.fixture(scope="module")
def network():
    """Every kind of layer that takes LoRA, the one that does not, and a head."""
    tokens = keras.Input((6,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(20, 8, name="embedding")(tokens)
    x = keras.layers.EinsumDense("abc,cd->abd", (6, 8), bias_axes="d", name="query")(x)
    x = keras.layers.Conv1D(8, 3, padding="same", name="conv")(x)
    x = keras.layers.LayerNormalization(name="norm")(x)
    x = keras.layers.DepthwiseConv1D(3, padding="same", name="depthwise")(x)
    x = keras.layers.Dense(8, name="value")(x)
    x = keras.layers.GlobalAveragePooling1D(name="pool")(x)
    return keras.Model(tokens, keras.layers.Dense(3, activation="softmax", name="out")(x))


def describe(model):
    return (
        model.get_config(),
        [(v.path, tuple(v.shape), v.trainable) for v in model.variables],
    )


def phase(**settings):
    return kerastl.Phase("all", 1, **{"lora": 2, **settings})


def lay(network, one, cut=None):
    cut = cut or find_cuts(network)[0]
    apply_boundary(network, cut)
    return adapters(network, cut, one, seed=1, number=0)


def test_the_network_leaves_as_it_came_but_for_its_kernels(network, tmp_path):
    x = np.random.default_rng(0).integers(0, 20, (4, 6))
    apply_boundary(network, find_cuts(network)[0])
    before, outputs = describe(network), np.asarray(network(x))
    with lay(network, phase()) as added:
        assert len(added.variables) == 8
        np.testing.assert_allclose(np.asarray(network(x)), outputs, atol=1e-6)
        trainable = {v.path for v in network.trainable_variables}
        assert {p for p in trainable if "lora" not in p} == {"out/kernel", "out/bias"}
        random = np.random.default_rng(3)
        for variable in added.variables:
            variable.assign(random.normal(size=variable.shape) * 0.3)
        adapted = np.asarray(network(x))
        kernel = np.array(network.get_layer("value").weights[0])
        low, high = added.variables[-2:]
        expected = kernel + np.asarray(low) @ np.asarray(high)
        added.merge()
    assert describe(network) == before
    np.testing.assert_allclose(np.asarray(network(x)), adapted, rtol=1e-4, atol=1e-5)
    assert not np.allclose(adapted, outputs, atol=1e-3)
    np.testing.assert_allclose(
        network.get_layer("value").get_weights()[0], expected, rtol=1e-5, atol=1e-6
    )
    network.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(again(x)), np.asarray(network(x)))


def test_an_error_leaves_the_kernels_as_they_were(network):
    apply_boundary(network, find_cuts(network)[0])
    before, values = describe(network), network.get_weights()
    with pytest.raises(RuntimeError, match="stop"), lay(network, phase()) as added:
        added.variables[1].assign(np.ones(added.variables[1].shape))
        raise RuntimeError("stop")
    assert describe(network) == before
    for one, other in zip(values, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_layers_by_pattern_and_biases_by_choice(network):
    with lay(network, phase(lora_layers="query|value", lora_bias=True)) as added:
        paths = {v.path for v in network.trainable_variables}
        assert {v.path.split("/")[0] for v in added.variables} == {"query", "value"}
        assert {p for p in paths if "lora" not in p} == {
            "query/bias", "conv/bias", "depthwise/bias", "value/bias", "out/kernel", "out/bias",
        }  # fmt: skip


def test_the_same_seed_draws_the_same_updates(network):
    drawn = []
    for number in (0, 0, 1):
        cut = find_cuts(network)[0]
        apply_boundary(network, cut)
        with adapters(network, cut, phase(), seed=1, number=number) as added:
            drawn.append(np.array(added.variables[0]))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_no_layer_is_an_error_that_names_what_is_there(network):
    with (
        pytest.raises(ConfigurationError, match=r"finds no layer whose path matches 'key'.*query"),
        lay(network, phase(lora_layers="key")),
    ):
        pass
    norm = next(c for c in find_cuts(network) if c.name == "norm")
    short = keras.Model(network.inputs, network.get_layer("depthwise").output)
    x = keras.layers.GlobalAveragePooling1D(name="short_pool")(short.output)
    short = keras.Model(network.inputs, keras.layers.Dense(2, name="short_out")(x))
    assert head_cut(short).name == "short_pool"
    cut = next(c for c in find_cuts(short) if c.name == norm.name)
    with (
        pytest.raises(ConfigurationError, match=r"there is: depthwise \(DepthwiseConv1D\)"),
        lay(short, phase(), cut),
    ):
        pass


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train_from": "head", "lora": 2}, "lora where only the head trains"),
        ({"lora": 0}, "lora=0"),
        ({"lora": True}, "lora=True"),
        ({"lora": 2, "batch_norm": True}, "lora with batch_norm"),
        ({"lora": 2, "l2_sp": 0.1}, "lora with l2_sp"),
        ({"lora": 2, "lora_layers": "("}, r"lora_layers='\('"),
        ({"lora_layers": "x"}, "without lora"),
        ({"lora_bias": True}, "without lora"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        kerastl.Phase(**{"train_from": "all", **settings}).check()


def test_a_missing_layer_is_found_before_the_data_are_read(small_recipe):
    plan = kerastl.two_phase(1, 1, train_from="conv_12", lora=2, lora_layers="attention")
    assert [p.lora for p in plan] == [None, 2]
    with pytest.raises(ConfigurationError, match=r"matches 'attention'.*conv_pw_12"):
        small_recipe(plan=plan).fit("no/such/data")


@pytest.mark.parametrize("cache", ["auto", pytest.param(False, marks=pytest.mark.long)])
def test_a_phase_moves_kernels_by_little_rank(small_recipe, colours, cache):
    plan = (
        kerastl.Phase("head", 1, 1e-2),
        kerastl.Phase("conv_12", 2, 1e-2, lora=2, interpolate=True, ema=0.9, layer_decay=0.8),
    )
    recipe = small_recipe(plan=plan, cache=cache, head=kerastl.Head(dropout=0.0))
    keras.utils.set_random_seed(0)
    start, _ = recipe.assemble(Classes(CLASSES), seed=0)
    model = recipe.fit(colours, **QUIET)
    assert [v.path for v in model.network.variables] == [v.path for v in start.variables]
    assert model.history[1]["trainable_parameters"] < 5000
    shifts = {}
    for layer in start.layers:
        for old, new in zip(
            layer.get_weights(), model.network.get_layer(layer.name).get_weights(), strict=True
        ):
            shifts.setdefault(layer.name, []).append(new - old)
    moved = {name for name, values in shifts.items() if any(np.any(v) for v in values)}
    assert moved <= {"conv_pw_12", "conv_pw_13", "probabilities"}
    for name in moved - {"probabilities"}:
        assert np.linalg.matrix_rank(shifts[name][0][0, 0], tol=1e-5) <= 2
    np.testing.assert_allclose(model.history[1]["loss"], model.metrics["loss"], rtol=1e-3)
