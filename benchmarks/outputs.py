"""Images with several labels, with a number, with two outputs, and as vectors.

    python benchmarks/outputs.py labels  --data ../shared/data/trashnet_small --weights WEIGHTS
    python benchmarks/outputs.py number  --data ../shared/data/trashnet_small --weights WEIGHTS
    python benchmarks/outputs.py cells   --data ../shared/data/bccd --weights WEIGHTS
    python benchmarks/outputs.py vectors --data ../shared/data/emoji_domains --weights WEIGHTS

WEIGHTS is a file for ``--backbone`` (mobilenet_0.5 at 160 pixels unless told). Every row is a mean
over seeds with the smallest and the largest, beside the strongest simple baseline on the same
images and split: logistic or ridge regression on the frozen backbone's pooled features, its
strength of regularisation chosen by cross-validation. The last seed's model is exported in three
formats, and the table of the proof is printed.
"""

import argparse
import csv
import tempfile
import warnings
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

import kerastl
from kerastl.data import decode_image, load
from kerastl.inputs import IMAGES
from kerastl.training import SilentReporter

FORMATS = ("saved_model", "onnx", "litert")
PAIRS = 300
QUIET = {"reporter": SilentReporter()}


def recipe(arguments, **settings):
    return kerastl.ImageClassification(
        backbone=arguments.backbone,
        weights=arguments.weights,
        image_size=arguments.image_size,
        **settings,
    )


def features(arguments, sources):
    """Pooled features of the frozen backbone, float32 (n, features)."""
    made = kerastl.ImageEmbedding(
        backbone=arguments.backbone, weights=arguments.weights, image_size=arguments.image_size
    )
    base = made.build_base()
    size = (arguments.image_size,) * 2
    images = np.stack([decode_image(source, size) for source in sources]).astype("float32")
    found = base.model.predict(images, batch_size=32, verbose=0)
    return found if found.ndim == 2 else found.mean(axis=(1, 2))


def pairs(data, folder):
    """Photos of two classes side by side, and a table of their labels."""
    rng = np.random.default_rng(0)
    files = {}
    for path in sorted((data / "train").rglob("*.jpg")):
        files.setdefault(path.parent.name, []).append(path)
    table = folder / "pairs.csv"
    with table.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["image", "label"])
        for index in range(PAIRS):
            names = rng.choice(sorted(files), size=2, replace=False)
            photos = [Image.open(rng.choice(files[name])).resize((160, 160)) for name in names]
            both = Image.new("RGB", (320, 160))
            for place, photo in enumerate(photos):
                both.paste(photo, (160 * place, 0))
            both.save(folder / f"{index}.jpg", quality=92)
            writer.writerow([f"{index}.jpg", ",".join(sorted(names))])
    return table


def brightness(data, folder):
    """Photos with their mean grey level; the column names the unit."""
    table = folder / "brightness.csv"
    with table.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["image", "brightness (grey level)"])
        for path in sorted((data / "train").rglob("*.jpg")):
            writer.writerow([path, f"{np.asarray(Image.open(path).convert('L')).mean():.2f}"])
    return table


def cells(data, folder, missing):
    """Blood-cell photos: how many red cells, and which other cells are there."""
    rng = np.random.default_rng(0)
    table = folder / f"cells_{missing:.2f}.csv"
    with table.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["image", "red cells", "present"])
        for path in sorted((data / "Annotations").glob("*.xml")):
            names = [node.text for node in ElementTree.parse(path).iter("name")]
            present = sorted({name for name in names if name != "RBC"})
            # A field of the separator alone means none of them; an empty one that nobody looked.
            row = [str(names.count("RBC")), ",".join(present) or ","]
            row = ["" if rng.random() < missing else value for value in row]
            writer.writerow([data / "JPEGImages" / f"{path.stem}.jpg", *row])
    return table


def simple(arguments, train, held_out, name):
    """What a baseline reaches of one output of data sets, by the output's own measure."""
    from sklearn.linear_model import LogisticRegressionCV, RidgeCV

    output = train.outputs[name]
    known = output.present(train.targets[name])
    x = features(arguments, [s for s, k in zip(train.sources, known, strict=True) if k])
    y = train.targets[name][known]
    judged = features(arguments, held_out.sources)
    if y.dtype.kind == "f" and y.ndim == 1:
        answers = RidgeCV(np.logspace(-2, 4, 13)).fit(x, y).predict(judged)[:, None]
    else:
        columns = []
        for column in y.T:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = LogisticRegressionCV(Cs=7, cv=4, max_iter=500).fit(x, column > 0.5)
            columns.append(model.predict_proba(judged)[:, 1])
        answers = np.stack(columns, axis=1)
    answers = answers.astype(np.float32)
    tuned = output.tuned(held_out.targets[name], answers)
    return tuned.measure(held_out.targets[name], answers)


def compare(title, arguments, table, metrics, **settings):
    """One row for each metric; returns the last model."""
    ours, theirs = {}, {}
    for seed in range(arguments.seeds):
        made = recipe(arguments, **settings.get("recipe", {}))
        model = made.fit(table, seed=seed, **settings.get("data", {}), **QUIET)
        parts = made.load(table, seed=seed, **settings.get("data", {}))
        for name in parts[0].outputs:
            prefix = f"{name}/" if len(parts[0].outputs) > 1 else ""
            found = simple(arguments, *parts, name)
            for key in metrics:
                if key.startswith(prefix) and key.removeprefix(prefix) in found:
                    theirs.setdefault(key, []).append(found[key.removeprefix(prefix)])
        for key in metrics:
            ours.setdefault(key, []).append(model.metrics[key])
    for key in metrics:
        print(f"| {title} | {key} | {spread(ours[key])} | {spread(theirs[key])} |", flush=True)
    return model


def spread(values):
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def proof(model, folder):
    bundle = model.export(folder / "bundle", formats=FORMATS, overwrite=True)
    print("\n| file | examples | differs | agrees | passed |\n|---|---|---|---|---|")
    for item in bundle.artifacts:
        print(
            f"| {item.path} | {item.n} | {item.max_abs_diff:.1e} | {item.label_agreement:.3f} "
            f"| {item.passed} |"
        )
    print(f"verified again: {kerastl.verify(bundle.path).passed}", flush=True)


def vectors(arguments, folder):
    """Precision at 1 before and after fitting on one domain, within each domain and across."""
    made = kerastl.ImageEmbedding(
        backbone=arguments.backbone, weights=arguments.weights, image_size=arguments.image_size,
        augment=kerastl.Augment(flip=False), batch_size=64,
    )  # fmt: skip
    google, twitter = (arguments.data / name for name in ("google", "twitter"))
    print("| domain | seed | before | after |\n|---|---|---|---|", flush=True)
    for seed in range(arguments.seeds):
        train, held_out = load(google, reader=IMAGES).split(0.3, seed=seed)
        fitting, validation = train.split(0.2, seed=seed)
        model = made.fit(fitting, validation, seed=seed, **QUIET)
        plain = made.pretrained(list(held_out.sources[:256]))
        for name, data in (("google, held back", held_out), ("twitter, never seen", twitter)):
            before, after = (m.evaluate(data)["precision_at_1"] for m in (plain, model))
            print(f"| {name} | {seed} | {before:.3f} | {after:.3f} |", flush=True)
    proof(model, folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["labels", "number", "cells", "vectors"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--backbone", default="mobilenet_0.5")
    parser.add_argument("--image-size", type=int, default=160)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if arguments.what == "vectors":
            vectors(arguments, folder)
            return
        print("| images | metric | kerastl | baseline |\n|---|---|---|---|", flush=True)
        if arguments.what == "labels":
            table = pairs(arguments.data, folder)
            model = compare(
                "pairs of photos", arguments, table, ("micro_f1", "macro_f1"),
                recipe={"kind": "multi_label"},
            )  # fmt: skip
        elif arguments.what == "number":
            table = brightness(arguments.data, folder)
            column = "brightness (grey level)"
            model = compare(
                "brightness", arguments, table, ("r2", "mae"),
                recipe={"kind": "regression"}, data={"label_column": column},
            )  # fmt: skip
            print(f"\nthe model's number: {model.task.only.get_config()}")
        else:
            outputs = {"red cells": "regression", "present": "multi_label"}
            metrics = ("red cells/r2", "red cells/mae", "present/micro_f1")
            for missing in (0.0, 1 / 3):
                model = compare(
                    f"cells, {missing:.0%} of labels missing", arguments,
                    cells(arguments.data, folder, missing), metrics, recipe={"outputs": outputs},
                )  # fmt: skip
        proof(model, folder)


if __name__ == "__main__":
    main()
