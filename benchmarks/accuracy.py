"""Accuracy of the default recipe on a folder of photos, beside the same without pretraining.

    python benchmarks/accuracy.py ../shared/data/trashnet_small \\
        --weights ../shared/weights/mobilenetv2_1.0_224_imagenet_ptq_notop.weights.h5

Each row is one call of ``kerastl fit image``. The recipe with random weights trains everything,
BatchNorm too, for as many epochs; a frozen random base would be no fair baseline.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def fit(arguments, weights, seed, out):
    command = [
        sys.executable,
        "-c",
        "from kerastl.cli import main; main()",
        "fit",
        "image",
        str(arguments.data),
        "--backbone",
        arguments.backbone,
        "--weights",
        weights,
        "--image-size",
        str(arguments.image_size),
        "--seed",
        str(seed),
        "--out",
        str(out),
        "--json",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--image-size", type=int, default=160)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="folder in which the runs are kept")
    arguments = parser.parse_args()
    folder = arguments.keep or Path(tempfile.mkdtemp())
    print("| weights | seed | head alone | final accuracy | seconds |", flush=True)
    print("|---|---|---|---|---|", flush=True)
    results = {}
    for name, weights in (("pretrained", arguments.weights), ("none", "none")):
        for seed in range(arguments.seeds):
            result = fit(arguments, weights, seed, folder / f"{name}-{seed}")
            phases = result["phases"]
            head = f"{phases[0]['accuracy']:.3f}" if len(phases) > 1 else "-"
            final = result["metrics"]["accuracy"]
            seconds = sum(phase["seconds"] for phase in phases)
            results.setdefault(name, []).append(final)
            print(f"| {name} | {seed} | {head} | {final:.3f} | {seconds:.0f} |", flush=True)
    means = {name: np.mean(values) for name, values in results.items()}
    print(
        f"\nmean: pretrained {means['pretrained']:.3f}, none {means['none']:.3f}, "
        f"gain {means['pretrained'] - means['none']:.3f}"
    )


if __name__ == "__main__":
    main()
