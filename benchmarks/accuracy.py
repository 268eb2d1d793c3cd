"""Accuracy of the default recipe on a folder of photos, beside the same without pretraining.

    python benchmarks/accuracy.py ../shared/data/trashnet_small \\
        --weights ../shared/weights/mobilenetv2_1.0_224_imagenet_ptq_notop.weights.h5

Each row is one call of ``kerastl fit image``: the default recipe with pretrained weights; the very
same recipe with random ones, most of which stay frozen; and, as the fair baseline, training from
scratch for as many epochs, where everything trains and BatchNorm is free.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def fit(arguments, weights, seed, out, *options):
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
        *options,
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
    ways = {
        "pretrained": (arguments.weights,),
        "none": ("none",),
        "none, from scratch": ("none", "--plan", "full"),
    }
    for name, (weights, *options) in ways.items():
        for seed in range(arguments.seeds):
            out = folder / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
            result = fit(arguments, weights, seed, out, *options)
            phases = result["phases"]
            head = f"{phases[0]['accuracy']:.3f}" if len(phases) > 1 else "-"
            final = result["metrics"]["accuracy"]
            seconds = sum(phase["seconds"] for phase in phases)
            results.setdefault(name, []).append(final)
            print(f"| {name} | {seed} | {head} | {final:.3f} | {seconds:.0f} |", flush=True)
    print()
    for name, values in results.items():
        gain = np.mean(results["pretrained"]) - np.mean(values)
        print(f"{name}: mean {np.mean(values):.3f}, pretrained better by {gain:.3f}")


if __name__ == "__main__":
    main()
