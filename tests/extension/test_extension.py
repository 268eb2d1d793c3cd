"""An Input and an Output that a user wrote go through every flow; nothing in kerastl knows them."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import kerastl
from kerastl.bundles import benchmark, load_bundle
from kerastl.cli.main import app
from kerastl.errors import DataError
from kerastl.training import SilentReporter

HERE = Path(__file__).parent
# Modules of a user's own are not parts of a package.
sys.path.insert(0, str(HERE))

from mood import recipe  # noqa: E402
from scale import Scale  # noqa: E402
from series import LENGTH  # noqa: E402

FORMATS = ("saved_model", "onnx", "litert")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Series whose sum says their mood."""
    rows = np.random.default_rng(0).normal(size=(200, LENGTH)).round(3)
    moods = np.array(Scale().steps)[np.digitize(rows.sum(axis=1), [-1.5, 1.5])]
    path = tmp_path_factory.mktemp("series") / "series.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["series", "mood"])
        writer.writerows(
            [" ".join(map(str, row)), mood] for row, mood in zip(rows, moods, strict=True)
        )
    return path


@pytest.fixture(scope="module")
def model(table, tmp_path_factory):
    run = tmp_path_factory.mktemp("run") / "run"
    recipe().fit(table, out=run, reporter=SilentReporter())
    return kerastl.load(run)


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    return model.export(tmp_path_factory.mktemp("bundle") / "bundle", formats=FORMATS)


@pytest.mark.parametrize("shape", [(0, 0), (4, 1), (4, 3), (3, 2)])
def test_answers_of_another_shape_agree_nowhere(shape):
    reference = np.full((4, 2), 0.7, np.float32)
    figures = Scale().figures(reference, np.full(shape, 0.7, np.float32), kerastl.Gate(), None)
    assert figures == {"max_abs_diff": None, "label_agreement": 0.0, "passed": False}


def test_each_is_written_in_fewer_than_120_lines():
    for name in ("scale.py", "series.py"):
        assert len((HERE / name).read_text(encoding="utf-8").splitlines()) < 120


def test_it_learns_and_is_measured(model, table):
    assert model.metrics["mean_error"] < 0.4
    with pytest.warns(UserWarning, match="160 of 200 series were trained on"):
        assert model.evaluate(table)["examples"] == 200
    assert model.task.name == "series_classification"


def test_it_predicts_what_was_asked(model):
    low, high = " ".join(["-1"] * LENGTH), np.ones(LENGTH)
    assert model.predict([low, high]) == ["bad", "good"]
    assert model.predict(low) == ["bad"]
    with pytest.raises(DataError, match="no number"):
        model.predict("1 2 three")


def test_runs_name_the_recipe_and_hold_no_backbone(model):
    assert model.recipe["input"] == {"kind": "series"}
    with pytest.raises(kerastl.ConfigurationError, match="build the recipe anew"):
        kerastl.CustomRecipe.from_config(model.recipe)


def test_every_format_is_proved_and_verified(bundle, model):
    assert {item.format for item in bundle.artifacts} == set(FORMATS)
    assert all(item.passed and item.n == 40 for item in bundle.artifacts)
    assert kerastl.verify(bundle.path).passed
    rows = np.random.default_rng(5).normal(size=(3, LENGTH)).astype(np.float32)
    [expected] = model.outputs(rows).values()
    np.testing.assert_allclose(load_bundle(bundle.path).predict(rows), expected, atol=1e-5)


def test_files_are_measured(bundle, table):
    found = benchmark(bundle.path, table)
    assert (found["of"], found["metric"], found["examples"]) == ("series", "mean_error", 200)
    assert all(row["metrics"]["mean_error"] < 0.4 for row in found["artifacts"])


def test_a_label_that_is_not_on_the_scale_is_refused(table, tmp_path):
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(table.read_text().replace("fair", "so-so", 1))
    with pytest.raises(DataError, match="so-so"):
        recipe().fit(wrong, reporter=SilentReporter())


@pytest.fixture
def invoke(capfd):
    def invoke(*arguments):
        result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
        assert result.exit_code == 0, capfd.readouterr().err
        return json.loads(capfd.readouterr().out)

    return invoke


def test_they_are_judged_by_the_defaults(model, bundle, table, tmp_path):
    """Names of the scale make classes and a confusion matrix; there is no linear model."""
    with pytest.warns(UserWarning, match="were trained on"):
        found = kerastl.evaluate(model, table)
    assert kerastl.evaluate(bundle.path, table).metrics == pytest.approx(found.metrics, abs=1e-4)
    section = found.sections["mood"]
    assert section.confusion.classes == Scale().steps
    assert all(isinstance(row.right, bool) for row in section.rows)
    assert section.rows[0].name == "series.csv:2"
    low, high = found.intervals["mean_error"]
    assert low <= found.metrics["mean_error"] <= high
    assert list(found.baselines) == ["constant"]
    assert found.baselines["constant"].metrics["mean_error"] > found.metrics["mean_error"]
    same = kerastl.compare(model, bundle.path, table)
    assert same.disagreements["mood"].p_value == 1.0
    kerastl.report(bundle.path, table, tmp_path / "report.html")
    assert "Lower is better" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore:.*were trained on")
def test_the_command_line_takes_them(table, tmp_path, invoke):
    own = ("--import", HERE / "mood.py")
    run, made = tmp_path / "run", tmp_path / "bundle"
    recipe = f"{HERE / 'mood.py'}:recipe"
    fitted = invoke("fit", "custom", table, "--recipe", recipe, "--out", run)
    assert fitted["metrics"]["mean_error"] < 0.4
    assert invoke("evaluate", run, table, *own)["metrics"]["examples"] == 200
    assert invoke("export", run, "--out", made, "--format", "onnx", *own)["passed"]
    assert invoke("verify", made, *own)["passed"]
    series = " ".join(["1"] * LENGTH)
    for model in (run, made):
        [answer] = invoke("predict", model, series, *own)["predictions"]
        assert (answer["input"], answer["label"]) == (series, "good")
        [whole] = invoke("predict", model, series, "--all", *own)["predictions"]
        assert list(whole["outputs"]) == ["above_0", "above_1"]
        answers = tmp_path / f"{model.name}.csv"
        invoke("predict", model, series, "--all", "--out", answers, *own)
        heading = answers.read_text().splitlines()[0]
        assert heading == "input,label,probability,above,above_0,above_1"
    assert invoke("benchmark", made, "--data", table, *own)["metric"] == "mean_error"


def test_the_page_shows_what_is_tested_here():
    page = (HERE.parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
    for name in ("scale.py", "series.py", "mood.py"):
        assert f"```python\n# {name}\n{(HERE / name).read_text(encoding='utf-8')}```\n" in page
