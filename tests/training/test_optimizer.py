"""The optimizer of a phase against a NumPy twin, and what it does to a network."""

import keras
import numpy as np
import pytest

import kerastl
from kerastl.graph import find_stages, head_cut
from kerastl.outputs import Classes
from kerastl.training import SilentReporter, adamw
from kerastl.training.optimization import make_optimizer
from kerastl.training.rates import depths, rate_factors
from kerastl.training.starting_point import read_origin, starting_points
from tests.conftest import CLASSES

QUIET = {"class_names": CLASSES, "reporter": SilentReporter()}
RATE, DECAY, PULL, AVERAGE = 0.1, 0.02, 0.3, 0.9


def twin(value, gradients, factor, start, decays):
    """AdamW with a rate factor, a pull and an average, step by step: (value, average)."""
    w = average = value.astype(np.float64)
    m = v = np.zeros_like(w)
    for t, gradient in enumerate(gradients):
        g = gradient + (0 if start is None else PULL * (w - start))
        rate = RATE * factor
        if decays and start is None:
            w = w - w * DECAY * rate
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        w = w - rate * (m / (1 - 0.9 ** (t + 1))) / (
            np.sqrt(v / (1 - 0.999 ** (t + 1))) + 1e-7 / np.sqrt(1 - 0.999 ** (t + 1))
        )
        kept = min(AVERAGE, (1 + t) / (10 + t))
        average = kept * average + (1 - kept) * w
    return w, average


def apply(optimizer, gradients, variables):
    """As the backend's own training step does it."""
    if keras.backend.backend() != "jax":
        optimizer.apply(gradients, variables)
        return
    values, states = optimizer.stateless_apply(
        [v.value for v in optimizer.variables], gradients, [v.value for v in variables]
    )
    for variable, value in zip([*variables, *optimizer.variables], [*values, *states], strict=True):
        variable.assign(value)


@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize("scaled", [False, True])
def test_steps_are_those_of_a_numpy_twin(accumulated, scaled):
    random = np.random.default_rng(0)
    values = [random.normal(size=(3, 2)).astype(np.float32) for _ in range(3)]
    names = ("kernel", "kernel", "bias")
    variables = [keras.Variable(v, name=n) for v, n in zip(values, names, strict=True)]
    start = random.normal(size=(3, 2)).astype(np.float32)
    factors, starts = (1.0, 0.25, 0.5), (None, start, None)
    optimizer = adamw.PhaseAdamW(
        RATE,
        factors=factors,
        starts=starts,
        pull=PULL,
        average=AVERAGE,
        weight_decay=DECAY,
        gradient_accumulation_steps=accumulated if accumulated > 1 else None,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    outer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0) if scaled else None
    (outer or optimizer).build(variables)
    steps = [[random.normal(size=(3, 2)) for _ in values] for _ in range(4 * accumulated)]
    for gradients in steps:
        tensors = [
            keras.ops.convert_to_tensor((8 if scaled else 1) * g, "float32") for g in gradients
        ]
        apply(outer or optimizer, tensors, variables)
    means = [np.mean(steps[i : i + accumulated], axis=0) for i in range(0, len(steps), accumulated)]
    averages = adamw.averages_of(outer or optimizer)
    for index, variable in enumerate(variables):
        expected, average = twin(
            values[index],
            [mean[index] for mean in means],
            factors[index],
            starts[index],
            names[index] != "bias",
        )
        np.testing.assert_allclose(np.asarray(variable), expected, rtol=2e-5, atol=2e-6)
        np.testing.assert_allclose(np.asarray(averages[index]), average, rtol=2e-5, atol=2e-6)


def test_without_a_gradient_the_pull_is_all_of_it():
    """The gradient of alpha / 2 * ||w - w0||^2 is alpha * (w - w0), to the bit."""
    value = np.array([[1.0, -2.0]], np.float32)
    start = np.array([[0.5, 1.0]], np.float32)
    variable = keras.Variable(value, name="kernel")
    optimizer = adamw.PhaseAdamW(0.0, factors=(1.0,), starts=(start,), pull=0.25)
    optimizer.build([variable])
    optimizer.apply([keras.ops.zeros((1, 2))], [variable])
    [momentum] = [v for v in optimizer.variables if v.name.endswith("momentum")]
    gradient = np.float32(0.25) * (value - start)
    np.testing.assert_allclose(np.asarray(momentum), gradient * (1 - 0.9), rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(variable), value)


@pytest.fixture(scope="module")
def staged():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    for number in (1, 2):
        x = keras.layers.Conv2D(4, 1, name=f"block_{number}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"block_{number}_bn")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(5, activation="relu", name="hidden")(x)
    network = keras.Model(inputs, keras.layers.Dense(2, name="out")(x))
    return network, find_stages(network, r"(block_\d)")


def test_depths_count_the_stages_before_the_head(staged):
    network, stages = staged
    found = depths(network, stages)
    by_layer = {
        layer.name: {found[id(variable)] for variable in layer.variables}
        for layer in network.layers
        if layer.variables
    }
    assert by_layer == {
        "stem": {3},
        "block_1_conv": {2},
        "block_1_bn": {2},
        "block_2_conv": {1},
        "block_2_bn": {1},
        "hidden": {0},
        "out": {0},
    }
    factors = rate_factors([network.get_layer(n).kernel for n in ("stem", "out")], found, 0.5)
    assert factors == [0.125, 1.0]


def test_what_has_a_starting_point(staged):
    """Kernels of the backbone; neither biases, normalisation nor the head."""
    network, stages = staged
    variables = network.trainable_variables
    starts = starting_points(variables, depths(network, stages), read_origin(variables))
    held = [v.path for v, start in zip(variables, starts, strict=True) if start is not None]
    assert held == ["stem/kernel", "block_1_conv/kernel", "block_2_conv/kernel"]
    assert head_cut(network).position


def test_a_plain_phase_has_keras_own_optimizer(staged):
    network, _ = staged
    phase = kerastl.Phase(weight_decay=0)
    optimizer = make_optimizer(phase, 0.1, network.trainable_variables, depth={}, origin={})
    assert not isinstance(optimizer, adamw.PhaseAdamW)
    assert optimizer.weight_decay == 0


@pytest.mark.parametrize("cache", ["auto", False])
def test_the_updates_of_stages_follow_the_factors(small_recipe, colours, cache):
    """Adam's first step is the rate itself wherever there is a gradient."""
    phase = kerastl.Phase(
        "conv_11", 1, 1e-2, layer_decay=0.5, schedule="constant", warmup=0, weight_decay=0.0
    )
    recipe = small_recipe(plan=(phase,), batch_size=48, cache=cache, head=kerastl.Head(dropout=0))
    keras.utils.set_random_seed(0)
    before, _ = recipe.assemble(Classes(CLASSES), seed=0)
    after = recipe.fit(colours, False, **QUIET).network
    moved = {
        name: np.max(np.abs(after.get_layer(name).kernel - before.get_layer(name).kernel))
        for name in ("probabilities", "conv_pw_13", "conv_pw_12", "conv_pw_11", "conv_pw_10")
    }
    expected = {
        "probabilities": 1e-2,
        "conv_pw_13": 5e-3,
        "conv_pw_12": 2.5e-3,
        "conv_pw_11": 1.25e-3,
        "conv_pw_10": 0.0,
    }
    assert moved == pytest.approx(expected, rel=1e-3)


def distance(one, other, name):
    return float(
        np.linalg.norm(np.asarray(one.get_layer(name).kernel - other.get_layer(name).kernel))
    )


def test_a_later_phase_is_pulled_to_the_pretrained_weights(small_recipe, colours):
    first = kerastl.Phase("conv_13", 2, 1e-2)
    plans = [(first,), (first, kerastl.Phase("conv_13", 6, 5e-3, l2_sp=1e4))]
    keras.utils.set_random_seed(0)
    start, _ = small_recipe().assemble(Classes(CLASSES), seed=0)
    away, back = (small_recipe(plan=p).fit(colours, False, **QUIET).network for p in plans)
    assert distance(back, start, "conv_pw_13") < 0.2 * distance(away, start, "conv_pw_13")
    assert distance(back, away, "probabilities") > 0


def test_random_weights_are_no_starting_point(small_recipe, colours):
    plan = kerastl.full(1, batch_norm=True, l2_sp=0.1)
    recipe = small_recipe(backbone="mobilenet_0.25@none", plan=plan)
    with pytest.raises(kerastl.ConfigurationError, match="l2_sp pulls towards pretrained"):
        recipe.fit(colours, **QUIET)
