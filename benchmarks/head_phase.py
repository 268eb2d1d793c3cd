"""The head phase: plain Keras, kerastl, and one predict pass of the frozen base.

    python benchmarks/head_phase.py [--backbones mobilenet_v2 efficientnet_b0 resnet50]

Plain Keras is the transfer-learning guide's loop done well: decoded images cached in memory,
prefetch, frozen base, the same batch size, steps, optimizer and head. All three work on the same
decoded images (random pixels: time does not depend on them), with random weights, each in a
process of its own, so that every one pays for its own tracing. Prints medians and ratios.
"""

import argparse
import json
import os
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np

IMAGES, SIZE, BATCH, CLASSES = 512, 160, 32, 6


def data():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    return images, random.integers(0, CLASSES, IMAGES)


def network_of(backbone):
    import kerastl

    recipe = kerastl.ImageClassification(
        backbone=backbone, weights=None, image_size=SIZE, augment=None, batch_size=BATCH
    )
    network, _ = recipe.assemble(CLASSES, seed=0)
    return recipe, network


def predict(backbone, epochs):
    import keras

    images, _ = data()
    _, network = network_of(backbone)
    base = keras.Model(network.input, network.get_layer("head_pooling").output)
    started = time.perf_counter()
    base.predict(images.astype("float32"), batch_size=BATCH, verbose=0)
    return time.perf_counter() - started


def plain(backbone, epochs):
    import keras
    import tensorflow as tf

    import kerastl

    images, labels = data()
    _, network = network_of(backbone)
    kerastl.freeze(network)
    started = time.perf_counter()
    train = (
        tf.data.Dataset.from_tensor_slices((images, np.eye(CLASSES, dtype="float32")[labels]))
        .cache()
        .shuffle(IMAGES, seed=0)
        .batch(BATCH)
        .map(lambda x, y: (tf.cast(x, tf.float32), y))
        .prefetch(tf.data.AUTOTUNE)
    )
    network.compile(
        keras.optimizers.AdamW(1e-3, weight_decay=1e-4),
        "categorical_crossentropy",
        metrics=["accuracy"],
    )
    network.fit(train, epochs=epochs, verbose=0)
    return time.perf_counter() - started


def ours(backbone, epochs):
    import tempfile
    from pathlib import Path

    import kerastl
    from kerastl.backbones import stages_of
    from kerastl.training import Examples, Job, SilentReporter, run_plan

    images, labels = data()
    recipe, network = network_of(backbone)
    started = time.perf_counter()
    job = Job(
        network=network,
        stages=stages_of(network),
        recommended=recipe.record.fine_tune_from,
        train=Examples(images, labels),
        validation=None,
        class_names=tuple("abcdef"),
        batch_size=BATCH,
        seed=0,
        augment=None,
        class_weight=None,
        cache=True,
        callbacks=(),
        tensorboard=None,
        scratch=Path(tempfile.mkdtemp()),
        reporter=SilentReporter(),
        checkpoints=None,
        settings="",
    )
    records = run_plan(job, kerastl.head_only(epochs))
    total = time.perf_counter() - started
    print({k: records[0][k] for k in ("seconds", "fill_seconds")}, file=sys.stderr)
    return total


def measure(kind, backbone, epochs):
    command = [sys.executable, __file__, "--one", kind, backbone, "--epochs", str(epochs)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--backbones", nargs="+", default=["mobilenet_v2", "efficientnet_b0", "resnet50"]
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        kind, backbone = arguments.one
        print(
            json.dumps(
                {"predict": predict, "plain": plain, "ours": ours}[kind](backbone, arguments.epochs)
            )
        )
        return
    print(
        f"{IMAGES} images of {SIZE} px, {arguments.epochs} epochs, batch {BATCH}, "
        f"medians of {arguments.repeats}"
    )
    print(
        "| backbone | predict pass s | kerastl s | plain Keras s | kerastl / predict | "
        "plain / kerastl |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    for backbone in arguments.backbones:
        times = {kind: [] for kind in ("predict", "ours", "plain")}
        for _ in range(arguments.repeats):
            for kind in times:
                times[kind].append(measure(kind, backbone, arguments.epochs))
        p, o, k = (float(np.median(times[kind])) for kind in ("predict", "ours", "plain"))
        print(
            f"| {backbone} | {p:.2f} | {o:.2f} | {k:.2f} | {o / p:.2f} | {k / o:.1f} |", flush=True
        )


if __name__ == "__main__":
    main()
