"""One phase of training: plain Keras beside kerastl, and one predict pass of the whole base.

    python benchmarks/phases.py head
    python benchmarks/phases.py fine-tune
    python benchmarks/phases.py solve

Plain Keras is the transfer-learning guide's loop done well: decoded images in memory, prefetch,
frozen base, the same batch size, order, steps, optimizer and head. Both work on the same images
(smooth noise, tinted by class) with random weights whose BatchNorm statistics are those of the
images, cold, each in a process of its own, so that every one pays for its own tracing. Nothing is
read from a cache on disk. Prints medians, ratios, and how far apart the two ways' weights are after
training: the largest difference in any array, over the largest value in it. ``solve`` has the head
solved (``kerastl.Probe``) where plain Keras trains it for 20 epochs: they end with other weights.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np

IMAGES, SIZE, BATCH, CLASSES = 512, 160, 32, 6
PHASES = {
    "head": {"mobilenet_v2": "head", "efficientnet_b0": "head", "resnet50": "head"},
    "fine-tune": {"mobilenet_v2": "block_13", "resnet50": "conv5"},
    "solve": {"mobilenet_v2": "solve", "efficientnet_b0": "solve", "resnet50": "solve"},
}
EPOCHS = {"head": 20, "fine-tune": 10, "solve": 20}


def data():
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, IMAGES)
    coarse = random.uniform(0, 160, (IMAGES, SIZE // 8, SIZE // 8, 3))
    coarse += random.uniform(0, 95, (CLASSES, 1, 1, 3))[labels]
    return coarse.repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8), labels


def output():
    from kerastl.outputs import Classes

    return Classes(tuple(f"class {number}" for number in range(CLASSES)))


def network_of(backbone):
    import keras

    import kerastl

    keras.utils.set_random_seed(0)
    recipe = kerastl.ImageClassification(
        backbone=backbone, weights=None, image_size=SIZE, head=kerastl.Head(dropout=0.0)
    )
    network = recipe.assemble(output(), seed=0)[0]
    # With the initial statistics activations grow from layer to layer, and a last bit's difference
    # grows with them: no two ways of training would end alike.
    layers = [la for la in network.layers if isinstance(la, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.trainable, layer.momentum = True, 0.0
    network(data()[0][:64].astype("float32"), training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return network


def phase_of(train_from, epochs):
    import kerastl

    return kerastl.Phase("head" if train_from == "solve" else train_from, epochs, 1e-3)


def predict(backbone, train_from, epochs):
    import keras

    network = network_of(backbone)
    base = keras.Model(network.input, network.get_layer("head_pooling").output)
    images = data()[0].astype("float32")
    started = time.perf_counter()
    base.predict(images, batch_size=BATCH, verbose=0)
    return time.perf_counter() - started, network


def plain(backbone, train_from, epochs):
    import keras
    import tensorflow as tf

    import kerastl
    from kerastl.training.optimization import make_schedule

    images, labels = data()
    network = network_of(backbone)
    started = time.perf_counter()
    kerastl.unfreeze(network, "head" if train_from == "solve" else train_from)
    steps = IMAGES // BATCH
    orders = [np.random.default_rng([0, 0, epoch]).permutation(IMAGES) for epoch in range(epochs)]
    # The order within a batch is the one that kerastl reads in.
    rows = np.sort(np.concatenate(orders).reshape(-1, BATCH), axis=1).reshape(-1)
    pixels = tf.constant(images)
    targets = tf.constant(np.eye(CLASSES, dtype="float32")[labels])
    train = (
        tf.data.Dataset.from_tensor_slices(rows)
        .batch(BATCH)
        .map(
            lambda r: (tf.cast(tf.gather(pixels, r), tf.float32), tf.gather(targets, r)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        .prefetch(tf.data.AUTOTUNE)
    )
    phase = phase_of(train_from, epochs)
    optimizer = keras.optimizers.AdamW(make_schedule(phase, steps), weight_decay=phase.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    network.compile(optimizer, output().loss(phase), metrics=["accuracy"])
    network.fit(train, epochs=epochs, steps_per_epoch=steps, verbose=0, shuffle=False)
    return time.perf_counter() - started, network


def ours(backbone, train_from, epochs):
    from kerastl.backbones import stages_of
    from kerastl.inputs.examples import ArrayExamples
    from kerastl.training import DTYPES, Job, Probe, SilentReporter, Storage, run_plan

    images, labels = data()
    network = network_of(backbone)
    started = time.perf_counter()
    job = Job(
        network=network, outputs={"kind": output()}, stages=stages_of(network), named={},
        train=ArrayExamples(images, {"kind": labels}),
        validation=None, batch_size=BATCH, seed=0, augment=None,
        class_weight=None, cache="auto", storage=Storage(None, 4 * 1024**3, DTYPES["float32"]),
        scratch=Path(tempfile.mkdtemp()), reporter=SilentReporter(),
    )  # fmt: skip
    solved = train_from == "solve"
    [record] = run_plan(job, (Probe() if solved else phase_of(train_from, epochs),))
    print("frozen part", record["fill_seconds"], "of", record["seconds"], "s", file=sys.stderr)
    return time.perf_counter() - started, network


def measure(kind, backbone, train_from, epochs, out):
    command = [sys.executable, __file__, "one", kind, backbone, train_from, str(epochs), str(out)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def difference(one, other):
    with np.load(one) as a, np.load(other) as b:
        return max(
            float(np.abs(a[k] - b[k]).max() / max(np.abs(a[k]).max(), 1e-12)) for k in a.files
        )


def main():
    if sys.argv[1:2] == ["one"]:
        kind, backbone, train_from, epochs, out = sys.argv[2:]
        way = {"predict": predict, "plain": plain, "ours": ours}[kind]
        seconds, network = way(backbone, train_from, int(epochs))
        np.savez(out, *network.get_weights())
        print(json.dumps(seconds))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("phase", choices=PHASES)
    parser.add_argument("--backbones", nargs="+")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    epochs = EPOCHS[arguments.phase]
    folder = Path(tempfile.mkdtemp())
    print(
        f"{arguments.phase}: {IMAGES} images of {SIZE} px, {epochs} epochs, batch {BATCH}, "
        f"medians of {arguments.repeats}"
    )
    print(
        "| backbone | from | predict pass s | kerastl s | plain Keras s | kerastl / predict | "
        "plain / kerastl | weights differ by |"
    )
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for backbone, train_from in PHASES[arguments.phase].items():
        if arguments.backbones and backbone not in arguments.backbones:
            continue
        times = {kind: [] for kind in ("predict", "ours", "plain")}
        for _ in range(arguments.repeats):
            for kind in times:
                times[kind].append(
                    measure(kind, backbone, train_from, epochs, folder / f"{kind}.npz")
                )
        p, o, k = (float(np.median(times[kind])) for kind in ("predict", "ours", "plain"))
        apart = "-"
        if train_from != "solve":
            apart = f"{difference(folder / 'plain.npz', folder / 'ours.npz'):.1e}"
        print(
            f"| {backbone} | {train_from} | {p:.2f} | {o:.2f} | {k:.2f} | {o / p:.2f} | "
            f"{k / o:.1f} | {apart} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
