"""Whole runs from a folder of photos: beside plain Keras, on a warm cache, and of one epoch.

    python benchmarks/whole.py two-phase ../shared/data/trashnet_small --weights WEIGHTS
    python benchmarks/whole.py warm      ../shared/data/trashnet_small --weights WEIGHTS
    python benchmarks/whole.py start     ../shared/data/trashnet_small --weights WEIGHTS

two-phase: 10 epochs of the head and 10 of fine-tuning, from files to the best weights, without
augmentation. Plain Keras is the transfer-learning guide's loop done well: images decoded once and
held in memory, prefetch, the same network, batch size, optimizer, schedule and loss, the best
epoch's weights restored. Each run is a process of its own; imports are not counted. Our cache
folder is empty each time.
warm: the same run again with another seed, learning rate or head, on the cache that the first one
filled; without augmentation, and with the 8 augmented views of the default.
start: one epoch of the head on 64 photos and saving, against a bare Keras script; whole processes,
imports counted.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np

SIZE, BATCH, EPOCHS, RATES = 160, 32, 10, (1e-3, 3e-4)


def recipe_of(weights, train_from, **changes):
    import kerastl

    plan = kerastl.two_phase(
        EPOCHS, EPOCHS, train_from=train_from, label_smoothing=0.0,
        head_learning_rate=changes.pop("head_learning_rate", RATES[0]), learning_rate=RATES[1],
    )  # fmt: skip
    return kerastl.ImageClassification(
        backbone="mobilenet_v2", weights=weights, image_size=SIZE, batch_size=BATCH, plan=plan,
        augment=kerastl.Augment() if changes.pop("augmented", False) else None, **changes,
    )  # fmt: skip


def ours(data, weights, seed, train_from, **changes):
    started = time.perf_counter()
    model = recipe_of(weights, train_from, **changes).fit(data, seed=seed)
    return time.perf_counter() - started, model.history[-1]["accuracy"]


def plain(data, weights, seed, train_from):
    import keras
    import tensorflow as tf

    import kerastl
    from kerastl.outputs import Classes
    from kerastl.training.optimization import make_schedule

    recipe = recipe_of(weights, train_from)
    keras.utils.set_random_seed(seed)
    started = time.perf_counter()

    def load(part):
        batches = keras.utils.image_dataset_from_directory(
            Path(data) / part, label_mode="categorical", image_size=(SIZE, SIZE), batch_size=BATCH,
            shuffle=False, interpolation="bilinear", verbose=False,
        )  # fmt: skip
        return batches.unbatch().cache()

    train, val = load("train"), load("val").batch(BATCH).prefetch(tf.data.AUTOTUNE)
    count = sum(1 for _ in train)
    steps = -(-count // BATCH)
    train = train.apply(tf.data.experimental.assert_cardinality(count))
    train = train.shuffle(count, seed=seed).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    output = Classes(tuple(f"class {number}" for number in range(6)))
    network = recipe.assemble(output, seed=seed)[0]
    best = 0.0
    for phase in recipe.plan:
        if phase.train_from == "head":
            kerastl.freeze(network)
        else:
            kerastl.unfreeze(network, phase.train_from)
        optimizer = keras.optimizers.AdamW(
            make_schedule(phase, steps), weight_decay=phase.weight_decay
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        network.compile(optimizer, output.loss(phase), metrics=["accuracy"])
        keep = keras.callbacks.EarlyStopping(
            "val_accuracy", patience=EPOCHS, restore_best_weights=True
        )
        found = network.fit(
            train, epochs=EPOCHS, validation_data=val, verbose=0, shuffle=False, callbacks=[keep]
        )
        best = max(found.history["val_accuracy"])
    return time.perf_counter() - started, best


BARE = """
import sys, keras
data, weights, out = sys.argv[1:]
load = lambda part: keras.utils.image_dataset_from_directory(
    f"{data}/{part}", image_size=(160, 160), batch_size=32, verbose=False)
train, val = load("train"), load("val")
base = keras.applications.MobileNetV2(include_top=False, weights=weights, pooling="avg",
                                      input_shape=(160, 160, 3))
base.trainable = False
image = keras.Input((160, 160, 3))
x = base(keras.layers.Rescaling(1 / 127.5, -1)(image), training=False)
model = keras.Model(image, keras.layers.Dense(6, activation="softmax")(x))
model.compile(keras.optimizers.AdamW(1e-3), "sparse_categorical_crossentropy",
              metrics=["accuracy"])
model.fit(train, epochs=1, validation_data=val, verbose=0)
model.save(out)
"""
OURS = """
import sys, kerastl
data, weights, out = sys.argv[1:]
recipe = kerastl.ImageClassification(backbone="mobilenet_v2", weights=weights, image_size=160,
                                     plan=kerastl.head_only(1), augment=None)
recipe.fit(data, out=out)
"""


def subset(data, folder):
    """64 training photos and 30 for validation."""
    for part, each in (("train", (11, 11, 11, 11, 10, 10)), ("val", (5,) * 6)):
        for kind, count in zip(sorted((Path(data) / part).iterdir()), each, strict=True):
            (folder / part / kind.name).mkdir(parents=True)
            for photo in sorted(kind.iterdir())[:count]:
                shutil.copy(photo, folder / part / kind.name)
    return folder


def in_process(way, *arguments, cache):
    """A run in a process of its own: what it printed last."""
    done = subprocess.run(
        [sys.executable, __file__, "one", way, *map(str, arguments)],
        check=True, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "KERASTL_CACHE": str(cache)},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def script(text, *arguments, cache):
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", text, *map(str, arguments)],
        check=True, env={**os.environ, "KERASTL_CACHE": str(cache)},
    )  # fmt: skip
    return time.perf_counter() - started


def two_phase(arguments, folder):
    print("| fine-tuned from | kerastl s | plain Keras s | plain / kerastl | kerastl accuracy | "
          "plain accuracy |\n|---|---|---|---|---|---|", flush=True)  # fmt: skip
    for train_from in ("block_13", "block_6"):
        found = {"ours": [], "plain": []}
        for repeat in range(arguments.repeats):
            for way in found:
                cache = folder / f"{train_from}{repeat}"
                found[way].append(
                    in_process(way, arguments.data, arguments.weights, repeat, train_from,
                               cache=cache)
                )  # fmt: skip
        a, b = (np.array(found[way]) for way in ("ours", "plain"))
        print(
            f"| {train_from} | {np.median(a[:, 0]):.1f} | {np.median(b[:, 0]):.1f} | "
            f"{np.median(b[:, 0]) / np.median(a[:, 0]):.1f} | {a[:, 1].mean():.3f} | "
            f"{b[:, 1].mean():.3f} |",
            flush=True,
        )


def warm(arguments, folder):
    changes = {
        "cold": {}, "another seed": {"seed": 1}, "another learning rate": {"rate": 3e-3},
        "another head": {"hidden": 128},
    }  # fmt: skip
    print("| run | augmented views | s | over cold |\n|---|---|---|---|", flush=True)
    for augmented in (False, True):
        times = {name: [] for name in changes}
        for repeat in range(arguments.repeats):
            cache = folder / f"{augmented}{repeat}"
            for name, change in changes.items():
                setting = json.dumps({**change, "augmented": augmented})
                times[name].append(
                    in_process("ours", arguments.data, arguments.weights, 0, "block_13", setting,
                               cache=cache)[0]
                )  # fmt: skip
        cold = np.median(times["cold"])
        for name, values in times.items():
            took = np.median(values)
            print(f"| {name} | {8 * augmented} | {took:.1f} | {took / cold:.2f} |", flush=True)


def start(arguments, folder):
    data = subset(arguments.data, folder / "photos")
    bare, mine = [], []
    for repeat in range(arguments.repeats + 1):
        one = script(BARE, data, arguments.weights, folder / "bare.keras", cache=folder)
        two = script(
            OURS, data, arguments.weights, folder / f"run{repeat}", cache=folder / f"c{repeat}"
        )
        if repeat:  # the first pair warms the disk
            bare.append(one)
            mine.append(two)
    print("| kerastl s | bare Keras s | kerastl / bare |\n|---|---|---|")
    print(
        f"| {np.median(mine):.1f} | {np.median(bare):.1f} | "
        f"{np.median(mine) / np.median(bare):.2f} |"
    )


def one(way, data, weights, seed, train_from, change="{}"):
    if way == "plain":
        result = plain(data, weights, int(seed), train_from)
    else:
        import kerastl

        changes = json.loads(change)
        seed = changes.pop("seed", int(seed))
        if "hidden" in changes:
            changes["head"] = kerastl.Head(hidden=changes.pop("hidden"))
        if "rate" in changes:
            changes["head_learning_rate"] = changes.pop("rate")
        result = ours(data, weights, seed, train_from, **changes)
    print(json.dumps(result))


def main():
    if sys.argv[1:2] == ["one"]:
        one(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("two-phase", "warm", "start"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(f"{arguments.what}: medians of {arguments.repeats}", flush=True)
        {"two-phase": two_phase, "warm": warm, "start": start}[arguments.what](
            arguments, Path(folder)
        )


if __name__ == "__main__":
    main()
