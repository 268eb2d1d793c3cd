"""Artifacts that take images of any size: resized in the graph as Pillow does it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerastl.bundles import (
    Subject,
    export,
    export_subject,
    exporter,
    load_bundle,
    measuring,
    verify,
    worker,
)
from kerastl.bundles.manifest import read_manifest, task_of
from kerastl.data import decode_full_size
from kerastl.errors import ConfigurationError, ParityError
from kerastl.formats import FORMATS, any_size
from tests import forked
from tests.bundles.cases import drive
from tests.bundles.conftest import CLASS_NAMES, HEIGHT, WIDTH
from tests.bundles.planting import forge
from tests.bundles.several import several_model

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
        session = FORMATS[artifact.format].open(bundle.path / artifact.path)
        for file, row in zip(trained.files, reference, strict=True):
            np.testing.assert_allclose(answer(session, file), row, atol=0.02)


def answer(session, file):
    """Of one image at its own size."""
    pixels = decode_full_size(file)[None].astype(np.float32)
    return session.run({"image": pixels})["probabilities"][0]


def test_a_predictor_hands_images_over_as_they_are(bundle, trained):
    predictor = load_bundle(bundle.path, "onnx")
    session = FORMATS["onnx"].open(bundle.path / "model.onnx")
    rows = [answer(session, file) for file in trained.files]
    np.testing.assert_array_equal(predictor.predict(trained.files), np.stack(rows))


@pytest.fixture
def flawed(bundle, trained, tmp_path, monkeypatch):
    """A copy of the bundle with right hashes whose ONNX file takes one pixel for many."""

    def nearest(length, place):
        size = place[0]
        samples = tf.cast(length, tf.float32)
        middle = tf.floor((tf.range(size, dtype=tf.float32) + 0.5) * samples / float(size))
        return tf.one_hot(tf.cast(middle, tf.int32), length)

    jobs = []

    def in_this_process(job, folder, progress=None, **options):
        # The patched function is of this process.
        jobs.append(job)
        facts = worker.convert(job, folder, worker.Steps(folder / "steps.jsonl"))
        return {**facts, "seconds": {}}

    def stop(*arguments, **options):
        shutil.copyfile(Path(jobs[0]["bundle"]) / "model.onnx", tmp_path / "model.onnx")
        raise InterruptedError

    folder = shutil.copytree(bundle.path, tmp_path / "bundle")
    monkeypatch.setattr(any_size, "_weights", nearest)
    with monkeypatch.context() as patch:
        patch.setattr(exporter, "run_worker", in_this_process)
        patch.setattr(exporter, "run_artifacts", stop)
        with pytest.raises(InterruptedError):
            export(
                trained.network, tmp_path / "other", class_names=CLASS_NAMES, formats=("onnx",),
                examples=trained.x_val[:4], any_size=True,
            )  # fmt: skip
    shutil.copyfile(tmp_path / "model.onnx", folder / "model.onnx")
    forge(folder, ["model.onnx"])
    return folder


def test_verify_finds_a_file_that_resizes_in_another_way(flawed):
    with pytest.raises(ParityError, match=r"model\.onnx resizes in another way than training"):
        verify(flawed)


def test_a_benchmark_hands_files_over_as_they_are(bundle, colour_folder, tmp_path):
    manifest = read_manifest(bundle.path)
    input = task_of(manifest, bundle.path).input
    files = sorted((colour_folder / "val").rglob("*.png"))
    input.store(tmp_path, "inputs", files)
    input.store(tmp_path, "examples", files)
    job = {
        "bundle": str(bundle.path), "manifest": manifest, "format": "onnx", "path": "model.onnx",
        "threads": 1, "examples": True,
    }  # fmt: skip
    measuring.measure(job, tmp_path)
    expected = load_bundle(bundle.path, "onnx").predict(files)
    with np.load(tmp_path / "outputs.npz") as found:
        np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)


def test_runners_hand_over_images_as_they_are(bundle, trained):
    golden = json.loads((bundle.path / "golden" / "labels.json").read_text())
    scripts = [(artifact.format, artifact.quantization) for artifact in bundle.artifacts]
    for answers in drive(bundle.path, trained.files, *scripts):
        labels = [answer["label"] for answer in answers]
        assert labels == [golden[file.name]["label"] for file in trained.files]


def test_several_outputs_of_images_of_any_size(trained, tmp_path):
    model = several_model(trained)
    bundle = export_subject(
        Subject(model.network, model.task, model.samples),
        tmp_path / "b",
        formats=("onnx", "litert"),
        any_size=True,
    )
    assert verify(bundle.path).passed
    expected = model.outputs(trained.files)
    found = load_bundle(bundle.path, "litert").outputs(trained.files)
    for name, output in model.task.outputs.items():
        allowed = 0.02 * output.scale(expected[name])
        np.testing.assert_allclose(found[name], expected[name], atol=allowed)


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
        "        if name == 'kerastl.formats.any_size':\n"
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
