"""Methods of transfer learning on small data sets, paired, with standard errors.

    W=../shared/weights/mobilenetv2_1.0_224_imagenet_ptq_notop.weights.h5
    python benchmarks/small_data.py images ../shared/data --weights $W --keep FOLDER
    python benchmarks/small_data.py texts ../shared/data --keep FOLDER [--torch PYTHON]
    python benchmarks/small_data.py table FOLDER

A cell is a set, a draw (a new sample of training and test examples) and a method. Each is a line of
FOLDER/results.jsonl with accuracy, log loss and calibration error on test examples that no method
has seen; its probabilities are kept in FOLDER/answers. What is there is not run again, so that a
killed run goes on where it was. ``table`` prints Markdown of what is there. A folder is for one
file of weights per backbone.

Methods of images, all on the same backbone, size and files:

- sklearn: L2 logistic regression on frozen pooled features of all training photos; of ten strengths
  the one of the best log loss in 5-fold cross-validation.
- keras: the loop of Keras's transfer-learning guide on all training photos: frozen base, pooling,
  Dropout(0.2) and Dense; Adam at 1e-3 for 20 epochs with RandomFlip and RandomRotation(0.1), then
  all weights with Adam at 1e-5 for 10 epochs. Batches of 32; BatchNormalization stays as it is, in
  inference mode; the last epoch counts.
- v0.1.0: what version 0.1.0 did by default, written out; v0.1.0 head: its first phase.
- head, default: ``head_only()`` and the default of this version.

Of texts, with all-MiniLM-L6-v2: tfidf (words and pairs of words, the same regression), sklearn,
v0.1.0, head, default and, with ``--torch``, Hugging Face's Trainer: its usual 3 epochs at 5e-5,
which are 21 steps here, and 20 epochs.

kerastl's methods share a cache for each draw, and no time of theirs is told. With ``--timed`` every
fit has an empty one; ``--tag`` names a state of the code, so that two can be compared.
"""

import argparse
import dataclasses
import gc
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
from small_data_results import append_result, key_of, print_tables, read_results, scores
from small_data_sets import IMAGE_SETS, TEXT_SETS, draw_images, draw_texts
from text import WEIGHTS, run_trainer

STRENGTHS = np.logspace(-1, 5, 10)
BATCH, MAX_LENGTH = 32, 128


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


def trainer(python, epochs, draw, seed):
    seconds, logits = run_trainer(
        python, list(draw.x), [int(label) for label in draw.y], list(draw.x_test), epochs=epochs,
        seed=seed, seed_of_order=seed, max_length=MAX_LENGTH,
    )  # fmt: skip
    return Answer(_softmax(logits), seconds)


def _of_trainer(python, epochs):
    return lambda draw, seed, _: trainer(python, epochs, draw, seed)


def methods_of(arguments) -> dict[str, Callable[..., Answer]]:
    """Functions of a draw, a seed and a folder for the cache, by name."""
    import kerastl

    images = arguments.what == "images"
    variants = image_variants() if images else text_variants()
    kind = kerastl.ImageClassification if images else kerastl.TextClassification
    settings = {"weights": WEIGHTS, "max_length": MAX_LENGTH}
    if images:
        settings = {"backbone": arguments.backbone, "weights": arguments.weights}
        settings |= {"image_size": arguments.image_size}

    def make(**more):
        return kind(**settings, **more)

    def of_kerastl(variant):
        def method(draw, seed, cache):
            if not arguments.timed:
                return dataclasses.replace(fit(make, variant, draw, seed, cache), seconds=None)
            with tempfile.TemporaryDirectory() as empty:
                return fit(make, variant, draw, seed, empty)

        return method

    found = {"sklearn": lambda draw, seed, _: sklearn_on_features(make, draw, seed)}
    if images:
        found["keras"] = lambda draw, seed, _: guide(make, draw, seed)
    else:
        found["tfidf"] = lambda draw, seed, _: tfidf(draw, seed)
        if arguments.torch is not None:
            for epochs in (3, 20):
                found[f"trainer {epochs}"] = _of_trainer(arguments.torch, epochs)
    found |= {name: of_kerastl(variant) for name, variant in variants.items()}
    chosen = arguments.methods or list(found)
    unknown = [name for name in chosen if name not in found]
    if unknown:
        sys.exit(f"There are no methods {', '.join(unknown)}: there are {', '.join(found)}.")
    tag = f" ({arguments.tag})" if arguments.tag else ""
    # What is written out whole does not change with the code.
    tagged = [name for name in variants if not name.startswith("v0.1.0")]
    return {f"{name}{tag}" if name in tagged else name: found[name] for name in chosen}


def run(arguments):
    images, keep = arguments.what == "images", arguments.keep
    known = IMAGE_SETS if images else TEXT_SETS
    sets = arguments.sets or list(known)
    unknown = [name for name in sets if name not in known]
    if unknown:
        sys.exit(f"There are no sets {', '.join(unknown)}: there are {', '.join(known)}.")
    methods = methods_of(arguments)
    common = {"what": arguments.what}
    if images:
        common |= {"backbone": arguments.backbone, "image_size": arguments.image_size}
    for folder in ("images", "cache", "answers"):
        (keep / folder).mkdir(parents=True, exist_ok=True)
    # Where times are asked for, a line without any is not enough.
    done = {
        key_of(row)
        for row in read_results(keep)
        if row["seconds"] is not None or not arguments.timed
    }
    for number in range(arguments.draws):
        for name in sets:
            rows = [{**common, "set": name, "draw": number, "method": m} for m in methods]
            rows = [row for row in rows if key_of(row) not in done]
            if not rows:
                continue
            # In a process of its own: what is traced for a network stays in memory.
            process = multiprocessing.get_context("spawn").Process(
                target=run_draw, args=(arguments, rows)
            )
            process.start()
            process.join()
            if process.exitcode:
                sys.exit(f"{name}, draw {number}: the process ended with {process.exitcode}.")


def run_draw(arguments, rows):
    """The cells of one draw of a set."""
    name, number, keep = rows[0]["set"], rows[0]["draw"], arguments.keep
    place = f"{name.replace(' ', '_')}-{number}"
    if arguments.what == "images":
        draw = draw_images(arguments.data, name, number, keep / "images" / place)
    else:
        draw = draw_texts(arguments.data, name, number)
    methods = methods_of(arguments)
    for row in rows:
        run_cell(row, draw, methods[row["method"]], keep, keep / "cache" / place)


def run_cell(row, draw, method, keep, cache):
    import keras

    started = time.perf_counter()
    found = method(draw, row["draw"], cache)
    row |= {"train": len(draw.y), "test": len(draw.y_test), "seconds": found.seconds}
    row |= {**scores(draw.y_test, found.probabilities), **found.more}
    file = "-".join(str(part).replace(" ", "_") for part in key_of(row) if part is not None)
    np.savez_compressed(
        keep / "answers" / f"{file}.npz",
        labels=draw.y_test,
        probabilities=np.asarray(found.probabilities, np.float32),
    )
    append_result(keep, row)
    print(
        f"{row['set']}, draw {row['draw']}, {row['method']}: accuracy {row['accuracy']:.3f}, "
        f"log loss {row['log_loss']:.3f}, {time.perf_counter() - started:.0f} s with the test",
        file=sys.stderr,
        flush=True,
    )
    keras.backend.clear_session()
    gc.collect()


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
        print_tables(arguments.folder)
    else:
        run(arguments)


if __name__ == "__main__":
    main()
