"""Commands that need no TensorFlow do not import it: they answer at once."""

import subprocess
import sys

import pytest

HEAVY = {"tensorflow", "keras", "keras_hub", "jax", "torch", "grain", "sklearn", "scipy", "onnx"}


# Not -X importtime: while Keras is imported, the command sends what is printed nowhere.
PROGRAM = """
import atexit, pathlib, sys
atexit.register(lambda: pathlib.Path("imported").write_text(" ".join(sys.modules)))
from kerastl.cli import main
main()
"""


def call(*arguments, folder):
    """Runs the command as a user does: its exit code, what it printed, and what it imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    imported = {name.split(".")[0] for name in (folder / "imported").read_text().split()}
    return done.returncode, done.stderr + done.stdout, imported


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--help"], 0, "fit"),
        (["--version"], 0, "kerastl"),
        (["fit", "image", "--help"], 0, "--backbone"),
        (["backbones", "--json"], 0, "mobilenet_v2"),
        (["backbones", "--modality", "sound"], 2, "modality"),
        (["cache", "list", "--folder", "."], 0, "MB"),
        (["fit", "image", "nowhere", "--out", "run"], 2, "no file or folder 'nowhere'"),
        (["fit", "image", "phots", "--out", "run"], 2, "Did you mean 'photos'"),
        (["fit", "image", "photos"], 2, "--out is missing"),
        (["fit", "image", "photos", "--out", "run", "--epochs", "x"], 2, "--epochs 'x'"),
        (["fit", "image", "photos", "--out", "run", "--validation", "no"], 2, "folder 'no'"),
        (["fit", "image", "photos", "--out", "run", "--plan", "two_phase"], 2, "--plan"),
        (["evaluate", "missing", "photos"], 2, "no run directory missing"),
        (["compare", "missing", "other", "photos"], 2, "no run directory missing"),
        (["report", "missing"], 2, "no run directory missing"),
        (["predict", "missing-folder", "x.jpg"], 2, "no run directory missing-folder"),
        (["export", "missing", "--out", "bundle"], 2, "no run directory missing"),
        (["verify", "nothing"], 2, "nothing is not a bundle"),
        (["benchmark", "photos"], 2, "photos is not a bundle"),
    ],
)
def test_what_answers_at_once(tmp_path, arguments, code, message):
    (tmp_path / "photos").mkdir()
    returned, told, imported = call(*arguments, folder=tmp_path)
    assert returned == code, told
    assert message in " ".join(told.replace("│", " ").split())
    assert not imported & HEAVY


def test_what_needs_keras_is_seen(tmp_path):
    """The check above can fail."""
    (tmp_path / "photos").mkdir()
    returned, _, imported = call("fit", "image", "photos", "--out", "run", folder=tmp_path)
    assert returned == 2
    assert "keras" in imported
