"""Images with several labels, numbers, two outputs and vectors, from data to a loaded run."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import kerastl
from kerastl.cli.main import app
from kerastl.errors import ConfigurationError, DataError
from kerastl.outputs import Number
from kerastl.training import SilentReporter
from tests.conftest import CLASSES, coloured_images

QUIET = {"reporter": SilentReporter()}
PLAN = kerastl.head_only(12, learning_rate=3e-2)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Two colours side by side, and how bright they are, in a unit of its own."""
    folder = tmp_path_factory.mktemp("table")
    images, labels = coloured_images(72, size=32, seed=4)
    random = np.random.default_rng(3)
    with (folder / "images.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter=";")
        writer.writerow(["photo", "colours", "light (µW)"])
        for index in range(72):
            other = int(random.integers(72))
            pixels = images[index].copy()
            pixels[:, 16:] = images[other][:, 16:]
            share = random.uniform(0.2, 1.0)
            Image.fromarray((share * pixels).astype(np.uint8)).save(folder / f"{index}.png")
            names = sorted({CLASSES[labels[index]], CLASSES[labels[other]]})
            row = [",".join(names), f"{400 * share:.1f}"]
            # A third of the labels are missing, of each output by itself.
            row = ["" if random.random() < 1 / 3 else value for value in row]
            writer.writerow([f"{index}.png", *row])
    return folder / "images.csv"


OUTPUTS = {"colours": "multi_label", "light (µW)": "regression"}
COLUMNS = {"image_column": "photo"}


@pytest.fixture(scope="module")
def several(small_recipe, table, tmp_path_factory):
    run = tmp_path_factory.mktemp("several") / "run"
    head = kerastl.Head(dropout=0.0)
    recipe = small_recipe(outputs=OUTPUTS, loss_weights="uncertainty", plan=PLAN, head=head)
    return recipe.fit(table, out=run, **COLUMNS, **QUIET), run


class TestSeveralOutputs:
    def test_both_are_learned_where_labels_are_missing(self, several):
        model, _ = several
        assert model.task.name == "image_multi_task"
        assert model.metrics["colours/micro_f1"] > 0.7
        assert "light (µW)/r2" in model.metrics
        # A third of the validation labels are missing.
        assert model.metrics["colours/examples"] < 14 > model.metrics["light (µW)/examples"]
        assert model.history[0]["score"] == "mean_score"
        assert set(model.history[0]["loss_weights"]) == set(OUTPUTS)

    def test_a_run_is_read_back(self, several, table):
        model, run = several
        again = kerastl.load(run)
        assert again.task.outputs_config() == model.task.outputs_config()
        photo = str(table.parent / "3.png")
        found, before = again.predict(photo), model.predict(photo)
        assert set(found) == set(OUTPUTS)
        for name in OUTPUTS:
            np.testing.assert_array_equal(found[name].probabilities, before[name].probabilities)
        assert found["light (µW)"].labels == (float(found["light (µW)"].probabilities[0, 0]),)
        config = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
        assert kerastl.ImageClassification.from_config(config).get_config() == dict(model.recipe)

    def test_numbers_keep_their_unit_and_are_learned_as_standard_scores(self, several):
        output = several[0].task.outputs["light (µW)"]
        assert output.quantity == "light (µW)"
        assert output.mean > 100
        [answer] = output.answers(np.array([[5.0]]))
        assert (answer["value"], answer["quantity"]) == (5.0, "light (µW)")

    def test_it_is_measured_on_data_with_missing_labels(self, several, table):
        with pytest.warns(UserWarning, match="images were trained on"):
            found = several[0].evaluate(table, **COLUMNS)
        assert found["colours/micro_f1"] > 0.7
        # Most of them are those that it was trained on.
        assert found["light (µW)/r2"] > 0.4
        assert found["colours/examples"] < 72

    def test_the_command_line(self, table, small_weights, tmp_path, capfd):
        command = ["fit", "image", table, "--out", tmp_path / "run", "--image-column", "photo"]
        command += ["--backbone", "mobilenet_0.25", "--weights", small_weights, "--image-size", 32]
        command += ["--output", "colours=multi_label", "--output", "size=regression"]
        command += ["--label-column", "colours=colours", "--label-column", "size=light (µW)"]
        command += ["--loss-weights", "colours=1,size=0.5", "--plan", "head-only", "--epochs", 2]
        result = CliRunner().invoke(app, [*map(str, command), "--json"])
        out, err = capfd.readouterr()
        assert result.exit_code == 0, err
        assert "colours/micro_f1" in json.loads(out)["metrics"]
        photo = str(table.parent / "3.png")
        result = CliRunner().invoke(app, ["predict", str(tmp_path / "run"), photo])
        assert "size: " in result.output

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"outputs": OUTPUTS, "kind": "regression"}, "say the same thing twice"),
            ({"outputs": {"look": "embedding"}}, "has a recipe of its own"),
            ({"outputs": OUTPUTS, "loss_weights": {"colours": 1}}, "a number of 0 or above for"),
            ({"loss_weights": "uncertainty"}, "is for several outputs"),
            ({"outputs": OUTPUTS, "class_weight": "balanced"}, "with several outputs give each"),
        ],
    )
    def test_settings_that_cannot_be(self, small_recipe, table, settings, message):
        recipe = small_recipe(plan=kerastl.head_only(1), **settings)
        with pytest.raises(ConfigurationError, match=message):
            recipe.fit(table, **COLUMNS, **QUIET)

    def test_columns_that_are_not_there(self, small_recipe, table):
        with pytest.raises(DataError, match="no column 'shade'"):
            small_recipe(outputs={"shade": "single_label"}).fit(table, **COLUMNS, **QUIET)


def test_several_labels(small_recipe, table):
    recipe = small_recipe(kind="multi_label", plan=PLAN)
    data = {"label_column": "colours", "image_column": "photo"}
    # Of one output an empty field says that none of the classes is there.
    model = recipe.fit(table, **data, **QUIET)
    assert model.class_names == CLASSES
    assert model.metrics["micro_f1"] > 0.5
    assert len(model.task.only.thresholds) == 3
    assert set(model.predict(table.parent / "3.png").labels[0]) <= set(CLASSES)
    network = recipe.build(CLASSES)
    assert network.output_shape == (None, 3)


def test_numbers(small_recipe, colours):
    images, _ = colours
    values = images.mean(axis=(1, 2, 3)) * 1000
    recipe = small_recipe(kind="regression", plan=None, augment=kerastl.Augment())
    # A crop, or other light, would change the number.
    assert (recipe.augmentation.crop, recipe.augmentation.brightness) == ((1.0, 1.0), 0.0)
    assert [phase.label_smoothing for phase in recipe.resolved_plan] == [0.0, 0.0]
    own = kerastl.Augment(crop=(0.9, 1.0))
    assert small_recipe(kind="regression", augment=own).augmentation == own
    model = small_recipe(kind="regression", plan=PLAN).fit((images, values), **QUIET)
    assert len(model.predict(images[:5])) == 5
    assert (
        abs(model.predict(images).probabilities.mean() - values.mean()) < 0.2 * values.std() + 2e3
    )


@pytest.mark.parametrize(
    ("labels", "mean", "deviation"),
    [([1.0, 2.0, 3.0], 0.0, 1.0), ([100.0, 300.0], 200.0, 100.0), ([5.0, 5.0], 0.0, 1.0)],
)
def test_what_is_learned_as_a_standard_score(labels, mean, deviation):
    output = Number().fitted(np.array([*labels, np.nan], np.float32))
    assert (output.mean, output.deviation) == (mean, deviation)
    assert Number.from_config(output.get_config()) == output


@pytest.fixture(scope="module")
def recipe(small_weights):
    def make(**settings):
        own = {"backbone": "mobilenet_0.25", "weights": small_weights, "image_size": 32}
        return kerastl.ImageEmbedding(**{**own, "augment": None, **settings})

    return make


@pytest.fixture(scope="module")
def fitted(recipe, colours, tmp_path_factory):
    run = tmp_path_factory.mktemp("vectors") / "run"
    phase = kerastl.Phase("conv_10", 8, 3e-3, loss="contrastive")
    made = recipe(plan=(phase,), batch_size=24, dimensions=8)
    return made.fit(colours, class_names=CLASSES, out=run, **QUIET), run


class TestVectors:
    def test_a_backbone_as_it_is(self, recipe, colours, tmp_path):
        images, _ = colours
        model = recipe().pretrained(list(images))
        vectors = model.embed(images)
        assert vectors.shape == (48, 256)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        assert model.search(images[:2], vectors, top=1)[0][0][0] == 0
        model.save(tmp_path / "run")
        np.testing.assert_array_equal(kerastl.load(tmp_path / "run").embed(images), vectors)

    def test_training_draws_classes_together(self, fitted, colours):
        model, run = fitted
        with pytest.warns(UserWarning, match="images were trained on"):
            found = model.evaluate(colours, class_names=CLASSES)
        assert found["precision_at_1"] > 0.8
        assert model.provenance["classes"] == list(CLASSES)
        again = kerastl.load(run)
        assert isinstance(again, kerastl.EmbeddingModel)
        assert again.dimensions == 8
        np.testing.assert_array_equal(again.embed(colours[0]), model.embed(colours[0]))

    def test_settings_that_cannot_be(self, recipe):
        for settings, message in (
            ({"pooling": "mean"}, "pooling='mean'; allowed are 'avg', 'max'"),
            ({"dimensions": 1}, "give at least 2"),
        ):
            with pytest.raises(ConfigurationError, match=message):
                recipe(**settings).pretrained()
        with pytest.raises(ConfigurationError, match="Train it with fit"):
            recipe(dimensions=8).pretrained()
        made = recipe(pooling="max", dimensions=4)
        again = kerastl.ImageEmbedding.from_config(made.get_config())
        assert again.get_config() == made.get_config()
