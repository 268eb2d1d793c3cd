"""A head that is solved: what it ends with, on which examples, and what is said of it."""

import keras
import numpy as np
import pytest

import kerastl
from kerastl.errors import ConfigurationError
from kerastl.graph import head_cut, open_model
from kerastl.solving import Features, Problem, solve
from kerastl.training import SilentReporter, checkpoint
from tests.conftest import CLASSES, coloured_images

QUIET = {"class_names": CLASSES, "reporter": SilentReporter()}


def noisy(count, seed=0):
    """Images whose colours tell less than their labels: some of these are wrong."""
    images, labels = coloured_images(count, seed=seed)
    random = np.random.default_rng(seed)
    wrong = random.random(count) < 0.25
    return images, np.where(wrong, random.integers(0, 3, count), labels)


@pytest.fixture(scope="module")
def pictures():
    return noisy(60)


def features(model, images):
    """What enters the head of a network, float64."""
    network = open_model(model.network)
    base = keras.Model(network.inputs, head_cut(network).tensor)
    sized = [kerastl.data.decode_image(image, (32, 32)) for image in images]
    return base.predict(np.stack(sized).astype("float32"), verbose=0).astype(float)


def dense(model):
    return [np.asarray(v) for v in model.network.layers[-1].get_weights()]


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_the_head_is_the_optimum_on_the_features_of_the_network(
    small_recipe, pictures, class_weight
):
    images, labels = pictures
    recipe = small_recipe(
        plan=kerastl.head_only(probe=kerastl.Probe(l2=0.3)), class_weight=class_weight
    )
    model = recipe.fit(pictures, validation=False, **QUIET)
    x, truth = features(model, images), np.eye(3)[labels]
    weights = np.ones(len(x))
    if class_weight:
        weights = (len(x) / (3 * truth.sum(axis=0)))[labels]
    # Two groups of features: those of the last feature map, and of the one before it.
    read = Features([x], groups=[128, 256])
    found = solve(Problem(read, truth, weights, "softmax"), 0.3)
    kernel, bias = read.unscaled(found.kernel, found.bias)
    scores, exact = (x @ k + b for k, b in (dense(model), (kernel, bias)))
    centred = [rows - rows.mean(axis=1, keepdims=True) for rows in (scores, exact)]
    np.testing.assert_allclose(*centred, atol=2e-3)
    [record] = model.history
    assert record["solved"]["l2"] == 0.3
    assert record["solved"]["converged"]


def test_a_strength_is_chosen_by_likelihood(small_recipe, pictures):
    recipe = small_recipe(plan=kerastl.head_only())
    [record] = recipe.fit(pictures, validation=False, **QUIET).history
    tried = record["solved"]["strengths"]
    assert len(tried) > 3
    assert record["solved"]["out_of_fold_loss"] == pytest.approx(min(tried.values()), abs=1e-6)


def test_numbers_and_several_labels_are_solved_too(small_recipe):
    images, labels = coloured_images(48)
    flags = np.eye(3)[labels]
    flags[::5, 0] = 1
    number = 1000 + 50.0 * labels
    recipe = small_recipe(
        plan=kerastl.head_only(),
        kind="single_label",
        outputs={"price": "regression", "tags": "multi_label"},
    )
    table = {"price": number.astype("float32"), "tags": flags.astype("float32")}
    table["price"][3] = np.nan
    data = kerastl.data.ExampleDataset(
        kerastl.data.load((images, labels), class_names=CLASSES).reader,
        list(images),
        {"price": kerastl.Number(), "tags": kerastl.Labels(CLASSES)},
        table,
    )
    model = recipe.fit(data, validation=False, reporter=SilentReporter())
    answers = model.predict(list(images))
    assert np.corrcoef(answers["price"].probabilities[:, 0], number)[0, 1] > 0.9
    assert ((answers["tags"].probabilities > 0.5) == (flags > 0)).mean() > 0.9
    assert set(model.history[0]["solved"]["outputs"]) == {"price", "tags"}


def test_a_head_with_a_hidden_layer_trains_instead(small_recipe):
    recipe = small_recipe(plan=kerastl.two_phase(), head=kerastl.Head(hidden=8))
    head, tuned = recipe.resolved_plan
    assert isinstance(head, kerastl.Phase)
    assert (head.train_from, head.epochs) == ("head", kerastl.Probe().epochs)
    assert isinstance(tuned, kerastl.Phase)


def test_plans_begin_with_a_solved_head_unless_epochs_or_a_rate_are_given():
    for plan in (kerastl.head_only(), kerastl.two_phase(), kerastl.gradual(2), kerastl.lp_ft()):
        assert isinstance(plan[0], kerastl.Probe)
    assert isinstance(kerastl.few_shot()[1], kerastl.Probe)
    for plan in (
        kerastl.head_only(20),
        kerastl.head_only(learning_rate=1e-2),
        kerastl.head_only(patience=3),
        kerastl.two_phase(5),
        kerastl.two_phase(head_learning_rate=1e-2),
        kerastl.lp_ft(patience=4),
    ):
        assert isinstance(plan[0], kerastl.Phase)


@pytest.mark.parametrize("kind", ["single_label", "regression"])
def test_plans_with_a_name_are_solved_too(kind):
    recipe = kerastl.ImageClassification(backbone="mobilenet_v2", kind=kind, plan="head-only")
    assert [type(step) for step in recipe.resolved_plan] == [kerastl.Probe]
    text = kerastl.TextClassification(backbone="minilm_l6", kind=kind, plan="head-only")
    assert [type(step) for step in text.resolved_plan] == [kerastl.Probe]
    auto = kerastl.ImageClassification(backbone="mobilenet_v2", kind=kind, plan="auto")
    assert auto.resolved_plan[1].optional


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"l2": 0}, "l2=0"),
        ({"folds": 1}, "folds=1"),
        ({"views": 0}, "views=0"),
        ({"label_smoothing": 1.0}, r"label_smoothing=1.0"),
        ({"epochs": 0}, "epochs=0"),
        ({"learning_rate": -1}, "learning_rate=-1"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        kerastl.Probe(**settings).check()


def test_without_a_cache_the_head_is_the_same(small_recipe, pictures):
    kept, plain = (
        small_recipe(plan=kerastl.head_only(), cache=cache).fit(pictures, **QUIET)
        for cache in ("auto", False)
    )
    for one, other in zip(dense(kept), dense(plain), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


# Every example trains.


@pytest.fixture(scope="module")
def solved(small_recipe, pictures):
    return small_recipe(plan=kerastl.head_only()).fit(pictures, seed=4, **QUIET)


def test_every_example_trains_and_each_is_answered_without_it(small_recipe, pictures, solved):
    images, labels = pictures
    assert solved.history[0]["train_examples"] == 60
    estimate = dict(solved.provenance["estimate"])
    assert "each of the 60 images was answered by a model" in estimate.pop("sentence")
    assert estimate == {"examples": 60, "trained_on": 60, "folds": 5, "temperatures": {}}
    assert solved.metrics["examples"] == 60
    rows = solved.evidence.evaluation.sections["probabilities"].rows
    # Of what was trained on it knows the wrong labels too.
    with pytest.warns(kerastl.data.DataWarning, match="60 of 60 images were trained on"):
        flattered = solved.evaluate((images, labels), class_names=CLASSES)["accuracy"]
    assert np.mean([row.right for row in rows]) == solved.metrics["accuracy"] < flattered
    assert any("without it" in note for note in solved.evidence.evaluation.notes)


def test_report_and_bundle_say_that_figures_are_an_estimate(solved, tmp_path):
    kerastl.report(solved, out=tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    sentence = solved.provenance["estimate"]["sentence"]
    assert page.partition("<script")[0].count(sentence) == 1
    assert "validation examples that the run keeps" not in page
    solved.save(tmp_path / "run")
    loaded = kerastl.load(tmp_path / "run")
    assert loaded.samples.kind == "training"
    bundle = loaded.export(tmp_path / "bundle", formats=("onnx",))
    assert bundle.manifest["parity_examples"]["kind"] == "training"
    card = (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")
    assert sentence in card
    assert "60 images that it was trained on" in card
    assert "Wilson" not in card


def test_the_model_is_that_of_all_examples(small_recipe, pictures):
    plan = kerastl.two_phase(
        fine_tune_epochs=2, train_from="conv_12", probe=kerastl.Probe(l2=0.3), least_steps=0
    )
    held = small_recipe(plan=plan).fit(pictures, seed=3, **QUIET)
    whole = small_recipe(plan=plan).fit(pictures, validation=False, seed=3, **QUIET)
    assert held.provenance["estimate"]["examples"] == 12
    assert held.provenance["validation_examples"] == 0
    temperature = held.provenance["estimate"]["temperatures"].get("probabilities", 1.0)
    pairs = list(zip(held.network.get_weights(), whole.network.get_weights(), strict=True))
    for one, other in pairs[:-2]:
        np.testing.assert_array_equal(one, other)
    for one, other in pairs[-2:]:
        np.testing.assert_allclose(one * temperature, other, rtol=1e-5)
    assert held.history[1]["accuracy"] is not None
    assert "probe" in held.evidence.evaluation.baselines


def test_validation_data_of_the_users_are_never_trained_on(small_recipe, pictures):
    plan = kerastl.head_only()
    for validation in (noisy(20, seed=9), 0.2):
        model = small_recipe(plan=plan).fit(pictures, validation=validation, **QUIET)
        assert "estimate" not in model.provenance
        assert model.history[0]["train_examples"] == (48 if validation == 0.2 else 60)
    joined = small_recipe(plan=plan, refit=True).fit(pictures, validation=0.3, **QUIET)
    assert joined.history[0]["train_examples"] == 60
    with pytest.raises(ConfigurationError, match="never trained on"):
        small_recipe(plan=plan, refit=True).fit(pictures, validation=noisy(20, seed=9), **QUIET)
    kept = small_recipe(plan=plan, refit=False).fit(pictures, **QUIET)
    assert kept.history[0]["train_examples"] == 48


def test_few_groups_leave_folds_empty_and_are_never_divided(small_recipe, pictures):
    images, labels = pictures
    groups = np.arange(60) // 20
    data = kerastl.data.load((images, labels), class_names=CLASSES, groups=groups)
    model = small_recipe(plan=kerastl.head_only()).fit(data, seed=1, reporter=SilentReporter())
    assert model.provenance["estimate"]["folds"] == 3
    assert model.provenance["estimate"]["examples"] == 60


def test_folds_that_are_asked_for_are_dealt(small_recipe, pictures):
    losses = []
    for folds in (5, 10):
        plan = kerastl.head_only(probe=kerastl.Probe(folds=folds))
        [record] = small_recipe(plan=plan).fit(pictures, validation=False, **QUIET).history
        losses.append(record["solved"]["out_of_fold_loss"])
    assert losses[0] != losses[1]


def test_a_plan_that_chooses_epochs_is_refitted_with_those_that_it_chose(small_recipe, pictures):
    plan = (kerastl.Phase("head", 3, 1e-2),)
    kept = small_recipe(plan=plan).fit(pictures, seed=1, **QUIET)
    assert "estimate" not in kept.provenance
    [record] = small_recipe(plan=plan, refit=True).fit(pictures, seed=1, **QUIET).history
    assert record["train_examples"] == 60
    assert record["best_epoch"] == kept.history[0]["best_epoch"] > 0


def test_fine_tuning_that_does_not_help_is_left_out(small_recipe, pictures):
    spoil = kerastl.Phase("all", 2, 0.3, optional=True, select="last", schedule="constant")
    probe = kerastl.Probe(l2=0.3)
    model = small_recipe(plan=(probe, spoil)).fit(pictures, seed=1, **QUIET)
    plain = small_recipe(plan=(probe,)).fit(pictures, seed=1, **QUIET)
    assert len(model.history) == 1
    for one, other in zip(model.network.get_weights(), plain.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


class StopAt(SilentReporter):
    """Interrupts where so many parts of the job have begun."""

    def __init__(self, parts):
        self.left = parts

    def start(self, title, total):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("head_alone", [True, False])
def test_a_run_interrupted_in_any_turn_ends_with_the_same_weights(
    small_recipe, pictures, tmp_path, monkeypatch, head_alone
):
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN", 0.0)
    plan = kerastl.two_phase(fine_tune_epochs=2, train_from="conv_12", least_steps=0)
    recipe = small_recipe(plan=kerastl.head_only() if head_alone else plan)
    options = {"class_names": CLASSES, "seed": 4}
    whole = recipe.fit(pictures, reporter=SilentReporter(), **options)
    # Each time some more is there to begin with.
    for resume in (False, True, True, True)[: 4 if head_alone else 2]:
        with pytest.raises(KeyboardInterrupt):
            recipe.fit(pictures, out=tmp_path / "run", resume=resume, reporter=StopAt(3), **options)
    model = recipe.fit(
        pictures, out=tmp_path / "run", resume=True, reporter=SilentReporter(), **options
    )
    for one, other in zip(whole.network.get_weights(), model.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert model.metrics == whole.metrics
    assert kerastl.load(tmp_path / "run").provenance["estimate"] == whole.provenance["estimate"]


class Heard:
    """A tracker that keeps what it hears of epochs."""

    name = "heard"

    def __init__(self):
        self.epochs = []

    def check(self):
        pass

    def start(self, run, identifier):
        return "1"

    def epoch(self, step, phase, figures):
        self.epochs.append((step, phase, "val_loss" in figures))

    def finish(self, metrics, files):
        pass

    def stop(self, ending):
        pass


def test_epochs_of_both_turns_are_told_apart(small_recipe, pictures, tmp_path):
    tracker = Heard()
    plan = (kerastl.Phase("conv_12", 2, 1e-3, select="last"),)
    small_recipe(plan=plan, refit=True).fit(
        pictures, track=tracker, out=tmp_path / "run", tensorboard=True, **QUIET
    )
    assert tracker.epochs == [(1, 1, True), (2, 1, True), (3, 2, False), (4, 2, False)]
    logs = {path.parent.parent.name for path in tmp_path.rglob("events.*")}
    assert len(logs) == 2, logs


def test_labels_that_are_all_of_one_group_are_folded_one_by_one(small_recipe):
    images, labels = coloured_images(48)
    groups = np.arange(48) // 12
    size = np.where(groups == 1, labels * 10.0, np.nan).astype("float32")
    data = kerastl.data.ExampleDataset(
        kerastl.data.load((images, labels), class_names=CLASSES).reader,
        list(images),
        {"colour": kerastl.Classes(CLASSES), "size": kerastl.Number()},
        {"colour": labels, "size": size},
        groups=groups,
    )
    recipe = small_recipe(
        plan=kerastl.head_only(),
        kind="single_label",
        outputs={"colour": "single_label", "size": "regression"},
    )
    [record] = recipe.fit(data, validation=False, reporter=SilentReporter()).history
    assert np.isfinite(record["solved"]["outputs"]["size"]["out_of_fold_loss"])


def test_of_two_heads_that_are_solved_the_later_one_is_measured(small_recipe, pictures):
    probes = (kerastl.Probe(l2=100.0, name="stiff"), kerastl.Probe(l2=0.3))
    twice = small_recipe(plan=probes).fit(pictures, seed=1, **QUIET)
    once = small_recipe(plan=probes[1:]).fit(pictures, seed=1, **QUIET)
    assert twice.metrics == once.metrics


def test_thresholds_are_measured_on_labels_that_did_not_choose_them():
    """Of labels that nothing tells, thresholds chosen on themselves promise too much."""
    output = kerastl.Labels(("a", "b"))
    random = np.random.default_rng(0)
    flattered, measured = [], []
    for _ in range(20):
        labels = (random.random((60, 2)) < 0.3).astype(np.float32)
        answers = random.random((60, 2)).astype(np.float32)
        parts = np.arange(60) % 5
        tuned = output.tuned(labels, answers)
        flattered.append(tuned.measure(labels, answers)["macro_f1"])
        moved = tuned.cross_fitted(labels, answers, parts)
        measured.append(tuned.measure(labels, moved)["macro_f1"])
        inside = (answers > 0.01) & (answers < 0.99)
        unmoved = moved == answers
        assert unmoved[inside].mean() > 0.5
        one = parts == 0
        others = output.tuned(labels[~one], answers[~one])
        np.testing.assert_array_equal(
            moved[one] >= tuned.limits, answers[one] >= others.limits
        )  # fmt: skip
    assert np.mean(flattered) > np.mean(measured) + 0.03
