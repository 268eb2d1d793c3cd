import json

import keras
import numpy as np
import pytest

import kerastl
from kerastl.data import DataWarning
from kerastl.errors import ConfigurationError, RunError
from kerastl.training import SilentReporter

QUIET = {"reporter": SilentReporter()}
PLAN = (kerastl.Phase("head", 12, 3e-2), kerastl.Phase("all", 6, 3e-3))


@pytest.fixture(scope="module")
def recipe(tiny_text):
    def make(**settings):
        return kerastl.TextClassification(
            **{
                "backbone": str(tiny_text),
                "max_length": 48,
                "batch_size": 8,
                "plan": PLAN,
                **settings,
            }
        )

    return make


@pytest.fixture(scope="module")
def trained(recipe, reviews, tmp_path_factory):
    run = tmp_path_factory.mktemp("text") / "run"
    return recipe().fit(reviews, seed=1, out=run, **QUIET), run


def test_it_learns(trained):
    model, _ = trained
    assert model.class_names == ("negative", "positive")
    assert model.metrics["accuracy"] >= 0.9
    assert [phase["boundary"] for phase in model.history] == ["head_pooling", "token_ids"]
    assert model.predict("a very good great fine film").labels == ("positive",)
    found = model.predict(["the awful dull plot", "nice great good book", ""])
    assert found.labels[:2] == ("negative", "positive")
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    assert model.evaluate((["bad bad bad", "good good"], ["negative", "positive"]))["accuracy"] == 1


def test_a_text_gets_the_same_answer_alone_and_in_a_batch(trained, reviews):
    model, _ = trained
    alone = np.concatenate([model.predict(text).probabilities for text in reviews[0][:9]])
    together = model.predict(reviews[0]).probabilities[:9]
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_a_run_is_read_back(trained, reviews):
    model, run = trained
    again = kerastl.load(run)
    np.testing.assert_array_equal(
        again.predict(reviews[0]).probabilities, model.predict(reviews[0]).probabilities
    )
    assert again.samples.sources == model.samples.sources
    assert set(again.samples.calibration) <= set(reviews[0])
    assert again.task.input.tokenizer.sha256 == model.task.input.tokenizer.sha256
    config = kerastl.TextClassification.from_config
    assert config(again.recipe) == config(model.recipe)
    plain = keras.saving.load_model(run / "model.keras", compile=False)
    assert plain.input_shape == (None, None)


def test_a_changed_tokenizer_is_noticed(trained, tmp_path):
    import shutil

    run = shutil.copytree(trained[1], tmp_path / "run")
    content = json.loads((run / "tokenizer.json").read_text())
    words = content["model"]["vocab"]
    words["good"], words["bad"] = words["bad"], words["good"]
    (run / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(RunError, match=r"tokenizer.json was changed"):
        kerastl.load(run)


class Stop(keras.callbacks.Callback):
    def __init__(self, at):
        super().__init__()
        self.left = at

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def test_an_interrupted_run_ends_with_the_same_weights(recipe, reviews, trained, tmp_path):
    """Within the head phase, and again within fine-tuning."""
    run = {"seed": 1, "out": tmp_path / "run", **QUIET}
    with pytest.raises(KeyboardInterrupt):
        recipe().fit(reviews, callbacks=[Stop(7)], **run)
    with pytest.raises(KeyboardInterrupt):
        recipe().fit(reviews, callbacks=[Stop(140 - 8)], resume=True, **run)
    model = recipe().fit(reviews, resume=True, **run)
    for one, other in zip(
        trained[0].network.get_weights(), model.network.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_caching_changes_nothing(recipe, reviews):
    """Fine-tuning from the last layer: hidden states with their mask against token ids."""
    last = {"plan": (kerastl.Phase(-1, 2, 3e-3),), "head": kerastl.TextHead(dropout=0.0)}
    cached = recipe(**last, cache=True).fit(reviews, seed=1, **QUIET)
    plain = recipe(**last, cache=False).fit(reviews, seed=1, **QUIET)
    assert len(cached.history[0]["history"]["loss"]) == 2
    for one, other in zip(cached.network.get_weights(), plain.network.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("pooling", ["class_token", "max", "attention"])
def test_other_poolings(recipe, reviews, pooling):
    plan = (kerastl.Phase("head", 2, 3e-2), kerastl.Phase(-1, 1, 1e-3))
    head = kerastl.TextHead(pooling=pooling, hidden=8)
    model = recipe(plan=plan, head=head).fit(reviews, **QUIET)
    trains = model.history[0]["trainable_parameters"]
    assert trains == 16 * 8 + 8 + 8 * 2 + 2 + (17 if pooling == "attention" else 0)
    short = model.predict("good").probabilities
    np.testing.assert_allclose(
        model.predict(["good", "bad " * 40]).probabilities[:1], short, atol=1e-5
    )


def test_several_labels(recipe, reviews):
    texts, _ = reviews
    labels = [
        [name for name, words in {"fond": ("good", "great"), "cross": ("bad", "dull")}.items()
         if any(word in text.split() for word in words)]
        for text in texts
    ]  # fmt: skip
    model = recipe(kind="multi_label").fit((texts, labels), seed=1, **QUIET)
    assert model.class_names == ("cross", "fond")
    assert model.metrics["micro_f1"] > 0.8
    assert len(model.task.only.thresholds) == 2
    found = model.predict(["great great good", "bad dull dull bad"])
    assert found.labels == (("fond",), ("cross",))


def test_numbers(recipe, reviews):
    texts, labels = reviews
    values = np.array([2.5 if label == "positive" else -1.5 for label in labels])
    model = recipe(kind="regression").fit((texts, values), seed=1, **QUIET)
    assert model.class_names == ()
    assert model.metrics["r2"] > 0.5
    assert "r2" in model.history[0]
    found = model.predict(["great good fine nice", "bad dull awful poor"])
    assert found.labels == tuple(found.probabilities[:, 0])
    assert found.probabilities[0, 0] > found.probabilities[1, 0]


def test_plans_go_with_numbers_or_are_refused_before_the_data_are_read(recipe):
    default = recipe(kind="regression", plan=None).resolved_plan
    assert [phase.label_smoothing for phase in default] == [0.0, 0.0]
    assert recipe(plan=None).resolved_plan[1].label_smoothing == 0.05
    plan = kerastl.head_only(1, label_smoothing=0.1)
    with pytest.raises(ConfigurationError, match="a regression has none"):
        recipe(kind="regression", plan=plan).fit("no/such/data", **QUIET)
    with pytest.raises(ConfigurationError, match="has a recipe of its own"):
        recipe(kind="embedding").fit("no/such/data", **QUIET)


def test_lora_and_decayed_rates(recipe, reviews):
    plan = (
        kerastl.Phase("head", 1, 1e-2),
        kerastl.Phase("all", 2, 1e-3, layer_decay=0.8),
        kerastl.Phase(-1, 1, 1e-2, lora=2),
    )
    model = recipe(plan=plan).fit(reviews, seed=1, **QUIET)
    counts = [phase["trainable_parameters"] for phase in model.history]
    assert counts[0] < counts[2] < counts[1]


def test_long_texts_are_counted(recipe, reviews):
    with pytest.warns(DataWarning, match=r"of \d+ texts are longer than max_length=16 tokens"):
        model = recipe(max_length=16, plan=kerastl.head_only(1)).fit(reviews, **QUIET)
    long = model.predict("good " * 14).probabilities
    np.testing.assert_allclose(
        model.predict("good " * 14 + "bad " * 50).probabilities, long, atol=1e-5
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"head": kerastl.Head()}, "give a kerastl.TextHead"),
        ({"head": kerastl.TextHead(pooling="mode")}, "pooling='mode'; allowed are"),
        ({"kind": "many"}, "kind='many'; allowed are"),
        ({"max_length": 4}, "give at least 8 tokens"),
        ({"max_length": 100}, "takes up to 48 tokens"),
        ({"kind": "multi_label", "class_weight": "balanced"}, "class_weight is for"),
        ({"backbone": "mobilenet_v2"}, "mobilenet_v2"),
        (
            {"backbone": "minilm_l6", "weights": None, "plan": kerastl.full(1, batch_norm=True)},
            "has no tokenizer",
        ),
    ],
)
def test_settings_that_cannot_be(recipe, settings, message):
    with pytest.raises(ConfigurationError, match=message):
        recipe(**settings).fit((["a", "b"], ["x", "y"]), **QUIET)


def test_random_weights_warn(recipe, reviews, tiny_text):
    random = {"backbone": "bert_tiny_en_uncased", "weights": None, "tokenizer": str(tiny_text)}
    with pytest.warns(UserWarning, match="The backbone has random weights"):
        recipe(**random, plan=kerastl.head_only(1)).fit(reviews, **QUIET)


def test_no_texts_for_predictions(trained):
    with pytest.raises(ConfigurationError, match="Texts cannot be read from int"):
        trained[0].predict(3)
    with pytest.raises(kerastl.TextError):
        trained[0].predict(["fine", "bad \ud800"])
    assert len(trained[0].predict([])) == 0


def test_an_encoder_without_a_mask_sees_one_length_alone(recipe, reviews, tiny_text, tmp_path):
    import keras_hub

    keras.utils.set_random_seed(0)
    backbone = keras_hub.models.FNetBackbone(
        vocabulary_size=80, num_layers=2, hidden_dim=16, intermediate_dim=32, max_sequence_length=48
    )
    backbone.save_to_preset(tmp_path / "f_net")
    tokenizer = keras_hub.models.BertTokenizer.from_preset(str(tiny_text))
    tokenizer.save_to_preset(tmp_path / "f_net")
    settings = {
        "backbone": str(tmp_path / "f_net"),
        "plan": (kerastl.Phase(-1, 2, 3e-3),),
        "head": kerastl.TextHead(dropout=0.0),
    }
    model = recipe(**settings, cache=True).fit(reviews, seed=1, out=tmp_path / "run", **QUIET)
    together = model.predict(reviews[0]).probabilities[:9]
    alone = np.concatenate([model.predict(text).probabilities for text in reviews[0][:9]])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    read = kerastl.load(tmp_path / "run").predict(reviews[0]).probabilities[:9]
    np.testing.assert_array_equal(read, together)
    plain = recipe(**settings, cache=False).fit(reviews, seed=1, **QUIET)
    for one, other in zip(model.network.get_weights(), plain.network.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
