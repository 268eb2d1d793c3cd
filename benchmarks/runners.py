"""The bundle's runners beside the model, photo by photo, in environments without kerastl.

    python benchmarks/runners.py RUN BUNDLE PHOTOS --python PYTHON [--tensorflow-python PYTHON]

PYTHON is an interpreter with onnxruntime, ai-edge-litert, Pillow and NumPy, and without kerastl
or Keras; the other one has TensorFlow.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

import kerastl

RUNNERS = Path(__file__).parents[1] / "export"


def absent(python, package):
    code = (
        f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is not None)"
    )
    return subprocess.run([python, "-c", code], check=False, cwd="/").returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--tensorflow-python")
    arguments = parser.parse_args()
    photos = [str(p) for p in sorted(arguments.photos.rglob("*")) if p.is_file()]
    expected = kerastl.load(arguments.run).predict(photos)

    print("| runner | photos | same label | largest difference of probability | kerastl absent |")
    print("|---|---|---|---|---|")
    worst = 0
    for runner in ("run_saved_model.py", "run_onnx.py", "run_litert.py"):
        python = arguments.python
        if runner == "run_saved_model.py":
            python = arguments.tensorflow_python or python
        command = [python, str(RUNNERS / runner), str(arguments.bundle), *photos, "--json"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows = json.loads(done.stdout)
        rows = rows["predictions"] if isinstance(rows, dict) else rows
        same = sum(r["label"] == label for r, label in zip(rows, expected.labels, strict=True))
        diff = np.abs([r["probability"] for r in rows] - expected.confidences).max()
        print(f"| {runner} | {len(rows)} | {same} | {diff:.1e} | {absent(python, 'kerastl')} |")
        worst += same != len(photos) or diff > 1e-3
    return int(worst > 0)


if __name__ == "__main__":
    sys.exit(main())
