"""Artifacts that take images of any size: resized in the graph as Pillow does it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerastl.bundles import any_size, export, load_bundle, measuring, verify, worker
from kerastl.bundles import network as networks
from kerastl.bundles.benchmarking import ImageSubject
from kerastl.bundles.bundle import LiteRTOptions
from kerastl.bundles.manifest import input_entry
from kerastl.bundles.runtimes import open_artifact
from kerastl.data import decode_full_size
from kerastl.errors import ConfigurationError, ParityError
from tests import forked
from tests.bundles.conftest import CLASS_NAMES, HEIGHT, WIDTH
from tests.bundles.test_planted_faults import forge
from tests.conftest import CLASSES

RUNNERS = Path(__file__).parents[2] / "export"
pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.mark.parametrize(
    "size", [(1, 1), (7, 300), (40, 56), (41, 55), (480, 640), (33, 20), (300, 60)]
)
def test_resizing_is_within_a_level_of_pillow(size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    wanted = Image.fromarray(pixels).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    found = any_size.resize(pixels[None].astype("float32"), HEIGHT, WIDTH).numpy()[0]
    apart = np.abs(found - np.asarray(wanted, dtype="float32"))
    assert apart.max() <= 1
    # Exact halves round either way.
    assert (apart > 0).mean() < 0.05
    if size == (HEIGHT, WIDTH):
        assert apart.max() == 0


@pytest.fixture(scope="module")
def bundle(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "bundle"
    return export(
        trained.network, path, class_names=CLASS_NAMES, quantize=("float16",),
        examples=trained.x_val, labels=trained.y_val, files=trained.files, any_size=True,
    )  # fmt: skip


def test_every_artifact_takes_images_of_their_own_size(bundle, trained):
    verify(bundle.path)
    manifest = json.loads((bundle.path / "manifest.json").read_text())
    assert manifest["input"]["shape"] == [None, None, None, 3]
    assert manifest["input"]["resize"]["in_graph"]
    reference = load_bundle(bundle.path, "onnx").predict(trained.files)
    for artifact in bundle.artifacts:
        runtime = open_artifact(artifact.format, bundle.path / artifact.path)
        for file, row in zip(trained.files, reference, strict=True):
            pixels = decode_full_size(file)
            np.testing.assert_allclose(runtime.predict(pixels[None])[0], row, atol=0.02)


def test_a_predictor_hands_images_over_as_they_are(bundle, trained):
    predictor = load_bundle(bundle.path, "onnx")
    runtime = open_artifact("onnx", bundle.path / "model.onnx")
    rows = [runtime.predict(decode_full_size(file)[None])[0] for file in trained.files]
    np.testing.assert_array_equal(predictor.predict(trained.files), np.stack(rows))


@pytest.fixture
def flawed(bundle, trained, tmp_path, monkeypatch):
    """A copy of the bundle with right hashes whose ONNX file takes one pixel for many."""

    def nearest(length, size):
        samples = tf.cast(length, tf.float32)
        middle = tf.floor((tf.range(size, dtype=tf.float32) + 0.5) * samples / float(size))
        return tf.one_hot(tf.cast(middle, tf.int32), length)

    folder, shape = tmp_path / "bundle", (HEIGHT, WIDTH, 3)
    shutil.copytree(bundle.path, folder)
    networks.save_network(trained.network, tmp_path / "network.keras")
    job = {
        "out": str(tmp_path), "shape": shape, "any_size": True, "class_names": CLASS_NAMES,
        "formats": ["onnx"], "quantize": [], "litert": vars(LiteRTOptions()), "gate": 0.98,
        "modules": [],
        "metadata": {"class_names": CLASS_NAMES, "input": input_entry(shape, False, True)},
    }  # fmt: skip
    monkeypatch.setattr(any_size, "_weights", nearest)
    worker.convert(job, tmp_path, worker.Steps(tmp_path / "steps.jsonl"))
    shutil.copyfile(tmp_path / "model.onnx", folder / "model.onnx")
    forge(folder, ["model.onnx"])
    return folder


def test_verify_finds_a_file_that_resizes_in_another_way(flawed):
    with pytest.raises(ParityError, match=r"model\.onnx resizes in another way than training"):
        verify(flawed)


def test_a_benchmark_hands_files_over_as_they_are(bundle, colour_folder, tmp_path):
    manifest = json.loads((bundle.path / "manifest.json").read_text())
    subject = ImageSubject(bundle.path, {**manifest, "class_names": CLASSES})
    labels = subject.save_examples(tmp_path, colour_folder, split="validation")
    files = json.loads((tmp_path / "images.json").read_text())
    assert [CLASSES.index(Path(file).parent.name) for file in files] == labels.tolist()
    subject.save_inputs(tmp_path, 32)
    job = {
        "of": "images", "format": "onnx", "artifact": bundle.path / "model.onnx", "threads": 1,
        "examples": True,
    }  # fmt: skip
    measuring.measure(job, tmp_path)
    expected = load_bundle(bundle.path, "onnx").predict(files)
    np.testing.assert_allclose(np.load(tmp_path / "outputs.npy"), expected, atol=1e-5)


@pytest.mark.parametrize("runner", ["run_onnx.py", "run_litert.py", "run_saved_model.py"])
def test_runners_hand_over_images_as_they_are(bundle, trained, runner):
    command = [sys.executable, str(RUNNERS / runner), str(bundle.path), *map(str, trained.files)]
    done = subprocess.run([*command, "--json"], check=True, capture_output=True, text=True)
    labels = [row["label"] for row in json.loads(done.stdout)["predictions"]]
    golden = json.loads((bundle.path / "golden" / "labels.json").read_text())
    assert labels == [golden[file.name]["label"] for file in trained.files]


def test_resizing_in_another_way_is_caught(trained, tmp_path, monkeypatch):
    """The nearest pixel in place of the mean of many."""
    plain = Path(any_size.__file__).read_text()
    broken = plain.replace("support = tf.maximum(scale, 1.0)", "support = 0.5 + 0.0 * scale")
    assert broken != plain
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import sys, importlib.abc, importlib.util\n"
        f"SOURCE = {broken!r}\n"
        "class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'kerastl.bundles.any_size':\n"
        "            return importlib.util.spec_from_loader(name, self)\n"
        "    def create_module(self, spec): return None\n"
        "    def exec_module(self, module): exec(SOURCE, module.__dict__)\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    monkeypatch.syspath_prepend(folder)
    # Whoever has no file but of the network's own size is told all the same.
    Image.fromarray(trained.x_val[0]).save(tmp_path / "same.png")
    # The planted module is found by a process as it starts.
    with (
        forked.fresh_workers(),
        pytest.raises(ParityError, match="resizes in another way than training"),
    ):
        export(
            trained.network, tmp_path / "bundle", class_names=CLASS_NAMES, formats=("onnx",),
            examples=trained.x_val, files=(tmp_path / "same.png",), any_size=True,
        )  # fmt: skip
    assert not (tmp_path / "bundle").exists()


def test_what_cannot_go_together(trained, tmp_path):
    options = {"class_names": CLASS_NAMES, "any_size": True}
    with pytest.raises(ConfigurationError, match="float16 goes with it"):
        export(
            trained.network, tmp_path / "b", quantize=("int8",), calibration=trained.x_train,
            files=trained.files, **options,
        )  # fmt: skip
