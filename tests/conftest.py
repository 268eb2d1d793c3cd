"""Fixtures that many tests share; models are built once a session, since that costs time."""

import warnings

import keras
import numpy as np
import pytest
from PIL import Image

import kerastl
from kerastl.cli.main import app
from kerastl.training import SilentReporter
from tests import forked

CLASSES = ("blue", "green", "red")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Slow tests come last, so that what is wrong shows soon."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session", autouse=True)
def activation_cache(tmp_path_factory):
    """Keeps activations out of the user's own cache; subprocesses inherit it."""
    folder = tmp_path_factory.mktemp("activations")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASTL_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def forked_workers():
    """The workers of exports are forked, their imports made: see tests/forked.py."""
    with forked.workers():
        yield


def coloured_images(count, size=40, seed=0):
    """Noisy images of three colours: uint8 (count, size, size, 3) and labels (count,)."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = random.integers(0, 90, (count, size, size, 3))
    images[np.arange(count), :, :, 2 - labels] += 120
    return images.astype(np.uint8), labels


@pytest.fixture(scope="session")
def colours():
    return coloured_images(48)


@pytest.fixture(scope="session")
def colour_folder(tmp_path_factory):
    """A folder with train/ and val/ of three classes, 12 and 6 images each."""
    root = tmp_path_factory.mktemp("colours")
    for split, count, seed in (("train", 36, 1), ("val", 18, 2)):
        images, labels = coloured_images(count, seed=seed)
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            folder = root / split / CLASSES[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{index:03d}.png")
    return root


def settle_batch_norm(network, images):
    """Gives BatchNorm the statistics of images, so that random weights carry signals."""
    layers = [
        layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    for layer in layers:
        layer.momentum = 0.0
    network(images.astype("float32"), training=True)
    for layer in layers:
        layer.momentum = 0.99


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory):
    """Weights of a quarter-width MobileNet whose statistics are those of coloured images."""
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNet(
        alpha=0.25, include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    settle_batch_norm(network, coloured_images(32, size=32)[0] / 127.5 - 1)
    path = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    network.save_weights(path)
    return path


@pytest.fixture(scope="session")
def small_recipe(small_weights):
    """Makes recipes that train in seconds: a quarter-width MobileNet at 32 pixels."""

    def make(**settings):
        return kerastl.ImageClassification(
            **{
                "backbone": "mobilenet_0.25",
                "weights": small_weights,
                "image_size": 32,
                "batch_size": 8,
                "augment": None,
                "plan": kerastl.two_phase(3, 2, head_learning_rate=1e-2, train_from="conv_12"),
                **settings,
            }
        )

    return make


@pytest.fixture(scope="session")
def trained(small_recipe, colour_folder, tmp_path_factory):
    """A trained model with its run directory."""
    run = tmp_path_factory.mktemp("trained") / "run"
    model = small_recipe().fit(colour_folder, out=run, reporter=SilentReporter())
    return model, run


@pytest.fixture
def call(capfd, monkeypatch):
    """Runs a command as a shell would: exit code, standard output and error by descriptors."""
    # The command shows warnings in its own way from then on.
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)

    def run(*arguments):
        capfd.readouterr()
        code = 0
        try:
            app([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code or 0
        return (code, *capfd.readouterr())

    return run


FILLING = ("the", "this", "film", "book", "was", "is", "and", "it", "they", "found", "plot", "end")
FOND = ("good", "great", "fine", "nice")
CROSS = ("bad", "poor", "dull", "awful")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="session")
def tiny_text(tmp_path_factory):
    """A KerasHub preset of a BERT with two small layers, settled by nothing but its seed."""
    hub = pytest.importorskip("keras_hub")
    folder = tmp_path_factory.mktemp("tiny_text") / "preset"
    keras.utils.set_random_seed(0)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *FILLING, *FOND, *CROSS, *LETTERS]
    vocabulary += [f"##{letter}" for letter in LETTERS]
    backbone = hub.models.BertBackbone(
        vocabulary_size=len(vocabulary), num_layers=2, num_heads=2, hidden_dim=16,
        intermediate_dim=32, max_sequence_length=48,
    )  # fmt: skip
    for weight in backbone.weights:
        if "kernel" in weight.path or "embeddings" in weight.path:
            # Weights as small as the initial ones would tell no text from another.
            weight.assign(3.0 * weight)
    backbone.save_to_preset(folder)
    hub.models.BertTokenizer(vocabulary, lowercase=True).save_to_preset(folder)
    return folder


@pytest.fixture(scope="session")
def reviews():
    """Texts of many lengths and their class: which kind of word they hold."""
    random = np.random.default_rng(0)
    kinds = {"negative": CROSS, "positive": FOND}
    texts, labels = [], []
    for index in range(96):
        label = ("negative", "positive")[index % 2]
        words = list(random.choice(FILLING, int(random.integers(2, 32))))
        for _ in range(1 + len(words) // 3):
            words.insert(int(random.integers(len(words))), str(random.choice(kinds[label])))
        texts.append(" ".join(words))
        labels.append(label)
    return texts, labels
