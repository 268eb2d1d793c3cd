"""``evaluate``, ``compare`` and the end of ``fit``, as a shell would call them."""

import csv
import json
import shutil

import pytest

from kerastl.cli.summary import summary_of
from kerastl.model import TrainedModel
from tests.cli.test_main import fit_options  # noqa: F401
from tests.conftest import CLASSES


@pytest.fixture(scope="module")
def run(trained):
    return trained[1]


@pytest.fixture(scope="module")
def data(colour_folder):
    return colour_folder / "val"


def test_everything_is_in_the_json(call, run, data):
    code, out, err = call("evaluate", run, data, "--json", "--top", 2)
    assert code == 0, err
    assert out.count("\n") == 1
    found = json.loads(out)
    assert {"metrics", "intervals", "baselines", "outputs", "shared", "notes"} <= set(found)
    section = found["outputs"]["probabilities"]
    assert len(section["rows"]) == 18
    assert len(section["uncertain"]) == 2
    assert section["confusion"]["classes"] == list(CLASSES)
    assert [row["class"] for row in section["tables"]["classes"]["rows"]] == list(CLASSES)


def test_a_person_reads_tables_and_whole_paths(call, run, data):
    code, out, _ = call("evaluate", run, data, "--top", 3)
    assert code == 0
    for words in ("95 % interval", "colour histograms", "Most often confused", "Calibration"):
        assert " ".join(words.split()[:2]) in " ".join(out.split())
    assert str(data / "red") in out
    assert out.count("true: ") <= 6
    assert "18 of 18 images were used for validation" in out


def test_csv(call, run, data, tmp_path):
    table = tmp_path / "rows.csv"
    code, _, err = call("evaluate", run, data, "--csv", table)
    assert code == 0, err
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    assert set(rows[0]) == {"name", "path", "label", "answer", "confidence", "right", "error"}
    code, out, err = call("evaluate", run, data, "--csv", tmp_path / "none" / "rows.csv")
    assert (code, out) == (2, "")
    assert "there is no folder" in err
    code, _, err = call("evaluate", run, data, "--top", -1)
    assert code == 2
    assert "--top" in err


@pytest.mark.filterwarnings("always:The data have no example")
def test_a_class_without_examples_is_told_on_standard_error(call, run, data, tmp_path):
    shutil.copytree(data / "red", tmp_path / "red")
    code, out, err = call("evaluate", run, tmp_path, "--json")
    assert code == 0, err
    assert json.loads(out)["metrics"]["examples"] == 6
    assert "no example of the classes 'blue', 'green'" in err


def test_compare(call, run, data, tmp_path):
    code, out, err = call("compare", run, run, data, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["first"], found["examples"]) == (str(run), 18)
    assert found["metrics"]["accuracy"]["decisive"] is False
    assert found["disagreements"]["probabilities"]["p_value"] == 1.0
    code, out, _ = call("compare", run, run, data)
    assert code == 0
    assert "not decisive" in out
    assert "McNemar" in out
    code, out, err = call("compare", run, tmp_path, data)
    assert (code, out) == (2, "")
    assert "provenance.json is missing" in err


def test_fit_ends_with_classes_and_baselines(call, fit_options, colour_folder, tmp_path):  # noqa: F811
    data = tmp_path / "data"
    shutil.copytree(colour_folder, data)
    for path in sorted((data / "val" / "red").iterdir())[3:]:
        path.unlink()
    for path in sorted((data / "train" / "blue").iterdir())[2:]:
        path.unlink()
    code, out, err = call(
        "fit", "image", data, *fit_options, "--epochs", "1,1", "--train-from", "-1",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert code == 0, err
    text = " ".join(out.split())
    assert "Validation, 15 examples" in text
    assert "the most frequent" in text
    assert "--class-weight balanced weighs rare classes up" in text
    assert "Fewer than 5 validation examples: 'red' (3)" in text


def test_hints_are_given_only_where_there_is_something_to_mend(trained):
    counts = {"train": {"y": {"a": 40, "b": 10}}, "validation": {"y": {"a": 9, "b": 5}}}
    model = TrainedModel(None, trained[0].task, provenance={"class_counts": counts})
    assert summary_of(model, None)["hints"] == []
    counts["train"]["y"]["a"] = 41
    assert "'a' has 41 training examples and 'b' 10" in summary_of(model, None)["hints"][0]
    assert summary_of(model, "balanced")["hints"] == []
    assert summary_of(TrainedModel(None, trained[0].task), None)["class_counts"] == {}
