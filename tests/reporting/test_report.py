"""``kerastl.report`` of runs and bundles, with and without data."""

import json
import shutil

import pytest

import kerastl
from tests.cli.test_main import fit_options  # noqa: F401
from tests.reporting.pages import checked

pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture(scope="module")
def bundle(trained, tmp_path_factory):
    return trained[0].export(tmp_path_factory.mktemp("bundle") / "bundle", formats=("onnx",)).path


def test_a_run_with_data(trained, colour_folder, bundle, tmp_path):
    path = kerastl.report(
        trained[1], colour_folder, tmp_path / "page.html", split="validation", bundles=[bundle]
    )
    assert path == tmp_path / "page.html"
    page, content = checked(path)
    found = kerastl.evaluate(trained[1], colour_folder, split="validation")
    assert content["evaluation"]["metrics"] == pytest.approx(found.metrics)
    assert content["data"] == f"{colour_folder} (validation)"
    assert [row["path"] for row in content["files"]] == ["model.onnx"]
    assert content["origin"]["backbone"] == "mobilenet_0.25"
    assert [phase["boundary"] for phase in content["phases"]]
    assert content["counts"]["train"]["probabilities"] == dict.fromkeys(
        ("blue", "green", "red"), 12
    )
    assert "used for validation" in page.text
    # The folders of this machine are in the examples' paths alone.
    assert str(trained[1].parent) not in json.dumps(content["origin"])


def test_a_run_without_data_shows_its_validation_examples(trained, tmp_path):
    path = kerastl.report(trained[1], out=tmp_path / "report.html")
    page, content = checked(path)
    assert content["data"] is None
    assert content["evaluation"]["metrics"] == trained[0].metrics
    assert page.of("img")
    assert "validation examples that the run keeps" in page.text


def test_photos_that_are_gone_are_told(trained, tmp_path):
    run = shutil.copytree(trained[1], tmp_path / "run")
    text = (run / "evaluation.json").read_text(encoding="utf-8")
    stored = json.loads(text)
    for row in stored["outputs"]["probabilities"]["rows"]:
        row["path"] = str(tmp_path / "gone" / row["name"])
    (run / "evaluation.json").write_text(json.dumps(stored), encoding="utf-8")
    page, content = checked(kerastl.report(run, out=tmp_path / "report.html"))
    assert not page.of("img")
    assert "images cannot be shown" in content["notes"][-1]
    (run / "evaluation.json").unlink()
    page, content = checked(kerastl.report(run, out=tmp_path / "report.html"))
    assert content["evaluation"] is None
    assert content["metrics"] == trained[0].metrics
    assert "give labelled data" in page.text


def test_a_bundle(bundle, colour_folder, tmp_path):
    benchmark = tmp_path / "benchmark.json"
    entry = {"median_ms": 1.25}
    rows = [{"path": "model.onnx", "latency": {"1": entry, "32": entry}, "peak_memory_bytes": 9}]
    benchmark.write_text(json.dumps({"artifacts": rows}), encoding="utf-8")
    page, content = checked(kerastl.report(bundle, out=tmp_path / "a.html", benchmark=benchmark))
    assert content["evaluation"] is None
    assert content["files"][0]["ms_of_one"] == 1.25
    assert content["files"][0]["label_agreement"] == 1.0
    page, content = checked(kerastl.report(bundle, colour_folder / "val", tmp_path / "b.html"))
    assert content["evaluation"]["baselines"] == {}
    assert content["model"]["kind"] == "bundle"
    assert page.of("svg")
    with pytest.raises(kerastl.ConfigurationError, match="is not what `kerastl benchmark"):
        kerastl.report(bundle, out=tmp_path / "c.html", benchmark=bundle / "manifest.json")


def test_bundles_in_the_run_are_found(trained, bundle, tmp_path):
    run = shutil.copytree(trained[1], tmp_path / "run")
    shutil.copytree(bundle, run / "shipped")
    _, content = checked(kerastl.report(run, out=run / "report.html"))
    assert [row["bundle"] for row in content["files"]] == ["shipped"]
    assert kerastl.load(run).metrics == trained[0].metrics


def test_no_file_of_others_is_replaced(trained, tmp_path):
    run = shutil.copytree(trained[1], tmp_path / "run")
    with pytest.raises(kerastl.ConfigurationError, match="not of a report"):
        kerastl.report(run, out=run / "metrics.html")
    assert not (run / "metrics.html").exists()
    with pytest.raises(kerastl.ConfigurationError, match="there is no folder"):
        kerastl.report(run, out=tmp_path / "none" / "report.html")
    with pytest.raises(kerastl.ConfigurationError, match="name a file"):
        kerastl.report(run, out=run / "report.json")
    with pytest.raises(kerastl.ConfigurationError, match="name a file"):
        kerastl.report(run, out=run)
    kerastl.report(run, out=run / "report.html")
    kerastl.report(run, out=run / "report.html")


def test_without_jinja_the_extra_is_named(trained, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(kerastl.MissingExtraError, match=r"kerastl\[report\]"):
        kerastl.report(trained[1], out=tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_the_command(call, trained, colour_folder, tmp_path):
    out = tmp_path / "page.html"
    code, text, err = call(
        "report", trained[1], colour_folder, "--split", "validation", "--out", out, "--json"
    )
    assert code == 0, err
    assert json.loads(text) == {"report": str(out), "json": str(tmp_path / "page.json")}
    checked(out)
    code, text, _ = call("report", trained[1], "--out", out)
    assert (code, text) == (0, f"report: {out}\n")
    code, text, err = call("report", trained[1], "--out", tmp_path)
    assert (code, text) == (2, "")
    assert "name a file" in err


def test_fit_writes_it(call, fit_options, colour_folder, tmp_path):  # noqa: F811
    run = tmp_path / "run"
    code, out, err = call(
        "fit", "image", colour_folder, *fit_options, "--epochs", "1,1", "--train-from", "-1",
        "--out", run, "--report", "--json",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(out)["report"] == str(run / "report.html")
    checked(run / "report.html")
