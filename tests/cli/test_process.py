"""The command in a process of its own: standard streams, Ctrl-C, kill, resuming."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import kerastl

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are of POSIX")
ROOT = Path(kerastl.__file__).parents[1]
COMMAND = (sys.executable, "-c", "from kerastl.cli import main; main()")
SECONDS = 120


def start(*arguments):
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def finish(process):
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def options(small_weights, colour_folder):
    return (
        "fit", "image", colour_folder, "--backbone", "mobilenet_0.25", "--weights", small_weights,
        "--image-size", 32, "--batch-size", 4, "--views", 2, "--epochs", "40,2",
        "--learning-rate", "1e-2,1e-3", "--train-from", "-1", "--json",
    )  # fmt: skip


def weights_of(run):
    return kerastl.load(run).network.get_weights()


def test_ctrl_c_and_resume_end_like_an_uninterrupted_run(options, tmp_path):
    whole = start(*options, "--out", tmp_path / "whole")
    broken = start(*options, "--out", tmp_path / "broken")
    # The head's training begins after the frozen part's line; its epochs take seconds.
    for line in broken.stderr:
        if line.startswith("frozen part, validation"):
            break
    time.sleep(0.7)
    broken.send_signal(signal.SIGINT)
    code, out, err = finish(broken)
    assert (code, out) == (130, "")
    assert "--resume" in err
    assert "Traceback" not in err
    assert (tmp_path / "broken" / "checkpoints").is_dir()

    code, out, err = finish(whole)
    assert code == 0, err
    assert out.count("\n") == 1
    assert "fine-tune" in err

    code, out, err = finish(start(*options, "--out", tmp_path / "broken", "--resume"))
    assert code == 0, err
    result = json.loads(out)
    assert [phase["name"] for phase in result["phases"]] == ["head", "fine-tune"]
    assert result["phases"][0]["epochs"] == 40
    for one, two in zip(
        weights_of(tmp_path / "whole"), weights_of(tmp_path / "broken"), strict=True
    ):
        np.testing.assert_array_equal(one, two)
    assert sorted(p.name for p in (tmp_path / "whole").iterdir()) == sorted(
        p.name for p in (tmp_path / "broken").iterdir()
    )


def test_a_terminated_export_leaves_nothing(trained, tmp_path):
    """As docker stop, systemd and batch systems end a command."""
    process = start("export", trained[1], "--out", tmp_path / "b", "--format", "onnx")
    for line in process.stderr:
        if line.startswith("converting"):
            break
    worker = next(int(pid) for pid in children_of(process.pid))
    process.send_signal(signal.SIGTERM)
    code, out, err = finish(process)
    assert (code, out) == (130, "")
    assert "Interrupted" in err
    assert "--resume" not in err
    assert list(tmp_path.iterdir()) == []
    assert not Path(f"/proc/{worker}").exists()


def children_of(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_backend_that_is_not_installed(tmp_path):
    # Listing backbones needs none; training does.
    process = subprocess.run(
        [*COMMAND, "fit", "image", str(tmp_path), "--out", str(tmp_path / "run"), "--json"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "nonesuch"},
    )
    assert (process.returncode, process.stdout) == (2, "")
    assert "Traceback" not in process.stderr
    assert "backend" in process.stderr
