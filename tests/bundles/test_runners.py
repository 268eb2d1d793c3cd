"""The consumer's scripts, run as a user runs them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from kerastl.bundles import load_bundle
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
    assert done.returncode == 2
    assert "is no bundle" in done.stderr
    assert "Traceback" not in done.stderr


def test_runners_travel_in_the_bundle(exported, trained, tmp_path):
    bundle = exported.bundle.path
    held = sorted(path.name for path in (bundle / "run").iterdir())
    assert held == ["bundle_io.py", "run_litert.py", "run_onnx.py", "run_saved_model.py"]
    assert {f"run/{name}" for name in held} <= set(exported.bundle.manifest["files"])
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert "python BUNDLE/run/run_onnx.py BUNDLE photo.jpg" in card
    done = subprocess.run(
        [sys.executable, bundle / "run" / "run_onnx.py", bundle, trained.files[0], "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["skipped"] == []


@pytest.mark.parametrize("script", ["run_onnx.py", "run_litert.py"])
def test_damaged_files_cost_no_others_their_answer(exported, trained, tmp_path, script):
    import pillow_heif

    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    photo = tmp_path / "phone.heic"
    pillow_heif.from_pillow(Image.open(trained.files[0]).convert("RGB")).save(photo, quality=100)
    given = [tmp_path / "damaged.png", photo, trained.files[0], tmp_path, tmp_path / "none.jpg"]
    done = run(script, exported.bundle.path, *given, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [item["input"] for item in found["predictions"]] == [str(photo), str(trained.files[0])]
    assert [item["input"] for item in found["skipped"]] == [str(given[i]) for i in (0, 3, 4)]
    assert done.stderr.count("Cannot read the input") == 3
    assert "Traceback" not in done.stderr
    predictor = load_bundle(exported.bundle.path, script[4:-3])
    [wanted] = predictor.answers(predictor.predict(photo))
    assert found["predictions"][0]["label"] == wanted["label"]
    assert found["predictions"][0]["probability"] == pytest.approx(wanted["probability"], abs=1e-4)


def test_what_is_missing_is_named(exported, trained, tmp_path):
    bundle, file = exported.bundle.path, trained.files[0]
    for script, arguments, message in (
        ("run_onnx.py", (bundle, file, "--quantization", "dynamic"), "cannot be opened"),
        ("run_openvino.py", (bundle, file), "holds: saved_model, model.onnx"),
        ("run_onnx.py", (bundle,), "nothing to answer"),
        ("run_onnx.py", (bundle, "--lines", "none.txt"), "none.txt"),
        ("run_onnx.py", (file, file), "is no bundle"),
    ):
        done = run(script, *arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
        assert "Traceback" not in done.stderr
    shutil.copytree(bundle, tmp_path / "changed")
    path = tmp_path / "changed" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["input"]["kind"] = "series"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    done = run("run_onnx.py", tmp_path / "changed", file, cwd=tmp_path)
    assert done.returncode == 2
    assert "inputs of the kind 'series'" in done.stderr
    program = (
        "import sys, runpy; sys.modules['onnxruntime'] = None\n"
        f"sys.path.insert(0, {str(RUNNERS)!r})\n"
        f"sys.argv = ['run_onnx.py', {str(bundle)!r}, {str(file)!r}]\n"
        f"runpy.run_path({str(RUNNERS / 'run_onnx.py')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2
    assert "A package is missing" in done.stderr


@pytest.mark.parametrize("script", sorted(file.name for file in RUNNERS.glob("*.py")))
def test_runners_import_neither_kerastl_nor_keras(script):
    source = (RUNNERS / script).read_text("utf-8")
    lines = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert not any("keras" in line for line in lines)
