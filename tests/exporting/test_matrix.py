"""Ten backbones of Keras Applications through all three float formats: ``pytest -m matrix``.

No pretrained weights are needed: weights are random, BatchNorm statistics are estimated on real
photos and a linear head is fitted on real features, so that labels depend on the image.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from kerastl.data import decode_image
from kerastl.exporting import export

SIZE = 96
RIDGE = 1.0

# The rescaling that the weights of each expect; None where the backbone rescales inside.
BACKBONES = {
    "MobileNet": (1 / 127.5, -1.0),
    "MobileNetV2": (1 / 127.5, -1.0),
    "MobileNetV3Small": None,
    "MobileNetV3Large": None,
    "EfficientNetB0": None,
    "EfficientNetV2B0": None,
    "ResNet50": (1.0, -117.0),
    "ResNet50V2": (1 / 127.5, -1.0),
    "DenseNet121": (1 / 57.0, -2.0),
    "ConvNeXtTiny": None,
}


@pytest.fixture(scope="module")
def photos():
    """Photos, labels and class names of both splits; skips where the data are missing."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    root = Path(os.environ.get("KERASTL_TEST_DATA", beside)) / "trashnet_small"
    if not root.is_dir():
        pytest.skip(f"no photos at {root}; set KERASTL_TEST_DATA to the folder that holds them")
    names = sorted(folder.name for folder in (root / "train").iterdir())
    splits = []
    for split in ("train", "val"):
        files = [file for name in names for file in sorted((root / split / name).iterdir())]
        labels = np.array([names.index(file.parent.name) for file in files])
        splits.append((np.stack([decode_image(file, (SIZE, SIZE)) for file in files]), labels))
    return splits, names


def estimate_batch_norm(backbone, images):
    """Sets moving statistics to those of one large batch, in one training-mode pass."""
    import keras

    normalisations = [
        layer
        for layer in backbone._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    kept = [layer.momentum for layer in normalisations]
    for layer in normalisations:
        layer.momentum = 0.0
    backbone(images, training=True)
    for layer, momentum in zip(normalisations, kept, strict=True):
        layer.momentum = momentum


def build(name, train, labels, classes):
    """A random backbone under a softmax head fitted by ridge regression."""
    import keras

    keras.utils.set_random_seed(0)
    constructor = getattr(keras.applications, name)
    backbone = constructor(
        weights=None, include_top=False, input_shape=(SIZE, SIZE, 3), pooling="avg"
    )
    inputs = keras.Input((SIZE, SIZE, 3), name="image")
    x = inputs
    if BACKBONES[name] is not None:
        scale, offset = BACKBONES[name]
        x = keras.layers.Rescaling(scale, offset)(x)
    prepared = keras.Model(inputs, x)(train.astype("float32"))
    estimate_batch_norm(backbone, prepared[::3])
    features = backbone.predict(prepared, batch_size=32, verbose=0)
    mean, spread = features.mean(0), features.std(0) + 1e-6
    standard = (features - mean) / spread
    targets = 6.0 * np.eye(classes)[labels]
    gram = standard.T @ standard + RIDGE * len(standard) * np.eye(standard.shape[1])
    kernel = np.linalg.solve(gram, standard.T @ (targets - targets.mean(0)))
    x = keras.layers.Normalization(mean=mean, variance=spread**2)(backbone(x))
    head = keras.layers.Dense(classes, activation="softmax")
    network = keras.Model(inputs, head(x))
    head.set_weights([kernel, targets.mean(0)])
    return network


@pytest.mark.matrix
@pytest.mark.parametrize("name", BACKBONES)
def test_every_float_format_passes(name, photos, tmp_path, capsys):
    ((x_train, y_train), (x_val, y_val)), names = photos
    network = build(name, x_train, y_train, len(names))
    start = time.monotonic()
    bundle = export(
        network,
        tmp_path / "bundle",
        class_names=names,
        examples=x_val,
        labels=y_val,
        details={"backbone": name},
    )
    seconds = time.monotonic() - start
    figures = ", ".join(
        f"{artifact.format} {artifact.max_abs_diff:.1e}/{artifact.label_agreement:.3f} "
        f"{artifact.bytes / 1e6:.1f} MB {artifact.seconds:.1f} s"
        for artifact in bundle.artifacts
    )
    distinct = len(np.unique(network.predict(x_val.astype("float32"), verbose=0).argmax(1)))
    with capsys.disabled():
        print(
            f"\n{name}: {seconds:.1f} s, accuracy {bundle.artifacts[0].accuracy:.3f}, "
            f"{distinct} labels; {figures}"
        )
    assert bundle.passed
    assert distinct >= 3
