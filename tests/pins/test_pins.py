"""What version 0.1.0 wrote is read, verified, predicted and resumed by every later version.

The fixtures were written by tests/pins/make.py at version 0.1.0, and stay as they are.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import kerastl
from kerastl.inputs.image_probes import vertical_pass_may_lead
from kerastl.training import ActivationCache, SilentReporter

from .make import TASKS, data_of, inputs_of, recipe_of

pytest.importorskip("keras_hub")
PINS = Path(__file__).parent / "0.1.0"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A copy, since runs and caches are written to; recipes name their files from there."""
    folder = tmp_path_factory.mktemp("pins") / "0.1.0"
    shutil.copytree(PINS, folder)
    before = Path.cwd()
    os.chdir(folder)
    yield Path()
    os.chdir(before)


@pytest.fixture(scope="module", params=TASKS)
def task(request):
    return request.param


@pytest.fixture(scope="module")
def snapshot(task, here):
    return json.loads((here / task / "snapshot.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model(task, here):
    return kerastl.load(here / task / "run")


def outputs_of(answers):
    return np.asarray(getattr(answers, "probabilities", answers))


def numbers_of(rows):
    """What a prediction holds of numbers, whatever the task."""
    keys = [key for key in ("value", "embedding", "probability") if rows[0].get(key) is not None]
    return [np.atleast_1d(row[keys[0]]) for row in rows]


def test_recipes_read_the_same_data_as_before(task, here, snapshot):
    facts = snapshot["facts"]
    data, options = data_of(task, here)
    recipe = recipe_of(task, here / "weights")
    train, held_out = recipe.load(
        data, None, seed=3, class_names=None,
        **({} if task == "image" else options),
    )  # fmt: skip
    assert [train.fingerprint, held_out.fingerprint] == facts["fingerprints"]
    assert list(held_out.names) == facts["validation"]
    assert list(train.split(0.25, seed=5)[0].names) == facts["split"]
    assert list(train.class_names) == facts["class_names"]


def test_recipes_are_written_as_before(task, here, snapshot):
    recipe = recipe_of(task, here / "weights").as_begun(None)
    config = json.loads(json.dumps(recipe.get_config()))
    wanted = snapshot["facts"]["recipe"]
    assert {key: config[key] for key in wanted} == wanted
    assert type(recipe).from_config(wanted).get_config() == recipe.get_config()


def test_cached_activations_have_the_same_keys(task, here, snapshot, monkeypatch, tmp_path):
    facts = snapshot["facts"]
    if keras.__version__ != facts["keras"] or keras.backend.backend() != "tensorflow":
        pytest.skip(f"keys name the version of Keras, and these were made with {facts['keras']}")
    monkeypatch.setenv("KERASTL_CACHE", str(tmp_path))
    data, options = data_of(task, here)
    recipe = recipe_of(task, here / "weights").as_begun(None)
    recipe.fit(data, seed=3, reporter=SilentReporter(), **options)
    found = sorted(row["key"] for row in ActivationCache(tmp_path).list())
    assert found == facts["cache_keys"]


def test_a_run_predicts_as_before(task, here, model, snapshot):
    rows = snapshot["predict_run"]["predictions"]
    answers = model.predict(inputs_of(task, here))
    if task == "embedding":
        found = list(answers)
    elif task == "regression":
        found = list(answers.probabilities)
    elif task == "multi_label":
        names = list(model.class_names)
        found = [
            [row[names.index(name)] for name in labels]
            for row, labels in zip(answers.probabilities, answers.labels, strict=True)
        ]
        assert [list(labels) for labels in answers.labels] == [row["label"] for row in rows]
    else:
        found = [[value] for value in answers.confidences]
        assert list(answers.labels) == [row["label"] for row in rows]
    for got, wanted in zip(found, numbers_of(rows), strict=True):
        np.testing.assert_allclose(got, wanted, atol=2e-5)


def test_a_run_is_measured_as_before(task, here, model, snapshot):
    data, options = data_of(task, here)
    if task == "image":
        options = {"split": "validation"}
    found = model.evaluate(data, **options)
    wanted = snapshot["evaluate"]["metrics"]
    assert {key: found[key] for key in wanted} == pytest.approx(wanted, abs=1e-4)


def test_a_bundle_is_verified(task, here, snapshot):
    bundle = kerastl.verify(here / task / "bundle")
    assert bundle.passed
    wanted = snapshot["verify"]["artifacts"]
    assert [item.path for item in bundle.artifacts] == [item["path"] for item in wanted]
    for artifact, before in zip(bundle.artifacts, wanted, strict=True):
        assert artifact.sha256 == before["sha256"]
        assert artifact.n == before["n"]
        assert artifact.label_agreement == pytest.approx(before["label_agreement"], abs=0.13)


def test_a_bundle_predicts_as_before(task, here, snapshot):
    from kerastl.bundles import load_bundle

    rows = snapshot["predict_bundle"]["predictions"]
    predictor = load_bundle(here / task / "bundle")
    outputs = predictor.predict(inputs_of(task, here))
    found = predictor.answers(outputs)
    assert [row["label"] for row in found] == [row["label"] for row in rows]
    for got, wanted in zip(numbers_of(found), numbers_of(rows), strict=True):
        np.testing.assert_allclose(got, wanted, atol=2e-5)


def test_an_unfinished_run_goes_on(task, here, snapshot):
    facts = snapshot["facts"]
    if keras.__version__ != facts["keras"] or keras.backend.backend() != "tensorflow":
        pytest.skip(f"a run goes on with the Keras that began it, {facts['keras']}")
    data, options = data_of(task, here)
    model = recipe_of(task, here / "weights").fit(
        data, seed=3, out=here / task / "unfinished", resume=True, reporter=SilentReporter(),
        **options,
    )  # fmt: skip
    np.testing.assert_allclose(
        outputs_of(model.predict(inputs_of(task, here))),
        snapshot["unfinished"]["outputs"],
        atol=1e-5,
    )


# What a manifest says of the moment or of the machine, and not of the bundle.
MOMENT = {"seconds", "sha256", "bytes", "fingerprint", "manifest_sha256", "versions", "files"}


# Sentences for people, which were written anew: labels are no longer of texts alone.
REWORDED = {"manifest.agreement_of"}


def shape_of(value):
    """Keys and types of JSON data; lists by their first element."""
    if isinstance(value, dict):
        return {key: shape_of(item) for key, item in value.items() if key not in MOMENT}
    if isinstance(value, list):
        return [shape_of(value[0])] if value else []
    return value if isinstance(value, str | bool | type(None)) else "number"


def test_a_new_bundle_holds_what_the_old_one_held(task, here, model, tmp_path):
    """The schema only grows: every key of the old manifest is there, with the same words."""
    gate = kerastl.Gate(quantized_label_agreement=0.0)
    bundle = model.export(tmp_path / "bundle", formats=("onnx",), gate=gate)
    old = json.loads((here / task / "bundle" / "manifest.json").read_text(encoding="utf-8"))
    keep = [entry for entry in old["artifacts"] if entry["path"] == "model.onnx"]
    old["artifacts"] = keep
    if not vertical_pass_may_lead():
        # What an older Pillow does is what a bundle has to say.
        old["input"].get("resize", {})["passes"] = "horizontal first"
    assert_holds(shape_of(bundle.manifest), shape_of(old), "manifest")
    listed = {name for name in old["files"] if not name.startswith("golden/files/")}
    assert listed <= set(bundle.manifest["files"])


def assert_holds(new, old, where):
    if isinstance(old, dict):
        missing = sorted(set(old) - set(new))
        assert not missing, f"{where} lacks {missing}"
        for key, value in old.items():
            assert_holds(new[key], value, f"{where}.{key}")
    elif isinstance(old, list):
        assert len(new) == len(old), where
        for a, b in zip(new, old, strict=True):
            assert_holds(a, b, f"{where}[]")
    elif where not in REWORDED:
        assert new == old, where
