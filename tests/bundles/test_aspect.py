"""Images of another aspect ratio: stretched, padded and cropped alike in training and in files."""

import itertools
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import kerastl
from kerastl.data import decode_image
from kerastl.errors import BundleError, ConfigurationError
from kerastl.formats import FORMATS, any_size
from kerastl.formats.pairs import decoding
from kerastl.inputs.resizing import crop_box, pad_box
from kerastl.training import SilentReporter
from tests.bundles.planting import forge

pytestmark = pytest.mark.usefixtures("forked_workers")
SHAPES = list(itertools.product((1, 3, 17, 40, 131, 300), repeat=2))
SIZES = ((40, 56), (33, 20), (32, 32))


def noise(height, width):
    return np.random.default_rng(height * 1000 + width).integers(
        0, 256, (height, width, 3), np.uint8
    )


@pytest.fixture(scope="module")
def reader():
    """What the runners beside a bundle make of files; it needs no kerastl."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "export"))
    from bundle_io import ImageReader

    return ImageReader


def test_boxes_by_hand():
    # 100 high and 200 wide into a square of 50: the middle 100 columns, or 25 rows in the middle.
    assert crop_box((100, 200), (50, 50)) == (0, 50, 100, 100)
    assert pad_box((100, 200), (50, 50)) == (12, 0, 25, 50)
    assert crop_box((200, 100), (50, 100)) == (75, 0, 50, 100)
    assert pad_box((200, 100), (50, 100)) == (0, 37, 50, 25)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_box_lies_within_and_keeps_the_aspect_ratio(shape):
    for size in SIZES:
        top, left, rows, columns = crop_box(shape, size)
        assert min(top, left) >= 0
        assert min(rows, columns) >= 1
        assert top + rows <= shape[0]
        assert left + columns <= shape[1]
        assert rows == shape[0] or columns == shape[1]
        top, left, rows, columns = pad_box(shape, size)
        assert min(top, left) >= 0
        assert min(rows, columns) >= 1
        assert top + rows <= size[0]
        assert left + columns <= size[1]
        assert rows == size[0] or columns == size[1]
        # To half a pixel of the smaller side.
        assert abs(rows * shape[1] - columns * shape[0]) <= max(shape) / 2 + min(shape) * 0.5 or (
            min(rows, columns) == 1
        )


def test_pad_and_crop_of_a_picture():
    half = np.zeros((20, 40, 3), np.uint8)
    half[:, 20:] = 255
    padded = decode_image(half, (40, 40), "pad")
    assert (padded[:10] == 128).all()
    assert (padded[30:] == 128).all()
    np.testing.assert_array_equal(padded[10:30], half)
    cropped = decode_image(half, (20, 20), "crop")
    assert (cropped[:, :10] == 0).all()
    assert (cropped[:, 10:] == 255).all()


@pytest.mark.parametrize("aspect", ["pad", "crop"])
def test_every_way_of_resizing_gives_the_same_pixels(aspect, reader):
    for height, width in SIZES:
        manifest = {
            "input": {
                "resize": {
                    "size": [height, width], "in_graph": False, "aspect_ratio": aspect,
                    "pad_level": 128,
                }
            }
        }  # fmt: skip
        consumer = reader(manifest, Path())
        for shape in SHAPES:
            pixels = noise(*shape)
            wanted = decode_image(pixels, (height, width), aspect)
            strings = decoding.resize(tf.constant(pixels), height, width, aspect=aspect)
            np.testing.assert_array_equal(strings, wanted)
            np.testing.assert_array_equal(consumer.resized(Image.fromarray(pixels)), wanted)
            graph = any_size.resize(pixels[None].astype("float32"), height, width, aspect)
            apart = np.abs(np.asarray(graph)[0] - wanted.astype("float32"))
            # Exact halves round either way, and now and then in both passes.
            assert apart.max() <= 2
            assert (apart > 1).mean() < 0.001
            assert (apart > 0).mean() < 0.1


@pytest.fixture(scope="module")
def odd_photos(tmp_path_factory):
    """Red, green or blue in the middle third, and another colour beside it."""
    root = tmp_path_factory.mktemp("odd")
    random = np.random.default_rng(0)
    for index in range(36):
        label = index % 3
        shape = (60, 30 + 90 * (index % 2)) if index % 4 < 2 else (90 - 50 * (index % 2), 36)
        pixels = random.integers(0, 90, (*shape, 3)).astype(np.uint8)
        pixels[:, :, label] += 130
        folder = root / ("red", "green", "blue")[label]
        folder.mkdir(exist_ok=True)
        kind = ("jpg", "png")[index % 2]
        Image.fromarray(pixels).save(folder / f"{index}.{kind}")
    return root


def calm_recipe(resize):
    """Of a network whose answers change little with a level more or less in a pixel."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input((32, 32, 3)), keras.layers.AveragePooling2D(4), keras.layers.Conv2D(6, 3)]
    return kerastl.ImageClassification(
        backbone=keras.Sequential(layers, name="calm"),
        preprocessing="unit",
        resize=resize,
        augment=None,
        plan=kerastl.head_only(epochs=8, learning_rate=0.1),
    )


@pytest.mark.slow
@pytest.mark.parametrize("resize", ["pad", "crop"])
def test_from_file_to_label_in_every_format(resize, odd_photos, tmp_path):
    recipe = calm_recipe(resize)
    model = recipe.fit(odd_photos, out=tmp_path / "run", reporter=SilentReporter())
    assert kerastl.load(tmp_path / "run").task.input.resize == resize
    files = sorted(odd_photos.rglob("*.*"))[::3]
    expected = model.predict(files).probabilities
    for any_size_ in (False, True):
        bundle = model.export(tmp_path / f"bundle_{any_size_}", any_size=any_size_)
        assert bundle.passed
        assert bundle.manifest["input"]["resize"]["aspect_ratio"] == resize
        for artifact in bundle.artifacts:
            opened = kerastl.load(bundle.path, format=artifact.format)
            found = opened.predict(files).probabilities
            np.testing.assert_allclose(found, expected, atol=0.02 if any_size_ else 1e-4)
        if not any_size_:
            saved = FORMATS["saved_model"].open(bundle.path / "saved_model")
            strings = [file.read_bytes() for file in files]
            served = saved.call("serve_bytes", "image_bytes", strings)
            np.testing.assert_allclose(served["probabilities"], expected, atol=1e-4)
    section = bundle.manifest["input"]
    resize_section = {**section["resize"], "aspect_ratio": "squeeze"}
    forge(bundle.path, input={**section, "resize": resize_section})
    with pytest.raises(BundleError, match="no valid 'input'"):
        kerastl.load(bundle.path)


def test_another_word_is_refused_at_once(small_recipe):
    with pytest.raises(ConfigurationError, match="resize='letterbox'; allowed are 'stretch'"):
        small_recipe(resize="letterbox").fit("no/such/data")
