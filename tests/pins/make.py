"""Writes what kerastl 0.1.0 makes of five small tasks: ``python -m tests.pins.make FOLDER``.

The fixtures in ``tests/pins/0.1.0`` were written by this script at version 0.1.0. They are not
written anew: later versions have to read, verify and repeat them (tests/pins/test_pins.py).
Backbones are tiny or have coarse random weights, so that the files stay small.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

CLASSES = ("blue", "green", "red")
SIZE = 32
TEXT_TASKS = ("single_label", "multi_label", "regression", "embedding")
TASKS = ("image", *TEXT_TASKS)
SENTENCES = (
    "good fine film", "bad dull plot", "nice book and the end", "poor end", "it was great",
    "they found this awful", "great great film and nice plot", "awful bad book",
)  # fmt: skip
FILLING = ("the", "this", "film", "book", "was", "is", "and", "it", "they", "found", "plot", "end")
WORDS = ("good", "great", "fine", "nice", "bad", "poor", "dull", "awful")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def write_photos(root: Path) -> None:
    """Small noisy images of three colours below train/ and val/."""
    from PIL import Image

    random = np.random.default_rng(7)
    for split, count in (("train", 5), ("val", 3)):
        for label, name in enumerate(CLASSES):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                image = random.integers(0, 90, (12, 10, 3))
                image[..., 2 - label] += 120
                Image.fromarray(image.astype(np.uint8)).save(folder / f"{index}.png")


def write_texts(root: Path) -> None:
    """One table for all four tasks of texts."""
    random = np.random.default_rng(8)
    root.mkdir()
    with (root / "texts.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["text", "label", "tags", "score"])
        for index in range(40):
            fond = index % 2
            words = list(random.choice(FILLING, int(random.integers(2, 9))))
            chosen = random.choice(WORDS[:4] if fond else WORDS[4:], 1 + index % 3)
            words[1:1] = list(chosen)
            tags = [("cross", "fond")[fond], *(["long"] if len(words) > 6 else [])]
            score = fond + 0.25 * len(chosen)
            writer.writerow([" ".join(words), ("no", "yes")[fond], ",".join(tags), score])


def write_weights(root: Path) -> None:
    """A quarter-width MobileNet with coarse weights, and a preset of a tiny BERT."""
    import keras
    import keras_hub

    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNet(
        alpha=0.25, include_top=False, weights=None, input_shape=(SIZE, SIZE, 3)
    )
    norms = [x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)]
    for layer in network.layers:
        if layer not in norms:
            layer.set_weights([np.sign(w) * np.float32(np.std(w)) for w in layer.get_weights()])
    images = np.random.default_rng(9).integers(0, 256, (16, SIZE, SIZE, 3)) / 127.5 - 1
    for layer in norms:
        layer.momentum = 0.0
    network(images.astype("float32"), training=True)
    network.save_weights(root / "mobilenet.weights.h5")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *FILLING, *WORDS, *LETTERS]
    vocabulary += [f"##{letter}" for letter in LETTERS]
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=len(vocabulary), num_layers=2, num_heads=2, hidden_dim=8,
        intermediate_dim=16, max_sequence_length=32,
    )  # fmt: skip
    for weight in backbone.weights:
        if "kernel" in weight.path or "embeddings" in weight.path:
            weight.assign(4.0 * weight)
    backbone.save_to_preset(root / "bert")
    keras_hub.models.BertTokenizer(vocabulary, lowercase=True).save_to_preset(root / "bert")


def recipe_of(task: str, weights: Path):
    import kerastl

    if task == "image":
        return kerastl.ImageClassification(
            backbone="mobilenet_0.25",
            weights=weights / "mobilenet.weights.h5",
            image_size=SIZE,
            batch_size=4,
            augment=kerastl.Augment(views=2, flip=False),
            plan=kerastl.head_only(4, 1e-2),
        )
    common = {"backbone": str(weights / "bert"), "max_length": 32, "batch_size": 8}
    if task == "embedding":
        plan = (kerastl.Phase(-1, 2, 3e-3, loss="contrastive"),)
        return kerastl.TextEmbedding(dimensions=6, plan=plan, **common)
    plan = kerastl.two_phase(
        2, 1, train_from=-1, head_learning_rate=1e-2, learning_rate=3e-3, label_smoothing=0.0
    )
    return kerastl.TextClassification(kind=task, plan=plan, **common)


def data_of(task: str, root: Path):
    """Where the data are, and the options of ``fit`` for them."""
    if task == "image":
        return root / "photos", {}
    column = {"multi_label": "tags", "regression": "score"}.get(task, "label")
    return root / "texts" / "texts.csv", {"label_column": column}


def inputs_of(task: str, root: Path) -> list[str]:
    """What is predicted."""
    if task == "image":
        return [str(path) for path in sorted((root / "photos" / "val").rglob("*.png"))]
    return list(SENTENCES)


class Killed(BaseException):
    """Stands for a kill."""


def command(*arguments) -> dict:
    """What a command prints with --json; it fails where the command does."""
    code = "from kerastl.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def measure(task: str, root: Path, folder: Path) -> dict:
    """What the commands print of a run and a bundle."""
    data, options = data_of(task, root)
    flags = [f"--{k.replace('_', '-')}={v}" for k, v in options.items()]
    split = ["--split", "validation"] if task == "image" else []
    run, bundle = folder / "run", folder / "bundle"
    return {
        "evaluate": command("evaluate", run, data, *flags, *split),
        "predict_run": command("predict", run, *inputs_of(task, root)),
        "predict_bundle": command("predict", bundle, *inputs_of(task, root)),
        "verify": command("verify", bundle),
        "benchmark": command("benchmark", bundle, "--data", data, *flags, *split),
    }


def facts_of(task: str, root: Path) -> dict:
    """Fingerprints, splits and the keys of cached activations."""
    import keras

    from kerastl.training import ActivationCache

    data, options = data_of(task, root)
    recipe = recipe_of(task, root / "weights")
    train, held_out = recipe.load(
        *(data, None), seed=3, class_names=None,
        options={"on_error": "warn", "columns": None} if task == "image" else options,
    )  # fmt: skip
    cache = root / f"cache_{task}"
    os.environ["KERASTL_CACHE"] = str(cache)
    shutil.rmtree(cache, ignore_errors=True)
    recipe.fit(data, seed=3, **options)
    rows = ActivationCache(cache).list()
    names = list(held_out.names)
    split, _ = train.split(0.25, seed=5)
    shutil.rmtree(cache)
    return {
        "keras": keras.__version__,
        "class_names": list(train.class_names),
        "fingerprints": [train.fingerprint, held_out.fingerprint],
        "validation": names,
        "split": list(split.names),
        "cache_keys": sorted(row["key"] for row in rows),
        "recipe": json.loads(json.dumps(recipe.get_config())),
    }


def unfinished(task: str, root: Path, folder: Path) -> dict:
    """A run that was killed after its first phase's first epoch, and what it ends with."""
    import keras

    class Kill(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    data, options = data_of(task, root)
    recipe = recipe_of(task, root / "weights")
    with contextlib.suppress(KeyboardInterrupt):
        recipe.fit(data, seed=3, out=folder, callbacks=[Kill()], **options)
    whole = recipe.fit(data, seed=3, **options)
    answers = whole.predict(inputs_of(task, root))
    outputs = getattr(answers, "probabilities", answers)
    return {"outputs": np.asarray(outputs).astype(float).tolist()}


def main(root: Path) -> None:
    import kerastl
    from kerastl.training import SilentReporter

    root.mkdir(parents=True)
    write_photos(root / "photos")
    write_texts(root / "texts")
    (root / "weights").mkdir()
    write_weights(root / "weights")
    os.chdir(root)
    here = Path()
    os.environ["KERASTL_CACHE"] = "cache"
    for task in TASKS:
        folder = here / task
        folder.mkdir()
        data, options = data_of(task, here)
        recipe = recipe_of(task, here / "weights")
        model = recipe.fit(data, seed=3, out=folder / "run", reporter=SilentReporter(), **options)
        # What is pinned is the files and the figures, and not how good so small a model is.
        gate = kerastl.Gate(quantized_label_agreement=0.0)
        quantize = ("int8",) if task == "image" else ("dynamic",)
        bundle = model.export(folder / "bundle", quantize=quantize, gate=gate)
        snapshot = {
            "facts": facts_of(task, here),
            "export": bundle.as_dict(),
            **measure(task, here, folder),
            "unfinished": unfinished(task, here, folder / "unfinished"),
        }
        text = json.dumps(snapshot, indent=1, ensure_ascii=False)
        (folder / "snapshot.json").write_text(text, encoding="utf-8")
    shutil.rmtree("cache", ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
