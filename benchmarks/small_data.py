"""Methods of transfer learning on small data sets, paired, with standard errors.

    W=../shared/weights/mobilenetv2_1.0_224_imagenet_ptq_notop.weights.h5
    python benchmarks/small_data.py images ../shared/data --weights $W --keep FOLDER
    python benchmarks/small_data.py texts ../shared/data --keep FOLDER [--torch PYTHON]
    python benchmarks/small_data.py table FOLDER

A cell is a set, a draw (a new sample of training and test examples) and a method. Each is a line of
FOLDER/results.jsonl with accuracy, log loss and calibration error on test examples that no method
has seen; its probabilities are kept in FOLDER/answers. What is there is not run again, so that a
killed run goes on where it was. ``table`` prints Markdown of what is there.

Methods of images, all on the same backbone, size and files:

- sklearn: L2 logistic regression on frozen pooled features of all training photos; of ten strengths
  the one of the best log loss in 5-fold cross-validation.
- keras: the loop of Keras's transfer-learning guide on all training photos: frozen base, pooling,
  Dropout(0.2) and Dense; Adam at 1e-3 for 20 epochs with RandomFlip and RandomRotation(0.1), then
  all weights with Adam at 1e-5 for 10 epochs. Batches of 32; BatchNormalization stays in inference
  mode; the last epoch counts.
- v0.1.0: what version 0.1.0 did by default, written out; v0.1.0 head: its first phase.
- head, default: ``head_only()`` and the default of this version.

Of texts, with all-MiniLM-L6-v2: tfidf (words and pairs of words, with the same regression), sklearn,
v0.1.0, head, default and, with ``--torch``, trainer: Hugging Face's Trainer, 3 epochs at 5e-5.

kerastl's methods share a cache for each draw, and no time of theirs is told. With ``--timed`` every
fit has an empty one; ``--tag`` names a state of the code, so that two can be compared.
"""

import argparse
import dataclasses
import gc
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
from small_data_sets import IMAGE_SETS, TEXT_SETS, draw_images, draw_texts
from text import WEIGHTS, run_trainer, table

REFERENCES = {
    "images": ("sklearn", "keras", "v0.1.0"),
    "texts": ("tfidf", "sklearn", "v0.1.0", "trainer"),
}
STRENGTHS = np.logspace(-1, 5, 10)
BATCH, MAX_LENGTH, BINS = 32, 128, 10


@dataclasses.dataclass(frozen=True)
class Answer:
    """Probabilities (n, classes) of the test examples, and what else the line says."""

    probabilities: np.ndarray
    seconds: float | None = None
    more: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def image_variants():
    """Methods of kerastl by name: settings of the recipe, and ``validation`` of ``fit``."""
    import kerastl

    same = {"schedule": "cosine", "warmup": 0.1, "weight_decay": 1e-4, "select": "best"}
    head = kerastl.Phase("head", 20, 1e-3, name="head", **same)
    late = kerastl.Phase(
        "recommended", 15, 3e-4, name="fine-tune", label_smoothing=0.1, batch_norm=False, **same
    )
    first = {
        "head": kerastl.Head(pooling="avg", hidden=None, dropout=0.3),
        "augment": kerastl.Augment(views=8, flip=True, crop=(0.6, 1.0), brightness=0.1, seed=0),
        "batch_size": 32,
        "validation": 0.2,
    }
    return {
        "v0.1.0": {"plan": (head, late), **first},
        "v0.1.0 head": {"plan": (head,), **first},
        "head": {"plan": kerastl.head_only()},
        "default": {},
    }


def text_variants():
    import kerastl

    same = {
        "schedule": "cosine", "warmup": 0.1, "weight_decay": 1e-4, "select": "one_standard_error",
    }  # fmt: skip
    head = kerastl.Phase("head", 10, 1e-2, name="head", **same)
    late = kerastl.Phase("recommended", 3, 1e-4, name="fine-tune", label_smoothing=0.1, **same)
    first = {
        "head": kerastl.TextHead(pooling=None, hidden=None, dropout=0.1),
        "batch_size": 32,
        "validation": 0.2,
    }
    return {
        "v0.1.0": {"plan": (head, late), **first},
        "head": {"plan": "head_only"},
        "default": {},
    }


def fit(make, settings, draw, seed, cache):
    """A fit of kerastl, and what it says of itself: its estimate and its phases."""
    from kerastl.training import SilentReporter

    settings = dict(settings)
    validation = settings.pop("validation", None)
    recipe = make(cache=cache, **settings)
    started = time.perf_counter()
    model = recipe.fit(draw.data, validation, seed=seed, reporter=SilentReporter())
    seconds = time.perf_counter() - started
    if tuple(model.class_names) != draw.class_names:
        raise RuntimeError(f"The classes are {model.class_names}, not {draw.class_names}.")
    phases = [{k: v for k, v in record.items() if k != "history"} for record in model.history]
    more = {"estimate": dict(model.metrics), "phases": phases}
    return Answer(model.predict(draw.x_test).probabilities, seconds, more)


def frozen_features(make, *sides):
    """Pooled features of the backbone as it is, float32 (n, features) of each list of sources."""
    import keras

    from kerastl.heads import pool

    recipe = make()
    base = recipe.build_base()
    features = base.model.outputs[0]
    if base.mask is not None:
        features = pool(features, base.mask, recipe.record.pooling)
    elif len(features.shape) == 4:
        features = keras.layers.GlobalAveragePooling2D()(features)
    network = keras.Model(base.model.inputs[0], features)
    found = []
    for sources in sides:
        rows = np.zeros((len(sources), features.shape[-1]), np.float32)
        for positions, batch in base.input.batches(sources, size=BATCH):
            rows[positions] = network.predict_on_batch(batch.astype(network.inputs[0].dtype))
        found.append(rows)
    return found


def regression(x, y, x_test, seed):
    """Logistic regression whose strength is chosen by cross-validated log loss."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    model = LogisticRegressionCV(
        Cs=STRENGTHS, cv=folds, scoring="neg_log_loss", tol=1e-6, max_iter=20_000, l1_ratios=(0,),
        use_legacy_attributes=False,
    )  # fmt: skip
    with threadpool_limits(1):
        model.fit(x, y)
    return model.predict_proba(x_test), {"strength": float(model.C_)}


def sklearn_on_features(make, draw, seed):
    started = time.perf_counter()
    x, x_test = frozen_features(make, draw.x, draw.x_test)
    # Standardised as a whole: what is large beside the rest stays so. Rows have length 1 on
    # average, as TF-IDF's have, whatever the number of features.
    middle = x.mean(axis=0)
    length = np.sqrt(np.square(x - middle).sum(axis=1).mean())
    found, more = regression((x - middle) / length, draw.y, (x_test - middle) / length, seed)
    return Answer(found, time.perf_counter() - started, more)


def tfidf(draw, seed):
    from sklearn.feature_extraction.text import TfidfVectorizer

    started = time.perf_counter()
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    x, x_test = vectors.fit_transform(draw.x), vectors.transform(draw.x_test)
    found, more = regression(x, draw.y, x_test, seed)
    return Answer(found, time.perf_counter() - started, more)


def guide(make, draw, seed):
    """The loop of https://keras.io/guides/transfer_learning/ with the schedule told above."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    started = time.perf_counter()
    built = make().build_base()
    base, pixels = built.model, []
    for sources in (draw.x, draw.x_test):
        images = np.zeros((len(sources), *base.inputs[0].shape[1:]), np.uint8)
        for rows, batch in built.input.batches(sources):
            images[rows] = batch
        pixels.append(images)
    # In the pipeline and not in the network: there they would tell later layers that they train.
    varied = keras.Sequential(
        [keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.1)]
    )
    batches = (
        tf.data.Dataset.from_tensor_slices((pixels[0], draw.y))
        .shuffle(len(draw.y), seed=seed)
        .batch(BATCH)
        .map(lambda x, y: (varied(tf.cast(x, tf.float32), training=True), y))
        .prefetch(2)
    )
    base.trainable = False
    image = keras.Input(base.inputs[0].shape[1:])
    features = keras.layers.GlobalAveragePooling2D()(base(image, training=False))
    features = keras.layers.Dropout(0.2)(features)
    network = keras.Model(image, keras.layers.Dense(len(draw.class_names))(features))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(1e-3), loss)
    network.fit(batches, epochs=20, verbose=0)
    base.trainable = True
    for layer in _layers(base):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    network.compile(keras.optimizers.Adam(1e-5), loss)
    network.fit(batches, epochs=10, verbose=0)
    seconds = time.perf_counter() - started
    scores = network.predict(pixels[1].astype("float32"), batch_size=BATCH, verbose=0)
    return Answer(_softmax(scores), seconds)


def _layers(model):
    for layer in model.layers:
        yield layer
        yield from _layers(layer) if hasattr(layer, "layers") else ()


def _softmax(scores):
    powers = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def trainer(python, draw, seed):
    numbers = [int(label) for label in draw.y]
    seconds, scores = run_trainer(
        python, list(draw.x), numbers, list(draw.x_test), seed=seed, seed_of_order=seed,
        max_length=MAX_LENGTH,
    )  # fmt: skip
    return Answer(_softmax(scores), seconds)


def methods_of(arguments) -> dict[str, Callable[..., Answer]]:
    """Functions of a draw, a seed and a folder for the cache, by name; and kerastl's names."""
    import kerastl

    if arguments.what == "images":
        variants, settings = image_variants(), {
            "backbone": arguments.backbone, "weights": arguments.weights,
            "image_size": arguments.image_size,
        }  # fmt: skip
        kind = kerastl.ImageClassification
    else:
        variants, settings = text_variants(), {"weights": WEIGHTS, "max_length": MAX_LENGTH}
        kind = kerastl.TextClassification

    def make(**more):
        return kind(**settings, **more)

    def of_kerastl(variant):
        def run(draw, seed, cache):
            if not arguments.timed:
                return dataclasses.replace(fit(make, variant, draw, seed, cache), seconds=None)
            with tempfile.TemporaryDirectory() as empty:
                return fit(make, variant, draw, seed, empty)

        return run

    found = {"sklearn": lambda draw, seed, _: sklearn_on_features(make, draw, seed)}
    if arguments.what == "images":
        found["keras"] = lambda draw, seed, _: guide(make, draw, seed)
    else:
        found["tfidf"] = lambda draw, seed, _: tfidf(draw, seed)
        if arguments.torch is not None:
            found["trainer"] = lambda draw, seed, _: trainer(arguments.torch, draw, seed)
    tag = f" ({arguments.tag})" if arguments.tag else ""
    names = {name: name if name.startswith("v0.1.0") else f"{name}{tag}" for name in variants}
    chosen = arguments.methods or [*found, *variants]
    found |= {names[name]: of_kerastl(variant) for name, variant in variants.items()}
    chosen = [names.get(name, name) for name in chosen]
    unknown = sorted(set(chosen) - set(found))
    if unknown:
        sys.exit(f"There are no methods {', '.join(unknown)}: there are {', '.join(found)}.")
    return {name: found[name] for name in chosen}


def scores(labels, probabilities):
    """Accuracy, log loss in nats, and the calibration error over ten bins of equal mass."""
    shares = np.asarray(probabilities, np.float64)
    shares = np.clip(shares / shares.sum(axis=1, keepdims=True), 1e-7, 1.0)
    right, sure = shares.argmax(axis=1) == labels, shares.max(axis=1)
    error = sum(
        abs(right[rows].mean() - sure[rows].mean()) * len(rows)
        for rows in np.array_split(np.argsort(sure, kind="stable"), BINS)
    )
    return {
        "accuracy": float(right.mean()),
        "log_loss": float(-np.log(shares[np.arange(len(labels)), labels]).mean()),
        "ece": float(error / len(labels)),
    }


def read_results(folder):
    """The lines that are whole."""
    file, rows = folder / "results.jsonl", []
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"Left out a line that was cut off: {line[:40]}", file=sys.stderr)
    return rows


def append(folder, row):
    with (folder / "results.jsonl").open("ab+") as handle:
        handle.seek(0, os.SEEK_END)
        if handle.tell():
            handle.seek(-1, os.SEEK_END)
            # A line that a kill cut off stays alone.
            handle.write(b"" if handle.read(1) == b"\n" else b"\n")
        handle.write(json.dumps(row, default=float).encode() + b"\n")
        handle.flush()
        os.fsync(handle.fileno())


def where(row):
    return tuple(row.get(key) for key in ("what", "backbone", "image_size", "set", "draw"))


def run(arguments):
    import keras

    images = arguments.what == "images"
    sets = arguments.sets or list(IMAGE_SETS if images else TEXT_SETS)
    for name in sets:
        if name not in (IMAGE_SETS if images else TEXT_SETS):
            sys.exit(f"There is no set {name!r}: {', '.join(IMAGE_SETS if images else TEXT_SETS)}.")
    keep = arguments.keep
    setting = {"what": arguments.what}
    setting |= (
        {"backbone": arguments.backbone, "image_size": arguments.image_size} if images else {}
    )
    methods = methods_of(arguments)
    for folder in ("images", "cache", "answers"):
        (keep / folder).mkdir(parents=True, exist_ok=True)
    known = {(*where(row), row["method"]): row["seconds"] is not None for row in read_results(keep)}
    for number in range(arguments.draws):
        for name in sets:
            place = f"{name.replace(' ', '_')}-{number}"
            draw = None
            for method, answer in methods.items():
                row = {**setting, "set": name, "draw": number, "method": method}
                key = (*where(row), method)
                if key in known and (known[key] or not arguments.timed):
                    continue
                if draw is None and images:
                    draw = draw_images(arguments.data, name, number, keep / "images" / place)
                elif draw is None:
                    draw = draw_texts(arguments.data, name, number)
                started = time.perf_counter()
                found = answer(draw, number, keep / "cache" / place)
                row |= {"train": len(draw.y), "test": len(draw.y_test), "seconds": found.seconds}
                row |= {**scores(draw.y_test, found.probabilities), **found.more}
                file = "-".join(str(part).replace(" ", "_") for part in key if part is not None)
                np.savez_compressed(
                    keep / "answers" / f"{file}.npz", labels=draw.y_test,
                    probabilities=np.asarray(found.probabilities, np.float32),
                )  # fmt: skip
                append(keep, row)
                print(
                    f"{name}, draw {number}, {method}: accuracy {row['accuracy']:.3f}, log loss "
                    f"{row['log_loss']:.3f}, {time.perf_counter() - started:.0f} s in all",
                    file=sys.stderr, flush=True,
                )  # fmt: skip
                keras.backend.clear_session()
                gc.collect()


def tables(folder):
    groups: dict[tuple, dict] = {}
    for row in read_results(folder):
        what, backbone, size, *cell = where(row)
        # Of a cell that was run again, timed, the last line counts.
        groups.setdefault((what, backbone, size), {})[(row["method"], *cell)] = row
    for (what, backbone, size), rows in groups.items():
        on = "" if backbone is None else f", {backbone} at {size} px"
        print(f"## {what.capitalize()}{on}")
        print_group(
            rows, [name for name in REFERENCES[what] if any(key[0] == name for key in rows)]
        )


def print_group(rows, references):
    methods = list(dict.fromkeys(method for method, *_ in rows))
    sets = list(dict.fromkeys(name for _, name, _ in rows))
    titles = {"accuracy": "Accuracy in %", "log_loss": "Log loss", "ece": "Calibration error"}

    def cells(method, key, name):
        """Values by draw of one set."""
        return {
            row["draw"]: row[key] for (m, s, _), row in rows.items() if (m, s) == (method, name)
        }

    def mean(method, key, name):
        found = cells(method, key, name)
        return np.mean(list(found.values())) if found else np.nan

    def differences(method, other, key):
        """The mean over the draws that both have, of each set where there are any."""
        found = {}
        for name in sets:
            one, two = cells(method, key, name), cells(other, key, name)
            both = [one[draw] - two[draw] for draw in one if draw in two]
            found |= {name: np.mean(both)} if both else {}
        return found

    for key, title in titles.items():
        form = (lambda value: f"{100 * value:.1f}") if key == "accuracy" else "{:.3f}".format
        body = [(name, *(form(mean(m, key, name)) for m in methods)) for name in sets]
        whole = [np.mean([mean(m, key, name) for name in sets]) for m in methods]
        print(f"\n{title}, mean over draws:\n")
        print(table(("set", *methods), [*body, ("mean", *map(form, whole))]))
    print("\nDifferences in the same draws, mean over sets +- standard error over sets:\n")
    body = []
    for method in methods:
        for other in references:
            gain, loss = (differences(method, other, key) for key in ("accuracy", "log_loss"))
            if other == method or not gain:
                continue
            body.append((
                method, other, len(gain), f"{100 * np.mean(list(gain.values())):+.1f} +- "
                f"{100 * standard_error(gain):.1f}", f"{np.mean(list(loss.values())):+.3f} +- "
                f"{standard_error(loss):.3f}",
                f"{sum(value < 0 for value in loss.values())} of {len(loss)}",
            ))  # fmt: skip
    heading = ("method", "less", "sets", "points", "log loss", "sets of lower log loss")
    print(table(heading, body))
    print("\nThe worst set against the best reference there, the estimate less what was true:\n")
    body = []
    for method in methods:
        against = [name for name in references if name != method]
        worst = [
            (mean(method, "accuracy", name) - max(found), name)
            for name in sets
            if (found := [v for m in against if not np.isnan(v := mean(m, "accuracy", name))])
            and cells(method, "accuracy", name)
        ]
        points, name = min(worst, default=(np.nan, "-"))
        estimates: dict[str, list] = {}
        for (m, s, _), row in rows.items():
            if m == method and "accuracy" in row.get("estimate", {}):
                estimates.setdefault(s, []).append(row["estimate"]["accuracy"] - row["accuracy"])
        means = {s: np.mean(values) for s, values in estimates.items()}
        told = f"{100 * np.mean(list(means.values())):+.1f} +- {100 * standard_error(means):.1f}"
        spent = [r["seconds"] for (m, *_), r in rows.items() if m == method and r["seconds"]]
        body.append((
            method, f"{100 * points:+.1f} ({name})", told if means else "-",
            f"{np.median(spent):.0f}" if spent else "-", sum(m == method for m, *_ in rows),
        ))  # fmt: skip
    heading = ("method", "worst set", "estimate - test", "seconds (median)", "cells")
    print(table(heading, body) + "\n")


def standard_error(by_set):
    values = list(by_set.values())
    return np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_subparsers(dest="what", required=True)
    listed = {"type": lambda text: [part.strip() for part in text.split(",")]}
    for name in ("images", "texts"):
        of = what.add_parser(name)
        of.add_argument("data", type=Path)
        of.add_argument("--keep", type=Path, required=True, help="a folder for all results")
        of.add_argument("--sets", **listed, help="names with commas between them")
        of.add_argument("--methods", **listed, help="names with commas between them")
        of.add_argument("--draws", type=int, default=3)
        of.add_argument("--timed", action="store_true", help="an empty cache for every fit")
        of.add_argument("--tag", help="behind the names of kerastl's methods of this version")
    images, texts = (what.choices[name] for name in ("images", "texts"))
    images.add_argument("--weights", required=True)
    images.add_argument("--backbone", default="mobilenet_v2")
    images.add_argument("--image-size", type=int, default=160)
    texts.add_argument("--torch", metavar="PYTHON", help="a Python with transformers and torch")
    what.add_parser("table").add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.what == "table":
        tables(arguments.folder)
    else:
        with warnings.catch_warnings():
            # Small sets are what this is about.
            warnings.filterwarnings("ignore", message=".*few.*examples.*")
            run(arguments)


if __name__ == "__main__":
    main()
