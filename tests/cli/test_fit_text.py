"""``kerastl fit text`` and ``kerastl fit embedding``, to an answer of the trained model."""

from __future__ import annotations

import csv
import json

import pytest

import kerastl

pytest.importorskip("keras_hub")


@pytest.fixture(scope="module")
def table(reviews, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "reviews.csv"
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["said", "meant"])
        writer.writerows(zip(*reviews, strict=True))
    return path


@pytest.fixture(scope="module")
def options(table, tiny_text):
    return (
        table, "--text-column", "said", "--label-column", "meant", "--backbone", tiny_text,
        "--max-length", 48, "--batch-size", 16,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*were trained on")
def test_a_classifier(call, options, table, reviews, tmp_path):
    run = tmp_path / "run"
    code, out, err = call(
        "fit", "text", *options, "--epochs", "2,1", "--learning-rate", "1e-2,3e-3",
        "--train-from", "-1", "--out", run, "--json",
    )  # fmt: skip
    assert code == 0, err
    result = json.loads(out)
    assert result["classes"] == ["negative", "positive"]
    phases = [(phase["epochs"], phase["learning_rate"]) for phase in result["phases"]]
    assert phases == [(2, 1e-2), (1, 3e-3)]
    assert result["phases"][1]["train_from"] == "-1"
    assert kerastl.load(run).metrics["accuracy"] == result["metrics"]["accuracy"]
    # The same table without its heading.
    bare = tmp_path / "bare.csv"
    bare.write_text(table.read_text("utf-8").split("\n", 1)[1], "utf-8")
    code, out, err = call("evaluate", run, bare, "--columns", "said,meant", *options[1:5], "--json")
    assert code == 0, err
    assert json.loads(out)["metrics"]["examples"] == len(reviews[0])
    code, out, _ = call("predict", run, "a good great film")
    assert code == 0
    assert out.split()[-2] in result["classes"]


def test_an_embedding(call, options, tmp_path):
    run = tmp_path / "run"
    code, out, err = call(
        "fit", "embedding", *options, "--epochs", 2, "--learning-rate", "3e-3", "--train-from",
        "-1", "--dimensions", 4, "--out", run, "--json",
    )  # fmt: skip
    assert code == 0, err
    result = json.loads(out)
    [phase] = result["phases"]
    assert (phase["train_from"], phase["epochs"], phase["learning_rate"]) == ("-1", 2, 3e-3)
    assert set(result["metrics"]) == {"precision_at_1", "pair_auc", "examples"}
    assert kerastl.load(run).embed("a good film").shape == (1, 4)


@pytest.mark.parametrize("task", ["text", "embedding"])
def test_what_cannot_be_done(call, options, table, tmp_path, task):
    for arguments, message in (
        (options, "--out is missing"),
        ((table, *options[3:], "--out", tmp_path / "run"), "said"),
        ((*options, "--train-from", "layer_9", "--out", tmp_path / "run"), "layer_9"),
    ):
        code, out, err = call("fit", task, *arguments)
        assert (code, out) == (2, ""), err
        assert message in err
