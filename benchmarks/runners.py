"""The bundle's runners beside the model, example by example, in environments without kerastl.

    python benchmarks/runners.py RUN BUNDLE PHOTOS --python PYTHON [--tensorflow-python PYTHON]
    python benchmarks/runners.py RUN BUNDLE TEXTS.txt --python PYTHON [--tensorflow-python PYTHON]

PYTHON is an interpreter with onnxruntime, ai-edge-litert, Pillow or tokenizers, and NumPy, and
without kerastl or Keras; the other one has TensorFlow, and of texts TensorFlow Text. Texts are
lines of a file; quantised files of texts are run where the bundle has them.
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


def planned(bundle, data):
    """Runners with their options, the examples, and how they are given."""
    names = ("run_saved_model.py", "run_onnx.py", "run_litert.py")
    runs = [(name, ()) for name in names]
    if data.is_dir():
        examples = [str(path) for path in sorted(data.rglob("*")) if path.is_file()]
        return runs, examples, examples
    for name, suffix in (("onnx", "onnx"), ("litert", "tflite")):
        if (bundle / f"model_dynamic.{suffix}").exists():
            runs.append((f"run_{name}.py", ("--quantization", "dynamic")))
    return runs, data.read_text(encoding="utf-8").split("\n")[:-1], ["--lines", str(data)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--python", required=True)
    parser.add_argument("--tensorflow-python")
    arguments = parser.parse_args()
    runs, examples, given = planned(arguments.bundle, arguments.data)
    expected = kerastl.load(arguments.run).predict(examples)

    print("| runner | examples | same label | largest difference of probability | kerastl absent |")
    print("|---|---|---|---|---|")
    worst = 0
    for runner, options in runs:
        python = arguments.python
        if "saved_model" in runner:
            python = arguments.tensorflow_python or python
        command = [python, str(RUNNERS / runner), str(arguments.bundle), *given, *options, "--json"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows = json.loads(done.stdout[done.stdout.index("{") :])
        rows = rows["predictions"] if isinstance(rows, dict) else rows
        same = sum(r["label"] == label for r, label in zip(rows, expected.labels, strict=True))
        diff = np.abs([r["probability"] for r in rows] - expected.confidences).max()
        name = " ".join([runner, *options])
        print(f"| {name} | {len(rows)} | {same} | {diff:.1e} | {absent(python, 'kerastl')} |")
        worst += same != len(examples) or (diff > 1e-3 and not options)
    return int(worst > 0)


if __name__ == "__main__":
    sys.exit(main())
