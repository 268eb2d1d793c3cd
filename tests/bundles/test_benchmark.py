"""``kerastl benchmark`` on the shared bundle."""

from __future__ import annotations

import json
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from kerastl.bundles import benchmark
from kerastl.bundles.benchmarking import as_markdown
from kerastl.cli.main import app
from kerastl.errors import BundleError, ConfigurationError, DataError

from .conftest import CLASS_NAMES
from .test_planted_faults import forge


@pytest.fixture(scope="module")
def photos(trained, tmp_path_factory):
    """The validation images as PNG files, one folder a class."""
    folder = tmp_path_factory.mktemp("data")
    for name in CLASS_NAMES:
        (folder / name).mkdir()
    for index, (image, label) in enumerate(zip(trained.x_val[:40], trained.y_val, strict=False)):
        Image.fromarray(image).save(folder / CLASS_NAMES[label] / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def measured(exported, photos):
    return benchmark(exported.bundle.path, photos, threads=1)


def test_every_file_is_measured(measured, exported, trained):
    assert json.loads(json.dumps(measured)) == measured
    assert measured["threads"] == 1
    assert measured["cores"] >= 1
    assert measured["examples"] == 40
    paths = [artifact.path for artifact in exported.bundle.artifacts]
    assert [artifact["path"] for artifact in measured["artifacts"]] == paths
    expected = (trained.predict(trained.x_val[:40]).argmax(1) == trained.y_val[:40]).mean()
    for artifact, known in zip(measured["artifacts"], exported.bundle.artifacts, strict=True):
        assert artifact["bytes"] == known.bytes
        assert artifact["load_seconds"] > 0
        for size in ("1", "32"):
            figures = artifact["latency"][size]
            assert 0 < figures["median_ms"] <= figures["p95_ms"]
            assert figures["runs"] >= 10
        assert artifact["peak_memory_bytes"] > artifact["base_memory_bytes"] > 1e6
        assert artifact["metrics"]["accuracy"] == artifact["accuracy"]
        assert artifact["accuracy_low"] <= artifact["accuracy"] <= artifact["accuracy_high"]
        if known.quantization is None:
            assert artifact["accuracy"] == pytest.approx(expected)
    # TensorFlow alone is larger than any of the other runtimes with its model.
    memory = {item["path"]: item["peak_memory_bytes"] for item in measured["artifacts"]}
    assert memory["saved_model"] > memory["model.tflite"]


def test_markdown(measured, exported):
    text = as_markdown(measured)
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(exported.bundle.artifacts)
    assert all(line.count("|") == 8 for line in rows)
    assert "1 threads" in text
    assert "Accuracy on 40 images." in text


def test_the_table_of_the_terminal_fits_80_columns(measured):
    from rich.console import Console

    from kerastl.cli.benchmark import _show

    with (console := Console(width=80)).capture() as capture:
        _show(measured, console)
    text = capture.get()
    assert "model_int16x8.tflite" in text
    assert "…" not in text


def test_the_command(exported, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    folder, table = tmp_path / "bundle", tmp_path / "table.md"
    shutil.copytree(exported.bundle.path, folder)
    forge(folder, keep=["model.onnx"])
    capfd.readouterr()
    with pytest.raises(SystemExit) as stop:
        app(["benchmark", str(folder), "--markdown", str(table), "--json"])
    assert not stop.value.code
    out, err = capfd.readouterr()
    result = json.loads(out)
    assert "measuring model.onnx" in err
    assert result["examples"] is None
    assert [item["accuracy"] for item in result["artifacts"]] == [None]
    assert [item["metrics"] for item in result["artifacts"]] == [None]
    assert "Accuracy" not in table.read_text("utf-8")
    with pytest.raises(SystemExit) as stop:
        app(["benchmark", str(folder), "--markdown", str(tmp_path / "no" / "table.md")])
    assert stop.value.code == 2
    assert "there is no folder" in capfd.readouterr()[1]


def test_what_is_refused(exported, photos, tmp_path):
    path = exported.bundle.path
    with pytest.raises(ConfigurationError, match="threads must be 1 or more; received 0"):
        benchmark(path, threads=0)
    with pytest.raises(BundleError, match="no bundle"):
        benchmark(tmp_path)
    (tmp_path / "other" / "x").mkdir(parents=True)
    (tmp_path / "other" / "y").mkdir()
    for name in "xy":
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "other" / name / "0.png")
    with pytest.raises(DataError):
        benchmark(path, tmp_path / "other")
    folder = tmp_path / "bundle"
    shutil.copytree(path, folder)
    with (folder / "model_int8.tflite").open("ab") as handle:
        handle.write(b"x")
    with pytest.raises(BundleError, match=r"model_int8\.tflite is missing or was changed"):
        benchmark(folder)
