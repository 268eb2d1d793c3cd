import json
import warnings

import keras
import numpy as np
import pytest

import kerastl
from kerastl.data import DataWarning
from kerastl.recipes.checks import RandomBackboneWarning
from kerastl.training import SilentReporter

QUIET = {"reporter": SilentReporter()}
PLAN = (kerastl.Phase("all", 12, 3e-3, loss="contrastive"),)


@pytest.fixture(scope="module")
def recipe(tiny_text):
    def make(**settings):
        return kerastl.TextEmbedding(
            **{
                "backbone": str(tiny_text),
                "max_length": 48,
                "batch_size": 16,
                "pooling": "mean",
                "plan": PLAN,
                **settings,
            }
        )

    return make


@pytest.fixture(scope="module")
def trained(recipe, reviews, tmp_path_factory):
    run = tmp_path_factory.mktemp("embedding") / "run"
    return recipe().fit(reviews, seed=1, out=run, **QUIET), run


def test_pretrained_is_the_encoder_as_it_is(recipe, reviews, tmp_path):
    texts = reviews[0]
    model = recipe(pooling=None).pretrained(texts)
    assert isinstance(model, kerastl.EmbeddingModel)
    assert model.samples.sources == texts
    assert model.provenance["weights_sha256"]
    assert (model.metrics, model.history) == ({}, [])
    base = recipe().build_base()
    tokenizer = base.input.tokenizer
    ids, mask = tokenizer.pad(tokenizer.encode(texts, 48).ids)
    hidden = np.asarray(base.model(ids, training=False))
    # Its own classifier takes the class token.
    expected = hidden[:, 0] / np.linalg.norm(hidden[:, 0], axis=1, keepdims=True)
    np.testing.assert_allclose(model.embed(texts), expected, atol=1e-5)
    mean = recipe().pretrained()
    weights = np.asarray(mask)[..., None]
    expected = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(mean.embed(texts), expected, atol=1e-5)
    assert mean.samples is None
    mean.save(tmp_path / "run")
    np.testing.assert_array_equal(kerastl.load(tmp_path / "run").embed(texts), mean.embed(texts))


def test_many_texts_are_thinned_out(recipe):
    kept = recipe().pretrained([f"film {i}" for i in range(1000)]).samples.sources
    assert len(kept) == 256
    assert (kept[0], kept[-1]) == ("film 0", "film 999")
    assert recipe().pretrained("the film").samples.sources == ["the film"]


def test_training_draws_classes_together(trained, recipe, reviews):
    model, run = trained
    before = recipe().pretrained().evaluate(reviews)
    with pytest.warns(UserWarning, match="texts were trained on"):
        after = model.evaluate(reviews)
    assert before["precision_at_1"] < 0.9
    assert before["pair_auc"] < 0.6
    assert after["precision_at_1"] > 0.95
    assert after["pair_auc"] > 0.9
    # Of the fifth that was held back.
    assert model.metrics["precision_at_1"] > 0.9
    assert (model.metrics["pair_auc"] > 0.9, model.metrics["examples"]) == (True, 20)
    assert model.class_names == ()
    assert model.provenance["classes"] == ["negative", "positive"]
    [phase] = model.history
    assert phase["precision_at_1"] == max(phase["history"]["val_precision_at_1"])
    assert phase["history"]["loss"][-1] < phase["history"]["loss"][0]
    assert json.loads((run / "class_names.json").read_text()) == []


def test_a_run_is_read_back(trained, reviews):
    model, run = trained
    again = kerastl.load(run)
    np.testing.assert_array_equal(again.embed(reviews[0]), model.embed(reviews[0]))
    assert again.samples.sources == model.samples.sources
    config = kerastl.TextEmbedding.from_config
    assert config(again.recipe) == config(model.recipe)
    plain = keras.saving.load_model(run / "model.keras")
    assert not plain.compiled


class Stop(keras.callbacks.Callback):
    def __init__(self, at):
        super().__init__()
        self.left = at

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def test_an_interrupted_run_ends_with_the_same_weights(recipe, reviews, trained, tmp_path):
    run = {"seed": 1, "out": tmp_path / "run", **QUIET}
    with pytest.raises(KeyboardInterrupt):
        recipe().fit(reviews, callbacks=[Stop(7)], **run)
    with pytest.raises(KeyboardInterrupt):
        recipe().fit(reviews, callbacks=[Stop(40 - 8)], resume=True, **run)
    model = recipe().fit(reviews, resume=True, **run)
    for one, other in zip(
        trained[0].network.get_weights(), model.network.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert model.history[0]["best_epoch"] == trained[0].history[0]["best_epoch"]


class Ruin(keras.callbacks.Callback):
    """Makes all vectors alike after each step."""

    def on_train_batch_end(self, batch, logs=None):
        for variable in self.model.trainable_variables:
            if variable.name in ("gamma", "beta"):
                variable.assign(keras.ops.full(variable.shape, float(variable.name == "beta")))


def test_the_encoder_before_training_is_a_candidate(recipe, reviews):
    """Training that does nothing but harm leaves the weights of the beginning."""
    plan = (kerastl.Phase("all", 2, 1e-3, loss="contrastive"),)
    model = recipe(plan=plan).fit(reviews, seed=1, callbacks=[Ruin()], **QUIET)
    assert model.history[0]["best_epoch"] == 0
    assert model.history[0]["history"]["val_precision_at_1"] == [0.0, 0.0]
    plain = recipe().pretrained()
    np.testing.assert_allclose(model.embed(reviews[0]), plain.embed(reviews[0]), atol=1e-5)


def test_the_default_plan_leaves_the_token_embeddings(recipe, reviews):
    model = recipe(plan=None, dimensions=4).fit(reviews, seed=1, **QUIET)
    [phase] = model.history
    assert (phase["train_from"], phase["epochs"]) == ("recommended", 5)
    assert model.embed("good").shape == (1, 4)
    # All layers and the projection.
    plan = (kerastl.Phase("all", 1, 3e-3, loss="contrastive"),)
    whole = recipe(dimensions=4, plan=plan).fit(reviews, seed=1, **QUIET).history[0]
    assert 16 * 4 < phase["trainable_parameters"] < whole["trainable_parameters"]


def test_the_projection_alone_can_train(recipe, reviews):
    plan = (
        kerastl.Phase("head", 3, 1e-2, loss="contrastive"),
        kerastl.Phase(-1, 1, 1e-3, loss="contrastive", lora=2),
    )
    model = recipe(plan=plan, dimensions=8).fit(reviews, seed=1, **QUIET)
    assert model.history[0]["trainable_parameters"] == 16 * 8
    assert model.history[1]["precision_at_1"] >= model.history[0]["precision_at_1"]


def test_caching_changes_nothing(recipe, reviews):
    last = {"plan": (kerastl.Phase(-1, 2, 3e-3, loss="contrastive"),)}
    cached = recipe(**last, cache=True).fit(reviews, seed=1, **QUIET)
    plain = recipe(**last, cache=False).fit(reviews, seed=1, **QUIET)
    for one, other in zip(cached.network.get_weights(), plain.network.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"precision": "mixed_bfloat16"}, {"pooling": "attention"}, {"pooling": "max"}]
)
def test_ways_of_training(recipe, reviews, settings):
    plan = (kerastl.Phase(-1, 2, 1e-3, loss="contrastive", ema=0.9, layer_decay=0.8),)
    model = recipe(plan=plan, **settings).fit(reviews, validation=False, **QUIET)
    vectors = model.embed(reviews[0])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert model.history[0]["precision_at_1"] is None


def test_a_learning_rate_is_found(recipe, reviews):
    found = recipe().find_learning_rate(reviews, **QUIET)
    assert len(found.rates) == len(found.losses) > 20
    with pytest.raises(kerastl.ConfigurationError, match="nothing to train after the backbone"):
        recipe().find_learning_rate(
            reviews, phase=kerastl.Phase("head", loss="contrastive"), **QUIET
        )


def test_settings_travel_as_json(recipe):
    made = recipe(pooling="mean", dimensions=8)
    config = json.loads(json.dumps(made.get_config()))
    assert config["recipe"] == "text_embedding"
    assert kerastl.TextEmbedding.from_config(config) == made
    with pytest.raises(kerastl.ConfigurationError, match="of the recipe 'text_embedding'"):
        kerastl.TextClassification.from_config(config)


def test_lonely_texts_are_warned_of(recipe, reviews):
    texts, _ = reviews
    labels = [f"class {i % 24}" for i in range(len(texts))]
    with pytest.warns(DataWarning, match=r"of its class on average.*Give batch_size=2[45]"):
        recipe(plan=(kerastl.Phase("all", 1, 3e-3, loss="contrastive"),)).fit(
            (texts, labels), **QUIET
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pooling": "mode"}, "pooling='mode'; allowed are"),
        ({"dimensions": 1}, "dimensions=1; give at least 2"),
        ({"dimensions": 8.0}, "dimensions=8.0; give at least 2"),
        ({"class_weight": "balanced"}, "weighs an example's own class and the others alike"),
        ({"plan": kerastl.head_only(1)}, "give the phase loss='contrastive'"),
        ({"plan": (kerastl.Phase(-1, 1, loss="focal"),)}, "loss='focal' is of classes"),
        ({"plan": (kerastl.Phase("head", 1, loss="contrastive"),)}, "nothing to train after"),
        (
            {"plan": (kerastl.Phase(-1, 1, loss="contrastive", label_smoothing=0.1),)},
            "a contrastive loss with interpolate, mixup or label_smoothing",
        ),
        ({"max_length": 4}, "give at least 8 tokens"),
        ({"max_length": 100}, "takes up to 48 tokens"),
        ({"backbone": "mobilenet_v2"}, "mobilenet_v2"),
    ],
)
def test_settings_that_cannot_be(recipe, settings, message):
    with pytest.raises(kerastl.ConfigurationError, match=message):
        recipe(**settings).fit((["a", "b"], ["x", "y"]), **QUIET)
    with pytest.raises(kerastl.ConfigurationError, match=message):
        recipe(**settings).pretrained()


@pytest.mark.parametrize("settings", [{"dimensions": 8}, {"pooling": "attention"}])
def test_untrained_weights_are_refused(recipe, settings):
    with pytest.raises(kerastl.ConfigurationError, match="Train it with fit, or leave it out"):
        recipe(**settings).pretrained()


def test_random_weights_warn(recipe, tiny_text):
    random = {"backbone": "bert_tiny_en_uncased", "weights": None, "tokenizer": str(tiny_text)}
    with pytest.warns(RandomBackboneWarning, match="its vectors mean nothing"):
        model = recipe(**random).pretrained()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.embed("good").shape == (1, model.dimensions)


def test_no_texts_for_samples(recipe):
    with pytest.raises(kerastl.TextError):
        recipe().pretrained(["fine", "bad \ud800"])
    with pytest.raises(kerastl.ConfigurationError, match="Texts cannot be read from int"):
        recipe().pretrained(3)
