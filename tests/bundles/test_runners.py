"""The consumer's scripts, run as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kerastl.data import decode_image

from .conftest import CLASS_NAMES, HEIGHT, WIDTH

RUNNERS = Path(__file__).resolve().parents[2] / "export"


def run(script, *arguments, cwd):
    return subprocess.run(
        [sys.executable, str(RUNNERS / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
    )


@pytest.mark.parametrize(
    ("script", "options", "tolerance"),
    [
        ("run_saved_model.py", (), 1e-3),
        ("run_onnx.py", (), 1e-3),
        ("run_litert.py", (), 1e-3),
        ("run_litert.py", ("--quantization", "float16"), 0.02),
        ("run_litert.py", ("--quantization", "dynamic"), 0.1),
        ("run_litert.py", ("--quantization", "int8"), 0.2),
        ("run_litert.py", ("--quantization", "int16x8"), 0.1),
    ],
)
def test_a_runner_gives_the_networks_label(exported, trained, tmp_path, script, options, tolerance):
    done = run(script, exported.bundle.path, *trained.files, "--json", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    predictions = json.loads(done.stdout)["predictions"]
    assert [item["input"] for item in predictions] == [str(file) for file in trained.files]
    for item, file in zip(predictions, trained.files, strict=True):
        row = trained.predict(decode_image(file, (HEIGHT, WIDTH))[None])[0]
        if tolerance <= 1e-3 or row.max() > 0.6:
            assert item["label"] == CLASS_NAMES[row.argmax()]
        assert item["probability"] == pytest.approx(row.max(), abs=tolerance)


def test_plain_lines_and_a_missing_image(exported, trained, tmp_path):
    done = run("run_onnx.py", exported.bundle.path, trained.files[0], cwd=tmp_path)
    path, label, probability = done.stdout.strip().split("\t")
    assert path == str(trained.files[0])
    assert label in CLASS_NAMES
    assert 0 <= float(probability) <= 1
    done = run("run_onnx.py", exported.bundle.path, "missing.jpg", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Cannot read the input")
    assert done.stdout == ""


def test_several_answers_on_one_line(several_case, tmp_path):
    path, file = several_case.bundle.path, several_case.given[0]
    done = run("run_onnx.py", path, file, cwd=tmp_path)
    source, answers = done.stdout.rstrip("\n").split("\t")
    assert source == str(file)
    assert [part.split(": ")[0] for part in answers.split("; ")] == list(several_case.task.outputs)
    done = run("run_onnx.py", path, file, "--json", cwd=tmp_path)
    [item] = json.loads(done.stdout)["predictions"]
    assert list(item) == ["input", "label", "probability", *several_case.task.outputs]
    assert item["size (cm)"]["value"] == pytest.approx(
        float(several_case.model.outputs(file)["size (cm)"][0, 0]), abs=1e-3
    )


def test_sources_from_a_file_and_a_folder_that_is_no_bundle(exported, trained, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("".join(f"{file}\n" for file in trained.files), encoding="utf-8")
    done = run("run_litert.py", exported.bundle.path, "--lines", lines, "--json", cwd=tmp_path)
    found = json.loads(done.stdout)["predictions"]
    assert [item["input"] for item in found] == [str(file) for file in trained.files]
    done = run("run_onnx.py", tmp_path, trained.files[0], cwd=tmp_path)
    assert done.returncode == 1
    assert "is no bundle" in done.stderr


@pytest.mark.parametrize("script", sorted(file.name for file in RUNNERS.glob("*.py")))
def test_runners_import_neither_kerastl_nor_keras(script):
    source = (RUNNERS / script).read_text("utf-8")
    lines = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert not any("keras" in line for line in lines)
