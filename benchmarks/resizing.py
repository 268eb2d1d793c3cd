"""Stretched, padded or cropped: which way of resizing photos gives the best accuracy.

    python benchmarks/resizing.py --data ../shared/data --weights WEIGHTS [--plan two-phase]

WEIGHTS is a file for ``--backbone`` (mobilenet_v2 at 160 pixels unless told). Four sets of photos
whose aspect ratios are not the network's: litter, objects, surfaces, and cells cut out of photos.
Of each a quarter validates, drawn anew for each of three seeds. Accuracies are means over seeds,
with the smallest and the largest; differences to ``stretch`` are paired by set and seed.
"""

import argparse
import shutil
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

import kerastl
from kerastl.training import SilentReporter

WAYS = ("stretch", "pad", "crop")
SEEDS = (0, 1, 2)
CELLS_OF_A_KIND = 120


def litter(data, folder):
    for split in ("train", "val"):
        shutil.copytree(data / "trashnet_small" / split, folder, dirs_exist_ok=True)


def objects(data, folder):
    for source in (data / "caltech_rank").iterdir():
        if source.is_dir():
            shutil.copytree(source, folder / source.name)


def surfaces(data, folder):
    shutil.copytree(data / "magnetic_tile" / "test", folder)


def cells(data, folder):
    """Cells by kind, cut out by their boxes."""
    kept = {}
    for file in sorted((data / "bccd" / "Annotations").glob("*.xml")):
        root = ElementTree.parse(file).getroot()
        photo = Image.open(data / "bccd" / "JPEGImages" / f"{file.stem}.jpg").convert("RGB")
        for number, item in enumerate(root.iter("object")):
            kind = item.findtext("name")
            ends = [int(item.find("bndbox").findtext(k)) for k in ("xmin", "ymin", "xmax", "ymax")]
            if (
                min(ends[2] - ends[0], ends[3] - ends[1]) < 8
                or kept.get(kind, 0) >= CELLS_OF_A_KIND
            ):
                continue
            kept[kind] = kept.get(kind, 0) + 1
            (folder / kind).mkdir(parents=True, exist_ok=True)
            photo.crop(ends).save(folder / kind / f"{file.stem}_{number}.png")


SETS = {"litter": litter, "objects": objects, "surfaces": surfaces, "cells": cells}


def accuracy(arguments, folder, way, seed):
    plan = None if arguments.plan == "two-phase" else "head_only"
    recipe = kerastl.ImageClassification(
        backbone=arguments.backbone,
        weights=arguments.weights,
        image_size=arguments.image_size,
        resize=way,
        plan=plan,
        augment=kerastl.Augment() if plan is None else None,
    )
    model = recipe.fit(folder, 0.25, seed=seed, reporter=SilentReporter())
    return model.metrics["accuracy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--image-size", type=int, default=160)
    parser.add_argument("--plan", choices=("head-only", "two-phase"), default="head-only")
    arguments = parser.parse_args()
    found = {}
    print(f"| set | {' | '.join(WAYS)} |")
    print(f"|---|{'---|' * len(WAYS)}", flush=True)
    for name, make in SETS.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / name
            make(arguments.data, folder)
            for way in WAYS:
                found[name, way] = [accuracy(arguments, folder, way, seed) for seed in SEEDS]
        cells_of_row = (
            f"{np.mean(found[name, way]):.3f} ({min(found[name, way]):.3f} to "
            f"{max(found[name, way]):.3f})"
            for way in WAYS
        )
        print(f"| {name} | {' | '.join(cells_of_row)} |", flush=True)
    print()
    for way in WAYS[1:]:
        apart = np.array(
            [
                one - other
                for name in SETS
                for one, other in zip(found[name, way], found[name, "stretch"], strict=True)
            ]
        )
        mean, error = 100 * apart.mean(), 100 * apart.std(ddof=1) / np.sqrt(len(apart))
        print(f"{way} less stretch: {mean:+.1f} points, standard error {error:.1f}")


if __name__ == "__main__":
    main()
