import dataclasses
import json

import keras
import numpy as np
import pytest

import kerastl
from kerastl.errors import ConfigurationError, WeightsError

SETTINGS = [
    {},
    {"backbone": "resnet50@none"},
    {"weights": None, "image_size": (96, 128)},
    {"weights": "a/b.weights.h5", "plan": kerastl.gradual(2), "augment": None},
    {"plan": kerastl.head_only(3, patience=2), "head": kerastl.Head("max", 16, 0.1)},
    {"augment": kerastl.Augment(views=3, flip=False), "cache": False, "batch_size": 7},
    {"class_weight": "balanced"},
    {"class_weight": {"a": 1.0, "b": 2.5}},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_recipe_survives_json(settings):
    recipe = kerastl.ImageClassification(**settings)
    config = json.loads(json.dumps(recipe.get_config()))
    assert config["recipe"] == "image_classification"
    again = kerastl.ImageClassification.from_config(config)
    assert again == recipe
    assert again.get_config() == recipe.get_config()


def test_a_path_becomes_text(tmp_path):
    config = kerastl.ImageClassification(weights=tmp_path / "a.weights.h5").get_config()
    assert config["weights"] == str(tmp_path / "a.weights.h5")


def test_a_recipe_is_frozen_and_inert():
    recipe = kerastl.ImageClassification(
        backbone="no such backbone", weights="no/such/file.h5", image_size=-1, plan="x"
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.backbone = "mobilenet"
    with pytest.raises(TypeError):
        kerastl.ImageClassification("mobilenet")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"recipe": "text_classification"}, "of the recipe 'text_classification'"),
        ({"recipe": "image_classification", "backbon": "mobilenet"}, "backbon"),
        ({"head": {"poling": "avg"}}, "poling"),
        ({"plan": [{"epoch": 3}]}, "epoch"),
        ({"augment": {}}, "cannot be read"),
    ],
)
def test_settings_that_this_version_does_not_know(config, message):
    with pytest.raises(ConfigurationError, match=message):
        kerastl.ImageClassification.from_config(config)


@pytest.mark.parametrize(
    "settings", [{"weights": None}, {"weights": "none"}, {"backbone": "mobilenet@none"}]
)
def test_freezing_random_weights_is_warned_about(settings):
    recipe = kerastl.ImageClassification(**settings, image_size=32)
    assert recipe.resolved_plan == kerastl.two_phase()
    with (
        pytest.warns(UserWarning, match="--plan full"),
        pytest.raises(kerastl.DataError, match="no file or folder"),
    ):
        recipe.fit("no/such/data")


def test_pretrained_weights_are_trained_in_two_phases():
    assert kerastl.ImageClassification().resolved_plan == kerastl.two_phase()
    assert kerastl.ImageClassification(backbone="vgg16", weights="a.h5").size == (224, 224)


@pytest.fixture(scope="module")
def network(small_recipe):
    return small_recipe().build(["a", "b", "c"], seed=1)


class TestBuild:
    def test_compiled_and_its_base_frozen(self, network):
        assert network.compiled
        assert [v.path for v in network.trainable_variables] == [
            "probabilities/kernel",
            "probabilities/bias",
        ]
        assert network.output_shape == (None, 3)

    def test_bytes_and_floats_get_the_same_answer_without_warnings(self, network):
        images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
        answers = [np.asarray(network(x)) for x in (images, images.astype("float32"))]
        np.testing.assert_array_equal(*answers)
        np.testing.assert_allclose(network.predict(images, verbose=0), answers[0], atol=1e-6)

    def test_the_seed_decides_the_head(self, network, small_recipe):
        again = small_recipe().build(["a", "b", "c"], seed=1)
        for one, two in zip(network.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)

    def test_keras_style(self, small_recipe, colours):
        network = small_recipe(image_size=40).build(["blue", "green", "red"])
        still = network.get_layer("conv1").get_weights()[0]
        network.fit(*colours, epochs=2, verbose=0)
        kerastl.unfreeze(network, from_stage=-2)
        network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        network.fit(*colours, epochs=1, verbose=0)
        np.testing.assert_array_equal(still, network.get_layer("conv1").get_weights()[0])

    @pytest.mark.parametrize("names", [[], ["a"]])
    def test_too_few_classes(self, small_recipe, names):
        with pytest.raises(ConfigurationError, match="needs at least 2"):
            small_recipe().build(names)


# Each must be found before the data are read: there are none.
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "mobilnet_0.25"}, "Did you mean 'mobilenet_0.25'"),
        ({"backbone": None}, "backbone=None"),
        ({"weights": "missing.h5"}, "no weights file"),
        ({"weights": 5}, "weights=5"),
        ({"image_size": 0}, "image_size=0"),
        ({"image_size": -3}, "image_size=-3"),
        ({"image_size": 224.0}, r"image_size=224\.0"),
        ({"image_size": "big"}, "image_size='big'"),
        ({"image_size": (32, 32, 3)}, "image_size="),
        ({"image_size": (32, 31)}, "needs at least 32 x 32"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 2.0}, r"batch_size=2\.0"),
        ({"cache": 3}, "cache=3"),
        ({"cache_dtype": "int8"}, "cache_dtype='int8'"),
        ({"memory_limit": 0}, "memory_limit=0"),
        ({"head": None}, r"give a kerastl\.Head"),
        ({"head": kerastl.Head(dropout=2)}, "dropout=2"),
        ({"augment": True}, r"give a kerastl\.Augment"),
        ({"augment": kerastl.Augment(views=0)}, "views"),
        ({"class_weight": "balancd"}, "class_weight='balancd'"),
        ({"plan": ()}, "not a tuple of Phase"),
        ({"plan": kerastl.Phase()}, "not a tuple of Phase"),
        ({"plan": [kerastl.Phase()]}, "not a tuple of Phase"),
        ({"plan": kerastl.head_only(0)}, "epochs=0"),
        ({"plan": kerastl.head_only(learning_rate="fast")}, "learning_rate='fast'"),
        ({"plan": kerastl.head_only(learning_rate=float("inf"))}, "learning_rate=inf"),
        ({"plan": (kerastl.Phase(train_from=None),)}, "train_from=None"),
        ({"plan": (kerastl.Phase(train_from="conv_99"),)}, "no stage or layer 'conv_99'"),
        ({"plan": kerastl.two_phase(train_from="conv12")}, "Did you mean 'conv_12'"),
        ({"plan": kerastl.two_phase(train_from=-99)}, "counts stages from the end"),
        ({"plan": kerastl.two_phase(train_from=3)}, "counts stages from the end"),
    ],
)
def test_what_cannot_be_is_found_before_the_data_are_read(
    small_recipe, tmp_path, settings, message
):
    with pytest.raises(ConfigurationError, match=message):
        small_recipe(**settings).fit("no/such/data", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed=-1"),
        ({"seed": 2**40}, "seed="),
        ({"seed": 1.5}, "seed="),
        ({"resume": True}, "give out="),
        ({"overwrite": True}, "give out="),
        ({"tensorboard": True}, "needs out="),
    ],
)
def test_options_that_cannot_be(small_recipe, options, message):
    with pytest.raises(ConfigurationError, match=message):
        small_recipe().fit("no/such/data", **options)


def test_weights_that_do_not_fit_are_found_before_the_data_are_read(small_recipe):
    with pytest.raises(WeightsError, match="do not fit the backbone 'mobilenet_0.5'"):
        small_recipe(backbone="mobilenet_0.5").fit("no/such/data")


def test_every_stage_that_a_record_recommends_is_accepted():
    keras.utils.set_random_seed(0)
    recipe = kerastl.ImageClassification(
        backbone="nasnet_mobile@none", image_size=32, plan=kerastl.two_phase()
    )
    with (
        pytest.warns(UserWarning, match="random weights"),
        pytest.raises(kerastl.DataError, match="no file or folder"),
    ):
        recipe.fit("no/such/data")
