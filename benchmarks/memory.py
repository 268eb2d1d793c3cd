"""Training on activations larger than memory, and how time grows with the number of examples.

    python benchmarks/memory.py

A small convolutional network whose frozen part makes 1 MB of activations for each 64 px image, cut
there; four epochs of the head on n = 1000, 2000 and 4000 images under a memory budget of 512 MB.
The activations of the largest take 4.2 GB and lie on disk. Each row is a process of its own; the
peak is that of the whole process, and beside it what the process held before training began.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np

BUDGET = 512 * 1024**2
EPOCHS = 4


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def train(count):
    import keras

    import kerastl
    from kerastl.graph import find_stages
    from kerastl.inputs.examples import ArrayExamples
    from kerastl.outputs import Classes
    from kerastl.training import (
        DTYPES,
        ActivationCache,
        Job,
        SilentReporter,
        Storage,
        run_plan,
    )  # fmt: skip

    keras.utils.set_random_seed(0)
    image = keras.Input((64, 64, 3))
    x = keras.layers.Conv2D(64, 3, padding="same", activation="relu", name="wide")(image)
    x = keras.layers.AveragePooling2D(8, name="early")(x)
    x = keras.layers.Flatten()(x)
    network = keras.Model(image, keras.layers.Dense(4, activation="softmax")(x))
    random = np.random.default_rng(0)
    labels = np.arange(count) % 4
    images = random.integers(0, 200, (count, 64, 64, 3), dtype=np.uint8) + labels[
        :, None, None, None
    ].astype(np.uint8)
    network.predict_on_batch(images[:64].astype("float32"))
    before = peak()
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("TMPDIR")))
    job = Job(
        network=network, stages=find_stages(network, r"(early)"), named={"recommended": "early"},
        train=ArrayExamples(images, {"kind": labels}), validation=None,
        outputs={"kind": Classes(tuple("abcd"))}, batch_size=32,
        seed=0, augment=None, class_weight=None, cache=True,
        storage=Storage(ActivationCache(folder), BUDGET, DTYPES["float32"]),
        scratch=folder, reporter=SilentReporter(),
    )  # fmt: skip
    started = time.perf_counter()
    [record] = run_plan(job, (kerastl.Phase("early", EPOCHS, 1e-3),))
    seconds = time.perf_counter() - started
    job.storage.cache.clear()
    return {
        "gigabytes": record["cached_bytes"] / 1e9,
        "fill": record["fill_seconds"],
        "train": seconds - record["fill_seconds"],
        "before": before,
        "peak": peak(),
    }


def main():
    if len(sys.argv) > 1:
        print(json.dumps(train(int(sys.argv[1]))))
        return
    print("| images | activations GB | budget MB | peak MB | before MB | fill s | training s | "
          "both over n = 1000 |\n|---|---|---|---|---|---|---|---|", flush=True)  # fmt: skip
    first = None
    for count in (1000, 2000, 4000):
        done = subprocess.run(
            [sys.executable, __file__, str(count)], check=True, stdout=subprocess.PIPE, text=True
        )
        row = json.loads(done.stdout.splitlines()[-1])
        total = row["fill"] + row["train"]
        first = first or total
        print(
            f"| {count} | {row['gigabytes']:.1f} | {BUDGET / 1024**2:.0f} | {row['peak']:.0f} | "
            f"{row['before']:.0f} | {row['fill']:.1f} | {row['train']:.1f} | {total / first:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
