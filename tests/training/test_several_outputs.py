"""A class, several labels and a number on one network, a third of the labels missing."""

import dataclasses

import keras
import numpy as np
import pytest

import kerastl
from kerastl.errors import ConfigurationError
from kerastl.graph import find_stages, open_model
from kerastl.heads import attach_outputs
from kerastl.inputs.examples import ArrayExamples
from kerastl.inputs.token_examples import sort_tokens
from kerastl.outputs import Classes, Labels, Number, Vector
from kerastl.recipes.jobs import make_job
from kerastl.training import (
    DTYPES,
    CheckpointStore,
    Job,
    SilentReporter,
    Storage,
    learning_rate_test,
    run_plan,
)
from kerastl.training.goal import Goal
from kerastl.training.targets import make_targets
from tests.conftest import CLASSES, coloured_images
from tests.training.test_resume import Stop

OUTPUTS = {
    "kind": Classes(("a", "b", "c")),
    "tags": Labels(("x", "y")),
    "size": Number(quantity="mm"),
}
COUNT, BATCH = 48, 8


def examples(seed, complete=False):
    """Small images of which all labels can be told, where there are any."""
    random = np.random.default_rng(seed)
    colours = random.integers(0, 200, (COUNT, 1, 1, 3))
    images = (colours + random.integers(0, 56, (COUNT, 4, 4, 3))).astype(np.uint8)
    means = images.mean(axis=(1, 2)) / 255
    labels = {
        "kind": means.argmax(axis=1),
        "tags": (means[:, :2] > 0.5).astype(np.float32),
        "size": (3 * means[:, 2]).astype(np.float32),
    }
    if not complete:
        for name, output in OUTPUTS.items():
            rows = random.permutation(COUNT)[: COUNT // 3]
            labels[name][rows] = output.missing(len(rows))
    return ArrayExamples(images, labels)


def network(outputs=OUTPUTS):
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 3), name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(8, 3, activation="relu", name="early")(x)
    x = keras.layers.Conv2D(8, 2, activation="relu", name="late")(x)
    x = keras.layers.GlobalAveragePooling2D(name="head_pooling")(x)
    return keras.Model(image, attach_outputs(x, outputs, seed=0))


PLAN = (
    kerastl.Phase("head", 3, 1e-2, label_smoothing=0.1),
    kerastl.Phase("late", 2, 1e-2, mixup=0.2, ema=0.9, layer_decay=0.7, interpolate=True),
)


@pytest.fixture
def job(tmp_path):
    def make(outputs=OUTPUTS, **settings):
        made = network(outputs)
        return Job(
            **{
                "network": made,
                "outputs": outputs,
                "stages": find_stages(made, "(early|late)"),
                "named": {"recommended": "late"},
                "train": examples(1),
                "validation": examples(2),
                "batch_size": BATCH,
                "seed": 3,
                "augment": None,
                "class_weight": None,
                "cache": "auto",
                "storage": Storage(None, 1 << 30, DTYPES["float32"]),
                "scratch": tmp_path,
                "reporter": SilentReporter(),
                **settings,
            }
        )

    return make


def values_of(job):
    return [np.array(v) for v in job.network.get_weights()]


def mean_losses(model, data):
    """Of each output the mean loss over the examples that have a label, in float64."""
    kinds, tags, sizes = (np.asarray(x, np.float64) for x in model(data.arrays.astype("float32")))
    labels, found = data.targets, {}
    rows = np.flatnonzero(labels["kind"] >= 0)
    found["kind"] = np.mean([-np.log(kinds[row, labels["kind"][row]]) for row in rows])
    rows = np.flatnonzero(~np.isnan(labels["tags"]).any(axis=1))
    wanted, given = labels["tags"][rows].astype(float), np.clip(tags[rows], 1e-7, 1 - 1e-7)
    each = -(wanted * np.log(given) + (1 - wanted) * np.log(1 - given))
    found["tags"] = each.mean()
    rows = np.flatnonzero(~np.isnan(labels["size"]))
    found["size"] = np.mean((labels["size"][rows] - sizes[rows, 0]) ** 2)
    return found


def mean_scores(model, data):
    kinds, tags, sizes = (np.asarray(x) for x in model(data.arrays.astype("float32")))
    labels = data.targets
    known = labels["kind"] >= 0
    rows, held = ~np.isnan(labels["tags"]).any(axis=1), ~np.isnan(labels["size"])
    wanted = labels["size"][held]
    rest = np.sum((wanted - sizes[held, 0]) ** 2) / np.sum((wanted - wanted.mean()) ** 2)
    return {
        "kind": np.mean(kinds[known].argmax(axis=1) == labels["kind"][known]),
        "tags": np.mean((tags[rows] > 0.5) == (labels["tags"][rows] > 0)),
        "size": 1 - rest,
    }


@pytest.mark.parametrize("cache", ["auto", False])
def test_losses_and_scores_are_those_of_the_labels_that_are_there(job, cache):
    """A rate of almost 0 leaves the weights, so that what is logged can be computed again."""
    made = job(cache=cache)
    losses = [mean_losses(made.network, data) for data in (made.train, made.validation)]
    scores = mean_scores(made.network, made.validation)
    [record] = run_plan(made, (kerastl.Phase("late", 2, 1e-12, weight_decay=0.0),))
    history = record["history"]
    for name in OUTPUTS:
        assert history[f"{name}_loss"] == pytest.approx([losses[0][name]] * 2, rel=1e-4)
        assert history[f"val_{name}_loss"] == pytest.approx([losses[1][name]] * 2, rel=1e-4)
        metric = f"val_{name}_{OUTPUTS[name].score}"
        assert history[metric] == pytest.approx([scores[name]] * 2, rel=1e-4)
    assert history["loss"] == pytest.approx([sum(losses[0].values())] * 2, rel=1e-4)
    mean = np.mean(np.clip(list(scores.values()), 0, 1))
    assert (record["score"], record["best_epoch"]) == ("mean_score", 1)
    assert record["mean_score"] == pytest.approx(mean, abs=1e-4)
    assert history["val_mean_score"] == pytest.approx([mean] * 2, abs=1e-4)
    assert record["loss"] == pytest.approx(sum(losses[1].values()), rel=1e-4)
    assert record["loss_weights"] == {"kind": 1, "tags": 1, "size": 1}


def test_a_plan_trains_all_outputs_cached_or_not(job):
    ways = [job(cache=cache) for cache in ("auto", False)]
    plan = (kerastl.Phase("head", 40, 3e-2), kerastl.Phase("late", 10, 3e-3))
    records = [run_plan(made, plan) for made in ways]
    for record in records[0]:
        history = record["history"]
        for name in OUTPUTS:
            assert history[f"{name}_loss"][-1] < history[f"{name}_loss"][0]
    first, second = (record["mean_score"] for record in records[0])
    assert second > max(first, 0.4)
    assert not ways[0].network.compiled
    for one, other in zip(*map(values_of, ways), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_fixed_weights_multiply_the_losses(job):
    weights = {"kind": 2.0, "tags": 0.0, "size": 0.5}
    made = job(loss_weights=weights)
    losses = mean_losses(made.network, made.train)
    before = made.network.get_layer("tags").get_weights()
    [record] = run_plan(made, (kerastl.Phase("head", 1, 1e-12, weight_decay=0.0),))
    wanted = {name: weights[name] * losses[name] for name in OUTPUTS}
    for name in OUTPUTS:
        assert record["history"][f"{name}_loss"] == pytest.approx([wanted[name]], rel=1e-4)
    assert record["history"]["loss"] == pytest.approx([sum(wanted.values())], rel=1e-4)
    assert record["loss_weights"] == weights
    run_plan(made, (kerastl.Phase("head", 2, 1e-2, weight_decay=0.0),))
    for one, other in zip(before, made.network.get_layer("tags").get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_are_learned_by_uncertainty(job):
    made = job(loss_weights="uncertainty")
    variables = len(made.network.variables)
    plan = (kerastl.Phase("head", 30, 3e-2), kerastl.Phase("late", 2, 1e-2))
    first, second = run_plan(made, plan)
    weights = first["loss_weights"]
    # At its best a weight is 1 over twice its loss: the largest loss weighs least.
    losses = mean_losses(made.network, made.train)
    assert min(weights, key=weights.get) == max(losses, key=losses.get)
    assert all(abs(weight - 1) > 0.1 for weight in weights.values())
    # The second phase goes on from there, and nothing of it stays in the network.
    for name, weight in second["loss_weights"].items():
        assert 0 < abs(weight - weights[name]) < 0.1
    assert len(made.network.variables) == variables
    assert first["trainable_parameters"] == sum(
        made.network.get_layer(name).count_params() for name in OUTPUTS
    )


def test_a_learned_weight_is_that_of_the_paper(job):
    """One step of gradient descent on s, by hand: ds = -rate * (1 / 2 - exp(-s) L)."""
    made = job(loss_weights="uncertainty")
    goal = Goal(made)
    phase = kerastl.Phase("head")
    model = goal.trained_part(phase, made.network)
    model.compile(keras.optimizers.SGD(0.1), **goal.compile_arguments(phase))
    losses = mean_losses(made.network, made.train)
    targets = goal.training_targets()
    logs = model.train_on_batch(
        made.train.arrays.astype("float32"), *targets.arguments(), return_dict=True
    )
    assert logs["loss"] == pytest.approx(sum(losses.values()), rel=1e-4)
    for name, variable in zip(OUTPUTS, goal.loss_weights.variables, strict=True):
        expected = -0.1 * (0.5 - losses[name])
        assert float(keras.ops.convert_to_numpy(variable)) == pytest.approx(expected, rel=1e-3)
    assert goal.loss_weights.values()["size"] == pytest.approx(
        np.exp(0.1 * (0.5 - losses["size"])), rel=1e-3
    )


@pytest.mark.parametrize(
    ("settings", "stops"),
    [
        ({"loss_weights": "uncertainty", "cache": False}, (4, 16)),
        ({"loss_weights": "uncertainty"}, (20,)),
        ({"loss_weights": {"kind": 1.0, "tags": 0.5, "size": 2.0},
          "class_weight": {"kind": "balanced"}}, (4, 20)),
    ],
    ids=["uncertainty, uncached", "uncertainty", "fixed"],
)  # fmt: skip
def test_an_interrupted_run_ends_with_the_same_weights(job, tmp_path, settings, stops):
    """Phases of 3 and 2 epochs with 6 batches each: within both, or within the second alone."""
    plan = PLAN
    if settings.get("cache") is False:
        plan = (PLAN[0], dataclasses.replace(PLAN[1], lora=2))
    whole = job(**settings)
    records = run_plan(whole, plan)
    store, state, done = CheckpointStore(tmp_path / "run"), None, 0
    for at in stops:
        cut = job(**settings, checkpoints=store, callbacks=[Stop(at - done)])
        with pytest.raises(KeyboardInterrupt):
            run_plan(cut, plan, state)
        state, done = store.read(), at + 1
    if settings["loss_weights"] == "uncertainty":
        assert len(state.loss_variables) == 3
        assert all(value != 0 for value in state.loss_variables)
    again = job(**settings, checkpoints=store)
    resumed = run_plan(again, plan, state)
    for one, other in zip(values_of(whole), values_of(again), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(records, resumed, strict=True):
        # What is logged of an epoch that was interrupted is of its rest alone.
        for name in [name for name in one["history"] if name.startswith("val_")]:
            assert one["history"][name] == other["history"][name]
        assert one["loss_weights"] == other["loss_weights"]
        assert one["interpolation"] == other["interpolation"]


def test_one_output_with_missing_labels(job):
    outputs = {"size": Number()}
    data = [examples(seed) for seed in (1, 2)]
    train, held_out = (ArrayExamples(d.arrays, {"size": d.targets["size"]}) for d in data)
    made = job(outputs, train=train, validation=held_out)
    known = ~np.isnan(train.labels)
    answers = np.asarray(made.network(train.arrays.astype("float32")))[:, 0]
    expected = np.mean((answers - train.labels)[known] ** 2)
    [record] = run_plan(made, (kerastl.Phase("head", 1, 1e-12, weight_decay=0.0),))
    assert record["history"]["loss"] == pytest.approx([expected], rel=1e-4)
    assert record["score"] == "r2"


def test_an_output_that_cannot_be_validated_has_no_part_in_the_score(job):
    held_out = examples(2)
    held_out.targets["kind"][:] = -1
    made = job(validation=held_out)
    scores = mean_scores(made.network, examples(2))
    [record] = run_plan(made, (kerastl.Phase("head", 1, 1e-12),))
    wanted = np.mean(np.clip([scores["tags"], scores["size"]], 0, 1))
    assert record["mean_score"] == pytest.approx(wanted, abs=1e-4)
    for output in OUTPUTS:
        held_out.targets[output][:] = OUTPUTS[output].missing(COUNT)
    [record] = run_plan(job(validation=held_out), (kerastl.Phase("head", 1),))
    assert (record["best_epoch"], record["mean_score"], record["loss"]) == (None, None, None)


def test_without_missing_labels_all_examples_weigh_the_same(job):
    made = job(train=examples(1, complete=True), validation=None)
    assert Goal(made).training_targets().weights is None
    [record] = run_plan(made, (kerastl.Phase("head", 2, 1e-2),))
    assert record["best_epoch"] is None
    assert record["history"]["loss"][1] < record["history"]["loss"][0]
    weighed = job(train=examples(1, complete=True), class_weight={"kind": "balanced"})
    kind, tags, size = Goal(weighed).training_targets().weights
    assert kind.min() < 1 < kind.max()
    assert (tags == 1).all()
    assert (size == 1).all()


def test_missing_labels_weigh_nothing_and_the_others_more():
    labels = {"kind": np.array([0, 2, -1, 2, -1, -1])}
    targets = make_targets({"kind": OUTPUTS["kind"]}, labels)
    np.testing.assert_allclose(targets.weights[0], [2, 2, 0, 2, 0, 0])
    np.testing.assert_array_equal(targets.values[0][labels["kind"] < 0], 0)
    balanced = make_targets({"kind": OUTPUTS["kind"]}, labels, "balanced")
    # Of three labels in three classes: 3 / (3 * count), times 2.
    np.testing.assert_allclose(balanced.weights[0], [2, 1, 0, 1, 0, 0])


def test_a_learning_rate_is_found(job):
    made = job(loss_weights="uncertainty")
    before = values_of(made)
    found = learning_rate_test(made, kerastl.Phase("late", mixup=0.2))
    assert len(found.losses) > 20
    assert min(found.losses) > 0
    for one, other in zip(before, values_of(made), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("settings", "phase", "message"),
    [
        ({"loss_weights": "certainty"}, {}, "loss_weights='certainty'; give a number"),
        ({"loss_weights": {"kind": 1.0}}, {}, "for each of the outputs kind, tags, size"),
        ({"loss_weights": dict.fromkeys(OUTPUTS, 0)}, {}, "one of them above 0"),
        ({"loss_weights": dict.fromkeys(OUTPUTS, -1.0)}, {}, "0 or above"),
        ({"class_weight": "balanced"}, {}, "give each its own, as in {'kind': 'balanced'}"),
        ({"class_weight": {"kinds": "balanced"}}, {}, "outputs are kind, tags, size"),
        ({"class_weight": {"size": "balanced"}}, {}, "class_weight is for kind='single_label'"),
        ({}, {"loss": "contrastive", "train_from": "all"}, "compares the vectors of a network"),
        ({"outputs": {"kind": OUTPUTS["kind"]}}, {}, "has 3 outputs, and 1 are described: kind"),
    ],
)
def test_what_cannot_be(job, settings, phase, message):
    made = dataclasses.replace(job(), **settings)
    with pytest.raises(ConfigurationError, match=message):
        run_plan(made, (kerastl.Phase(**{"train_from": "head", "epochs": 1, **phase}),))


def test_loss_weights_of_one_output_and_vectors_beside_others(job):
    single = {"size": Number()}
    with pytest.raises(ConfigurationError, match="is for several outputs"):
        run_plan(job(single, loss_weights="uncertainty"), (kerastl.Phase("head", 1),))
    mixed = {"size": Number(), "vector": Vector(dimensions=8, classes=("a", "b", "c"))}
    labels = {**examples(1).targets, "vector": examples(1).targets["kind"]}
    train = ArrayExamples(examples(1).arrays, labels)
    with pytest.raises(ConfigurationError, match="give the phase loss='contrastive'"):
        run_plan(job(mixed, train=train, validation=None), (kerastl.Phase("head", 1),))


def test_the_network_of_a_recipe(small_recipe, tmp_path):
    """A real backbone, cut before its head and between its stages."""
    images, labels = coloured_images(24, size=32)
    outputs = {"colour": Classes(CLASSES), "blue": Number()}
    blue = (images[..., 2].mean(axis=(1, 2)) / 255).astype(np.float32)
    blue[::3] = np.nan
    recipe = small_recipe()
    made, _ = recipe.assemble(outputs, seed=0)
    train = ArrayExamples(images, {"colour": labels, "blue": blue})
    job = make_job(
        recipe, open_model(made), outputs, train, train, seed=0, scratch=tmp_path,
        reporter=SilentReporter(),
    )  # fmt: skip
    head, tuned = run_plan(job, recipe.resolved_plan)
    assert head["boundary"] == "head_pooling"
    assert tuned["mean_score"] >= head["mean_score"]
    colours, shades = made.predict(images.astype("float32"), verbose=0)
    assert np.mean(colours.argmax(axis=1) == labels) > 0.6
    assert shades.shape == (24, 1)
    with pytest.raises(ConfigurationError, match="layers of its own that are called 'image'"):
        recipe.assemble({"image": Number(), "colour": Classes(CLASSES)}, seed=0)


@pytest.mark.parametrize("cache", ["auto", False])
def test_texts_of_many_lengths(tiny_text, reviews, tmp_path, cache):
    outputs = {"mood": Classes(("negative", "positive")), "length": Number()}
    recipe = kerastl.TextClassification(
        backbone=str(tiny_text), max_length=48, batch_size=16, cache=cache
    )
    base = recipe.build_base()
    made, _ = recipe.assemble(outputs, seed=0, base=base)
    ids = base.input.tokenizer.encode(reviews[0], 48).ids
    moods = np.array([int(label == "positive") for label in reviews[1]])
    moods[::3] = -1
    lengths = np.array([len(row) / 48 for row in ids], np.float32)
    train = sort_tokens(ids, {"mood": moods, "length": lengths}, pad_id=base.input.tokenizer.pad_id)
    job = make_job(
        recipe, open_model(made), outputs, train, train, seed=0, scratch=tmp_path,
        reporter=SilentReporter(),
    )  # fmt: skip
    [record] = run_plan(job, (kerastl.Phase(-1, 4, 3e-3),))
    history = record["history"]
    assert history["loss"][-1] < history["loss"][0]
    parts = [history[f"{name}_loss"][-1] for name in outputs]
    assert history["loss"][-1] == pytest.approx(sum(parts), rel=1e-5)
