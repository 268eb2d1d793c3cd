"""Kills a small run with SIGKILL at random moments, resumes it, and compares the weights.

    python benchmarks/kill_and_resume.py [--kills 50] [--plan trained]

The run writes its state after every step, so that kills hit writes too. Prints where the kills hit
and how many of the resumed runs end with the very weights of an uninterrupted one. The plans are
``trained``: the head trains, then late stages; ``solved``: the head is solved and late stages are
fine-tuned, without a fold and then with all photos; ``head``: the head is solved without each of
five folds, and then with all photos.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

RUN = """
import sys
import kerastl
from kerastl.training import SilentReporter, checkpoint

checkpoint.SECONDS_BETWEEN = 0.0
data, weights, out, resume, plan = sys.argv[1:]
plans = {
    "trained": kerastl.two_phase(4, 3, head_learning_rate=1e-2, train_from="conv_12"),
    "solved": kerastl.two_phase(fine_tune_epochs=3, train_from="conv_12", least_steps=0),
    "head": kerastl.head_only(),
}
recipe = kerastl.ImageClassification(
    backbone="mobilenet_0.25", weights=weights, image_size=32, batch_size=8,
    augment=kerastl.Augment(views=2),
    plan=plans[plan],
)
print("begins", flush=True)
recipe.fit(data, seed=1, out=out, resume=resume == "yes", reporter=SilentReporter())
print("ends", flush=True)
"""

WEIGHTS = """
import sys
import keras
keras.utils.set_random_seed(0)
network = keras.applications.MobileNet(
    alpha=0.25, include_top=False, weights=None, input_shape=(32, 32, 3))
layers = [l for l in network.layers if isinstance(l, keras.layers.BatchNormalization)]
for layer in layers:
    layer.momentum = 0.0
network(keras.random.uniform((32, 32, 32, 3), -1, 1, seed=0), training=True)
for layer in layers:
    layer.momentum = 0.99
network.save_weights(sys.argv[1])
"""


def start(folder, out, resume, plan):
    command = [
        sys.executable,
        "-c",
        RUN,
        str(folder / "data"),
        str(folder / "w.weights.h5"),
        str(out),
        "yes" if resume else "no",
        plan,
    ]
    environment = {**os.environ, "KERASTL_CACHE": str(folder / "cache")}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )


def finish(process):
    process.stdout.read()
    return process.wait()


def weights(out):
    import io
    import zipfile

    import h5py

    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = np.asarray(item)

    with zipfile.ZipFile(out / "model.keras") as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content) as file:
        file.visititems(visit)
    return found


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plan", choices=("trained", "solved", "head"), default="trained")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    generator = np.random.default_rng(0)
    for index in range(60):
        label = index % 3
        pixels = generator.integers(0, 90, (40, 40, 3))
        pixels[:, :, label] += 120
        target = folder / "data" / "abc"[label] / f"{index}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(target)
    subprocess.run(
        [sys.executable, "-c", WEIGHTS, str(folder / "w.weights.h5")],
        check=True,
        stderr=subprocess.DEVNULL,
    )

    plan = arguments.plan
    process = start(folder, folder / "whole", False, plan)
    process.stdout.readline()
    began = time.perf_counter()
    assert finish(process) == 0
    length = time.perf_counter() - began
    expected = weights(folder / "whole")
    chance = random.Random(arguments.seed)
    equal = 0
    hits = {}
    for number in range(arguments.kills):
        out = folder / f"run{number}"
        process = start(folder, out, False, plan)
        process.stdout.readline()
        time.sleep(chance.uniform(0, length))
        process.send_signal(signal.SIGKILL)
        finish(process)
        state, done = out / "checkpoints" / "state.npz", out / "provenance.json"
        hit = "before the first checkpoint"
        if done.exists():
            hit = "after training"
        elif state.exists():
            with np.load(state) as content:
                meta = json.loads(content["meta"].tobytes())
            hit = f"turn {meta['turn'] + 1}, step {meta['phase'] + 1}"
        hits[hit] = hits.get(hit, 0) + 1
        again = start(folder, out, True, plan)
        code = finish(again)
        ok = code == 0 and same(expected, weights(out))
        equal += ok
        if not ok:
            print(
                f"kill {number}: {hit}: exit code {code}, weights differ or are missing", flush=True
            )
    print(f"run of {length:.1f} s; kills: {dict(sorted(hits.items()))}")
    print(f"{equal} of {arguments.kills} resumed runs end with bit-identical weights")
    return int(equal != arguments.kills)


if __name__ == "__main__":
    sys.exit(main())
