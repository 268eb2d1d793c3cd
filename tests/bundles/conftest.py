"""One small trained network and one bundle of it, shared by every test of the export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import forked

# Height and width differ, so that nothing that swaps them goes unseen.
HEIGHT, WIDTH = 40, 56
CLASS_NAMES = ["amber glass", "blé", "carton"]
QUANTIZE = ("float16", "dynamic", "int8", "int16x8")


def coloured_images(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of three separable classes: a dominant colour over noise and stripes."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, n)
    images = generator.integers(0, 110, (n, HEIGHT, WIDTH, 3))
    for image, label in zip(images, labels, strict=True):
        image[..., label] += generator.integers(70, 140)
        image[:: int(generator.integers(2, 6))] //= 2
    return images.astype(np.uint8), labels.astype(np.int64)


def build_network():
    """Grouped and depthwise convolutions, BatchNorm, a pad before pooling, exact GELU, swish."""
    import keras
    from keras import layers

    inputs = keras.Input((HEIGHT, WIDTH, 3), name="pixels")
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.MaxPooling2D(3, strides=2)(x)
    x = layers.Conv2D(16, 3, groups=4, padding="same")(x)
    x = layers.Activation("gelu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu6")(x)
    x = layers.Conv2D(16, 1, activation="swish")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


@dataclass(frozen=True)
class Trained:
    network: object
    x_train: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    files: tuple[Path, ...]

    def predict(self, images: np.ndarray) -> np.ndarray:
        return self.network.predict(np.asarray(images, dtype="float32"), verbose=0)


def write_photos(folder: Path, images: np.ndarray) -> tuple[Path, ...]:
    """A large JPEG that lies on its side, a PNG with alpha, a small JPEG, a grey PNG."""
    large = Image.fromarray(images[0]).resize((301, 177))
    exif = Image.Exif()
    exif[0x0112] = 6
    large.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.jpg", quality=90, exif=exif)
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    alpha[:5] = 100
    Image.fromarray(np.concatenate([images[1], alpha], 2)).save(folder / "alpha.png")
    Image.fromarray(images[2]).resize((23, 31)).save(folder / "small.jpeg")
    Image.fromarray(images[3]).convert("L").save(folder / "grey.png")
    return tuple(folder / name for name in ("turned.jpg", "alpha.png", "small.jpeg", "grey.png"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Trained:
    import keras

    keras.utils.set_random_seed(0)
    x_train, y_train = coloured_images(384, seed=1)
    x_val, y_val = coloured_images(90, seed=2)
    network = build_network()
    network.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    network.fit(x_train.astype("float32"), y_train, epochs=6, batch_size=32, verbose=0)
    files = write_photos(tmp_path_factory.mktemp("photos"), x_val)
    return Trained(network, x_train, x_val, y_val, files)


@dataclass(frozen=True)
class Exported:
    bundle: object
    steps: tuple[str, ...]


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory) -> Exported:
    from kerastl.bundles import export

    steps: list[str] = []
    with forked.fresh_workers():
        bundle = export(
            trained.network,
            tmp_path_factory.mktemp("export") / "bundle",
            class_names=CLASS_NAMES,
            quantize=QUANTIZE,
            examples=trained.x_val,
            labels=trained.y_val,
            calibration=trained.x_train[:100],
            files=trained.files,
            details={
                "backbone": "tiny",
                "licence": "mit",
                "metrics": {"accuracy": 0.9},
                "note": "x",
            },
            progress=steps.append,
        )
    return Exported(bundle, tuple(steps))


@pytest.fixture(scope="session")
def image_case(exported, trained):
    from kerastl.inputs import Image as Images
    from kerastl.model import TrainedModel
    from kerastl.outputs import Classes
    from kerastl.task import Task

    from .cases import Case

    task = Task.of_one(Images((HEIGHT, WIDTH)), Classes(tuple(CLASS_NAMES)))
    close = {None: 1e-3, "float16": 0.02, "dynamic": 0.15, "int8": 0.2, "int16x8": 0.15}
    model = TrainedModel(trained.network, task)
    return Case(model, exported.bundle, exported.steps, list(trained.files), 90, close)


@pytest.fixture(scope="session")
def text_case(tmp_path_factory):
    pytest.importorskip("keras_hub")
    pytest.importorskip("tensorflow_text")
    from . import cases

    return cases.text_case(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="session")
def several_of_text_case(tmp_path_factory):
    pytest.importorskip("keras_hub")
    pytest.importorskip("tensorflow_text")
    from . import cases

    return cases.several_of_text_case(tmp_path_factory.mktemp("several_of_text"))


@pytest.fixture(scope="session")
def vector_case(tmp_path_factory):
    pytest.importorskip("keras_hub")
    pytest.importorskip("tensorflow_text")
    from . import cases

    return cases.vector_case(tmp_path_factory.mktemp("vector"))


@pytest.fixture(scope="session")
def several_case(trained, tmp_path_factory):
    from . import cases

    return cases.several_case(trained, tmp_path_factory.mktemp("several"))


@pytest.fixture(scope="session", params=["image", "text", "vector", "several", "several_of_text"])
def case(request):
    """Each of the cases in turn."""
    return request.getfixturevalue(f"{request.param}_case")
