"""Runs and bundles are evaluated and compared by one flow."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import kerastl
from kerastl.bundles import load_bundle
from kerastl.training import SilentReporter
from tests.conftest import CLASSES, coloured_images

pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """Photos that no model has seen: 7 of each class."""
    root = tmp_path_factory.mktemp("fresh")
    images, labels = coloured_images(21, seed=11)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        (root / CLASSES[label]).mkdir(exist_ok=True)
        Image.fromarray(image).save(root / CLASSES[label] / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def bundle(trained, tmp_path_factory):
    return trained[0].export(tmp_path_factory.mktemp("bundle") / "bundle", formats=("onnx",)).path


@pytest.fixture(scope="module")
def found(trained, fresh):
    return kerastl.evaluate(trained[1], fresh)


def test_the_metrics_are_those_of_the_model(trained, fresh, found):
    assert found.metrics == trained[0].evaluate(fresh)
    assert found.metrics["examples"] == 21
    [section] = found.sections.values()
    assert {row.name for row in section.rows} == {
        f"{path.parent.name}/{path.name}" for path in fresh.rglob("*.png")
    }
    assert all(fresh.joinpath(row.name) == fresh.__class__(row.path) for row in section.rows)


def test_a_run_and_its_bundle_are_evaluated_alike(found, bundle, fresh):
    other = kerastl.evaluate(bundle, fresh)
    ours, theirs = found.as_dict(), other.as_dict()
    assert theirs["metrics"] == pytest.approx(ours["metrics"], abs=1e-4)
    for name, pair in ours["intervals"].items():
        assert theirs["intervals"][name] == pytest.approx(pair, abs=1e-4)
    for key in ("confusion", "counts"):
        assert theirs["outputs"]["probabilities"][key] == ours["outputs"]["probabilities"][key]
    for a, b in zip(
        other.sections["probabilities"].rows, found.sections["probabilities"].rows, strict=True
    ):
        assert (a.name, a.label, a.answer, a.right) == (b.name, b.label, b.answer, b.right)
        assert a.confidence == pytest.approx(b.confidence, abs=1e-4)
    opened = kerastl.evaluate(load_bundle(bundle), fresh)
    assert opened.as_dict() == theirs
    # What examples a model was trained on stays with the run.
    assert other.shared is None
    assert not [path for path in bundle.rglob("*") if path.name.startswith(("examples", "basel"))]


def test_baselines_stand_beside_the_model(found):
    constant, linear = found.baselines["constant"], found.baselines["linear"]
    assert constant.metrics["accuracy"] == pytest.approx(1 / 3)
    assert constant.title == "the most frequent class"
    assert linear.title == "logistic regression on colour histograms"
    assert linear.metrics["accuracy"] == 1.0
    assert set(constant.intervals) == {"accuracy", "macro_f1", "loss"}


def test_the_run_holds_the_evaluation_of_its_validation_examples(trained, colour_folder):
    model, run = trained
    stored = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    assert stored["metrics"] == model.metrics
    assert stored["shared"] is None
    loaded = kerastl.load(run).evidence
    assert loaded.evaluation.as_dict() == stored
    again = kerastl.evaluate(run, colour_folder, split="validation")
    assert again.metrics == pytest.approx(model.metrics, rel=1e-5)
    assert again.shared == {"trained_on": 0, "validated_on": 18}
    assert "18 of 18 images were used for validation" in again.notes[0]


def test_examples_of_the_training_data_are_told(trained, colour_folder, tmp_path):
    mixed = tmp_path / "mixed"
    for name in CLASSES:
        (mixed / name).mkdir(parents=True)
        for index, path in enumerate(sorted((colour_folder / "train" / name).iterdir())[:4]):
            shutil.copy(path, mixed / name / f"renamed_{index}.png")
        Image.new("RGB", (9, 9), name).save(mixed / name / "new.png")
    with pytest.warns(UserWarning, match="12 of 15 images were trained on"):
        found = kerastl.evaluate(trained[1], mixed)
    assert found.shared["trained_on"] == 12


def test_data_without_a_class_are_measured(trained, fresh, bundle, tmp_path):
    for name in ("blue", "red"):
        shutil.copytree(fresh / name, tmp_path / "two" / name)
    shutil.copytree(fresh / "red", tmp_path / "one" / "red")
    for model in (trained[1], bundle):
        with pytest.warns(UserWarning, match="no example of the class 'green'"):
            found = kerastl.evaluate(model, tmp_path / "two")
        assert found.metrics["examples"] == 14
        assert found.sections["probabilities"].counts == {"blue": 7, "green": 0, "red": 7}
        with pytest.warns(UserWarning, match="classes 'blue', 'green'"):
            assert kerastl.evaluate(model, tmp_path / "one").metrics["examples"] == 7
    images, labels = coloured_images(6, seed=3)
    pair = images[labels != 1], labels[labels != 1]
    with pytest.warns(UserWarning, match="'green'"):
        trained[0].evaluate(pair)


def test_unknown_classes_stay_an_error(trained, fresh, tmp_path):
    shutil.copytree(fresh, tmp_path / "data")
    shutil.copytree(fresh / "red", tmp_path / "data" / "crimson")
    with pytest.raises(kerastl.DataError, match="crimson"):
        kerastl.evaluate(trained[1], tmp_path / "data")


def test_unreadable_photos_do_not_move_the_names(trained, fresh, tmp_path):
    shutil.copytree(fresh, tmp_path / "data")
    broken = tmp_path / "data" / "blue" / "0.png"
    # The header is whole, the pixels are not.
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.warns(UserWarning, match="1 unreadable image skipped"):
        found = kerastl.evaluate(trained[1], tmp_path / "data")
    rows = found.sections["probabilities"].rows
    assert "blue/0.png" not in {row.name for row in rows}
    assert all(row.name.startswith(row.label) for row in rows)
    assert len(rows) == 20


def test_a_run_of_before_has_no_evidence(trained, fresh, tmp_path):
    run = shutil.copytree(trained[1], tmp_path / "run")
    for name in ("evaluation.json", "examples.npz", "baselines.json", "baselines.npz"):
        (run / name).unlink()
    found = kerastl.evaluate(run, fresh)
    assert found.baselines == {}
    assert found.shared is None
    assert found.metrics == trained[0].evaluate(fresh)


def test_saving_again_keeps_the_evidence(trained, tmp_path):
    kerastl.load(trained[1]).save(tmp_path / "copy")
    for name in ("evaluation.json", "examples.npz", "baselines.json"):
        assert (tmp_path / "copy" / name).read_bytes() == (trained[1] / name).read_bytes()
    kerastl.TrainedModel(trained[0].network, trained[0].task).save(
        tmp_path / "copy", overwrite=True
    )
    assert not (tmp_path / "copy" / "evaluation.json").exists()


def test_two_models_are_compared(trained, bundle, fresh, small_recipe, colour_folder):
    same = kerastl.compare(trained[1], bundle, fresh)
    assert same.disagreements["probabilities"].p_value == 1.0
    assert not same.metrics["accuracy"].decisive
    poor = small_recipe(plan=kerastl.head_only(1, 1e-6)).fit(
        colour_folder, reporter=SilentReporter()
    )
    found = kerastl.compare(poor, trained[0], fresh)
    first, second = poor.evaluate(fresh), trained[0].evaluate(fresh)
    row = found.metrics["loss"]
    assert (row.first, row.second) == (first["loss"], second["loss"])
    assert row.interval[0] < row.difference < row.interval[1]


def test_what_is_no_model():
    with pytest.raises(kerastl.ConfigurationError, match="folder of a run or a bundle"):
        kerastl.evaluate(np.zeros(3), None)
    with pytest.raises(kerastl.RunError, match="no run directory"):
        kerastl.evaluate("nowhere", None)
