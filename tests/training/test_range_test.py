import keras
import numpy as np
import pytest

import kerastl
from kerastl.errors import ConfigurationError
from kerastl.inputs.examples import ArrayExamples
from kerastl.outputs import Classes
from kerastl.recipes.jobs import make_job
from kerastl.training import SilentReporter, learning_rate_test
from kerastl.training.range_test import _suggest
from tests.conftest import CLASSES, coloured_images

QUIET = {"class_names": CLASSES, "reporter": SilentReporter()}
OUTPUT = Classes(CLASSES)


def small_network():
    """The last blocks of a narrow MobileNet, by their names, and a head with dropout."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((32, 32, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    for number in (11, 12, 13):
        x = keras.layers.DepthwiseConv2D(3, 2, use_bias=False, name=f"conv_dw_{number}")(x)
        x = keras.layers.BatchNormalization(name=f"conv_dw_{number}_bn")(x)
        x = keras.layers.ReLU(6.0, name=f"conv_dw_{number}_relu")(x)
        x = keras.layers.Conv2D(8, 1, use_bias=False, name=f"conv_pw_{number}")(x)
        x = keras.layers.BatchNormalization(name=f"conv_pw_{number}_bn")(x)
        x = keras.layers.ReLU(6.0, name=f"conv_pw_{number}_relu")(x)
    return keras.Model(inputs, kerastl.Head(dropout=0.3).attach(x, OUTPUT, seed=0))


def state(network):
    return [
        [np.array(v) for v in network.variables],
        [np.array(v) for v in network.optimizer.variables],
        [(layer.name, layer.trainable, {k: layer.__dict__.get(k) for k in ("rate", "momentum")})
         for layer in network._flatten_layers()],
        [(v.path, v.trainable) for v in network.variables],
        network.compiled,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "phase",
    [
        kerastl.Phase("head"),
        kerastl.Phase("all", batch_norm=True, mixup=0.2, l2_sp=0.01),
        kerastl.Phase("conv_12", lora=2, layer_decay=0.5, ema=0.9),
    ],
    ids=["head", "all", "lora"],
)
def test_everything_is_left_as_it_was(small_recipe, tmp_path, phase):
    images, labels = coloured_images(24, size=32)
    recipe = small_recipe()
    network = small_network()
    network.compile("adam", "sparse_categorical_crossentropy")
    network.train_on_batch(images[:8].astype(np.float32), labels[:8])
    train = ArrayExamples(images, {"kind": labels})
    job = make_job(
        recipe, network, {"kind": OUTPUT}, train, None, seed=0, scratch=tmp_path,
        reporter=SilentReporter(),
    )  # fmt: skip
    before = state(network)
    found = learning_rate_test(job, phase)
    after = state(network)
    for kind in (0, 1):
        for one, other in zip(before[kind], after[kind], strict=True):
            np.testing.assert_array_equal(one, other)
    assert before[2:] == after[2:]
    assert 20 < len(found.rates) == len(found.losses) <= 100
    assert all(np.isfinite(found.losses))
    # What was compiled goes on to train.
    network.train_on_batch(images[:8].astype(np.float32), labels[:8])


def test_rates_rise_and_the_suggestion_trains(small_recipe, colours):
    recipe = small_recipe(plan=kerastl.head_only(3))
    found = recipe.find_learning_rate(colours, class_names=CLASSES, reporter=SilentReporter())
    ratios = np.array(found.rates[1:]) / np.array(found.rates[:-1])
    np.testing.assert_allclose(ratios, 10 ** (6 / 99), rtol=1e-5)
    assert found.rates[0] == pytest.approx(1e-6)
    assert 1e-4 < found.suggestion < 0.5
    losses = [
        small_recipe(plan=kerastl.head_only(3, rate)).fit(colours, **QUIET).history[0]["history"]
        for rate in (found.suggestion, 1e-6)
    ]
    assert losses[0]["loss"][-1] < losses[1]["loss"][-1]
    again = recipe.find_learning_rate(colours, class_names=CLASSES, reporter=SilentReporter())
    assert again == found


def test_the_suggestion_is_where_the_loss_falls_fastest():
    rates = np.logspace(-5, 0, 60)
    falls = 2 - 1 / (1 + np.exp(-4 * (np.log10(rates) + 3)))
    losses = list(np.where(rates > 0.05, 5.0, falls))
    assert _suggest(rates, losses) == pytest.approx(1e-3, rel=0.2)
    assert _suggest(rates, list(np.linspace(1, 2, 60))) is None


def test_rates_that_do_not_rise(small_recipe, colours):
    for lowest, highest in ((1e-2, 1e-3), (0, 1), (1e-3, float("inf"))):
        with pytest.raises(ConfigurationError, match="two rates above 0 that rise"):
            small_recipe().find_learning_rate(colours, lowest=lowest, highest=highest, **QUIET)


def test_the_uncached_cost_is_said(small_recipe, colours):
    notes = []

    class Notes(SilentReporter):
        def note(self, text):
            notes.append(text)

    augment = kerastl.Augment(views=3)
    plan = (kerastl.Phase("head", 5, 1e-2),)
    for given in (augment, None):
        small_recipe(plan=plan, cache=False, augment=given).fit(
            colours, class_names=CLASSES, reporter=Notes()
        )
    told = [note for note in notes if "runs at each step" in note]
    assert len(told) == 1
    assert "about " in told[0]
    assert "s an epoch; 3 cached views would cost" in told[0]


def test_keras_policy_is_left_alone(small_recipe, colours):
    policy = keras.config.dtype_policy()
    recipe = small_recipe(plan=kerastl.head_only(1), precision="mixed_float16")
    found = recipe.find_learning_rate(colours, **QUIET)
    assert len(found.losses) > 20
    assert keras.config.dtype_policy() is policy
