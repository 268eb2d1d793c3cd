"""How far off are the figures that ``fit`` prints? Simulated on draws of real pictures.

    python benchmarks/estimates.py ../shared/data/emoji_domains/google \\
        --weights ../shared/weights/mobilenet_0.25_128_imagenet_qat_notop.weights.h5

Each draw takes so many pictures for training and all others for the truth. A row is one way to
train and to measure: the head solved with out-of-fold answers; the head solved on four fifths and
measured on the fifth that is held back for good; the default plan, measured on a fold and then
trained on everything. ``bias`` is the mean of the estimate less the accuracy (or log loss) of that
very model on all other pictures, with its standard error; the band holds nine tenths of the draws.
An honest estimate has a bias that its standard error, or a little pessimism, accounts for: the
models that are measured are trained on fewer pictures than the one that is kept.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np


def pictures(folder, size):
    """All pictures of a folder of class folders, uint8, with the numbers of their classes."""
    from kerastl.data import decode_image, load

    data = load(folder)
    images = np.stack([decode_image(source, (size, size)) for source in data.sources])
    return images, np.asarray(data.labels), data.class_names


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--backbone", default="mobilenet_0.25")
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--train", type=int, default=250)
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--ways", default="out-of-fold,held out,refitted")
    parser.add_argument("--results", type=Path, help="a file of what was measured, to go on with")
    arguments = parser.parse_args()

    import keras

    import kerastl
    from kerastl.training import SilentReporter

    images, labels, names = pictures(arguments.data, arguments.image_size)
    ways = {
        "out-of-fold": {"plan": kerastl.head_only()},
        "held out": {"plan": kerastl.head_only(), "refit": False},
        "refitted": {},
    }
    off = {way: [] for way in arguments.ways.split(",")}
    done = {}
    if arguments.results is not None and arguments.results.exists():
        lines = arguments.results.read_text(encoding="utf-8").splitlines()
        done = {(draw, way): measured for draw, way, measured in map(json.loads, lines)}
    with tempfile.TemporaryDirectory() as cache:
        for draw in range(arguments.draws):
            random = np.random.default_rng(draw)
            order = random.permutation(len(images))
            train, rest = order[: arguments.train], order[arguments.train :]
            for way, found in off.items():
                if (draw, way) in done:
                    found.append(done[draw, way])
                    continue
                keras.backend.clear_session()
                recipe = kerastl.ImageClassification(
                    backbone=arguments.backbone,
                    weights=arguments.weights,
                    image_size=arguments.image_size,
                    cache=cache,
                    **ways[way],
                )
                model = recipe.fit(
                    (images[train], labels[train]),
                    class_names=names,
                    seed=draw,
                    reporter=SilentReporter(),
                )
                probabilities = np.clip(
                    np.concatenate(
                        [
                            model.predict(images[part]).probabilities
                            for part in np.array_split(rest, 4)
                        ]
                    ),
                    1e-7,
                    1,
                )
                truth = labels[rest]
                right = float((probabilities.argmax(axis=1) == truth).mean())
                loss = float(-np.log(probabilities[np.arange(len(rest)), truth]).mean())
                estimate = model.metrics
                found.append([estimate["accuracy"], right, estimate["loss"], loss])
                print(draw, way, found[-1], file=sys.stderr, flush=True)
                if arguments.results is not None:
                    with arguments.results.open("a", encoding="utf-8") as file:
                        print(json.dumps([draw, way, found[-1]]), file=file)
    print("| way | estimate | truth | bias, points | band of 90 % | bias of the log loss |")
    print("|---|---|---|---|---|---|")
    for way, found in off.items():
        rows = np.array(found)
        accuracy, loss = 100 * (rows[:, 0] - rows[:, 1]), rows[:, 2] - rows[:, 3]
        error = np.sqrt(len(rows))
        low, high = np.quantile(accuracy, [0.05, 0.95])
        print(
            f"| {way} | {rows[:, 0].mean():.3f} | {rows[:, 1].mean():.3f} "
            f"| {accuracy.mean():+.2f} ± {accuracy.std(ddof=1) / error:.2f} "
            f"| {low:+.1f} to {high:+.1f} "
            f"| {loss.mean():+.3f} ± {loss.std(ddof=1) / error:.3f} |"
        )


if __name__ == "__main__":
    main()
