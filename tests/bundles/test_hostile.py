"""Bundles that mean harm, folders that are not the export's, and proofs that prove little."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from kerastl.bundles import Gate, benchmark, export, load_bundle, network, verify
from kerastl.bundles.bundle import Artifact
from kerastl.bundles.few_examples import FewExamplesWarning, warn_of_few
from kerastl.bundles.hashing import sha256_manifest
from kerastl.bundles.manifest import refuse_foreign_folder
from kerastl.errors import (
    BundleError,
    ConfigurationError,
    ExportError,
    KerastlError,
    ParityError,
)
from kerastl.outputs import Classes
from tests import forked

from .conftest import CLASS_NAMES, HEIGHT, WIDTH
from .planting import forge

pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture
def copied(exported, tmp_path):
    shutil.copytree(exported.bundle.path, tmp_path / "bundle")
    return tmp_path / "bundle"


def test_nothing_is_imported_from_the_folder_the_user_is_in(copied, monkeypatch):
    (copied / "json.py").write_text("raise SystemExit('code of the bundle ran')")
    (copied / "onnxruntime.py").write_text("raise SystemExit('code of the bundle ran')")
    forge(copied, ["model.onnx"])
    monkeypatch.chdir(copied)
    with forked.fresh_workers():
        assert verify(".").passed


def test_a_saved_model_that_writes_files_is_not_run(copied, tmp_path):
    import tensorflow as tf

    class Writer(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, HEIGHT, WIDTH, 3], tf.float32)])
        def __call__(self, image):
            tf.io.write_file(str(tmp_path / "written"), "harm")
            return {"probabilities": tf.fill([tf.shape(image)[0], 3], 1 / 3)}

    shutil.rmtree(copied / "saved_model")
    module = Writer()
    tf.saved_model.save(module, str(copied / "saved_model"), {"serving_default": module.__call__})
    forge(copied, ["saved_model"])
    for use in (verify, load_bundle, benchmark):
        with pytest.raises(BundleError, match=r"saved_model holds operations .* \(WriteFile\)"):
            use(copied)
    assert not (tmp_path / "written").exists()


def test_a_file_that_its_runtime_cannot_read(copied):
    (copied / "model.onnx").write_bytes((copied / "model.onnx").read_bytes()[:1000])
    forge(copied, ["model.onnx"])
    with pytest.raises(BundleError, match=r"model\.onnx cannot be read by its runtime"):
        load_bundle(copied, "onnx")


def rewrite(folder, change):
    """Changes a manifest, and makes its hash right again."""
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text("utf-8"))
    change(manifest)
    manifest["manifest_sha256"] = sha256_manifest(manifest)
    file.write_text(json.dumps(manifest), "utf-8")


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["gate"].pop("max_abs_diff"),
        lambda m: m["gate"].update(more=1),
        lambda m: m["gate"].update(max_abs_diff="small"),
        lambda m: m["gate"].update(label_agreement=None),
        lambda m: m["input"].pop("resize"),
        lambda m: m["input"]["resize"].update(size=[40]),
        lambda m: m["input"]["resize"].update(size=[40, -3]),
        lambda m: m["input"].update(kind="sound"),
        lambda m: m["input"].update(kind=["image"]),
        lambda m: m["artifacts"][0].pop("sha256"),
        lambda m: m["artifacts"][0]["parity"].pop("n"),
        lambda m: m["artifacts"].append("model.onnx"),
        lambda m: m.update(artifacts=[]),
        lambda m: m.update(task="mind_reading"),
        lambda m: m["files"].update({"../outside": "0"}),
        lambda m: m["files"].update({"labels.txt": None}),
        # Outputs that are none, or of other shapes.
        lambda m: m.update(outputs=[]),
        lambda m: m.update(outputs=["probabilities"]),
        lambda m: m["outputs"].append({"name": "more"}),
        lambda m: m["outputs"].append(dict(m["outputs"][0])),
        lambda m: m["outputs"][0].pop("name"),
        lambda m: m["outputs"][0].update(name=3),
        lambda m: m["outputs"][0].update(name="../../../labels"),
        lambda m: m["outputs"][0].update(shape=[None, 4]),
        lambda m: m["outputs"][0].update(shape=[3]),
        lambda m: m["outputs"][0].update(shape=None),
        lambda m: m["outputs"][0].update(output="single_label"),
        lambda m: m["outputs"][0].update(output={"kind": "mind_reading"}),
        lambda m: m["outputs"][0]["output"].pop("kind"),
        lambda m: m["outputs"][0]["output"].update(kind=["single_label"]),
        lambda m: m["outputs"][0]["output"].update(class_names="abc"),
        lambda m: m["outputs"][0]["output"].update(class_names=[1, 2, 3]),
        lambda m: m["outputs"][0]["output"].update(class_names=["a", "b", "c"]),
        # Another of the same width, which the rest of the manifest does not speak of.
        lambda m: m["outputs"][0].update(output={"kind": "embedding", "dimensions": 3}),
        lambda m: m.update(class_names=["a", "b", "c"]),
    ],
)
def test_manifests_with_right_hashes_and_wrong_content(copied, change):
    rewrite(copied, change)
    for use in (verify, load_bundle):
        with pytest.raises(BundleError):
            use(copied)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.pop("tokenizer"),
        lambda m: m.update(tokenizer=[]),
        lambda m: m["tokenizer"].pop("pad_id"),
        lambda m: m["tokenizer"].update(pad_id="first"),
        # The end of each text: answers are then others.
        lambda m: m["tokenizer"].update(pad_id=3),
        lambda m: m["tokenizer"].update(max_length="long"),
        lambda m: m["tokenizer"].update(max_length=0),
        lambda m: m["tokenizer"].update(start_ids=None),
        lambda m: m["tokenizer"].pop("sha256"),
        lambda m: m["input"].update(kind="image"),
        lambda m: m.update(thresholds=[0.5, 0.5, 0.5]),
        lambda m: m.update(kind="regression"),
    ],
)
def test_manifests_of_texts_with_wrong_content(text_case, tmp_path, change):
    folder = shutil.copytree(text_case.bundle.path, tmp_path / "bundle")
    forge(folder, ["model.onnx"])
    rewrite(folder, change)
    with pytest.raises((BundleError, ParityError)):
        verify(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["outputs"].pop(),
        lambda m: m["outputs"][0].update(name="defects"),
        lambda m: m["outputs"][1]["output"].update(thresholds=[0.5]),
        lambda m: m["outputs"][1]["output"].update(thresholds="high"),
        lambda m: m["outputs"][3]["output"].update(dimensions=7),
        lambda m: m["outputs"][3]["output"].update(dimensions="6"),
        lambda m: m.update(class_names=["amber glass", "blé", "carton"]),
    ],
)
def test_manifests_of_several_outputs_with_wrong_content(several_case, tmp_path, change):
    folder = shutil.copytree(several_case.bundle.path, tmp_path / "bundle")
    forge(folder, ["model.onnx"])
    rewrite(folder, change)
    with pytest.raises((BundleError, ParityError)):
        verify(folder)


@pytest.mark.parametrize("name", ["outputs.npz", "file_outputs.npz", "inputs.npz", "labels.json"])
@pytest.mark.parametrize("content", [b"", b"nothing", b"[]", b"{}", b'{"a.jpg": 3}'])
def test_golden_folders_that_hold_something_else(copied, name, content):
    (copied / "golden" / name).write_bytes(content)
    forge(copied, ["model.onnx"])
    with pytest.raises(BundleError):
        verify(copied)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.pop("model.onnx"),
        lambda arrays: arrays.update({"network": arrays["network"][:3]}),
        lambda arrays: arrays.update({"network": arrays["network"][:, :2]}),
        lambda arrays: arrays.update({"network": arrays["network"].astype(str)}),
        lambda arrays: arrays.update({"network": arrays["network"].astype(object)}),
    ],
)
@pytest.mark.parametrize("name", ["outputs.npz", "file_outputs.npz"])
def test_golden_answers_of_other_shapes(copied, name, change):
    file = copied / "golden" / name
    with np.load(file) as archive:
        arrays = {key: archive[key] for key in archive.files}
    change(arrays)
    np.savez(file, **arrays)
    forge(copied, ["model.onnx"])
    with pytest.raises(BundleError, match="golden cannot be read"):
        verify(copied)


def test_golden_files_lie_in_the_bundle(copied):
    file = copied / "golden" / "labels.json"
    answers = json.loads(file.read_text("utf-8"))
    answers["../../../secret.png"] = next(iter(answers.values()))
    file.write_text(json.dumps(answers), "utf-8")
    # Bundles of version 0.1.0 have no answers to files beside their labels.
    (copied / "golden" / "file_outputs.npz").unlink()
    rewrite(copied, lambda m: m["files"].pop("golden/file_outputs.npz"))
    forge(copied, ["model.onnx"])
    with pytest.raises(BundleError, match="names files that are not there"):
        verify(copied)


def test_only_a_bundle_is_replaced(copied, tmp_path, trained):
    photos = tmp_path / "photos"
    (photos / "cat").mkdir(parents=True)
    (photos / "cat" / "1.jpg").write_bytes(b"mine")
    with pytest.raises(ConfigurationError, match="holds what no export wrote"):
        export(trained.network, photos, class_names=CLASS_NAMES, overwrite=True)
    assert (photos / "cat" / "1.jpg").read_bytes() == b"mine"
    refuse_foreign_folder(copied)
    (tmp_path / "empty").mkdir()
    refuse_foreign_folder(tmp_path / "empty")
    # A damaged bundle may be exported again.
    (copied / "manifest.json").write_text("{")
    refuse_foreign_folder(copied)
    (copied / "notes.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"left as it is: notes\.txt"):
        refuse_foreign_folder(copied)
    (copied / "notes.txt").unlink()
    (copied / "manifest.json").unlink()
    with pytest.raises(ConfigurationError, match="no export wrote"):
        refuse_foreign_folder(copied)


def test_every_file_of_a_bundle_is_known_as_its_own(exported):
    refuse_foreign_folder(exported.bundle.path)


def quantised(agreement, n):
    return Artifact("litert", "model_int8.tflite", 1, "", "int8", 0.1, agreement, n, True)


@pytest.mark.parametrize(
    ("agreement", "n", "labels", "match"),
    [
        (1.0, 2, 2, "2 of 2 photos only show that .* at least 34%"),
        (1.0, 20, 3, "20 of 20 photos"),
        (1.0, 100, 1, "all 100 photos the same label"),
        (1.0, 29, 3, None),
        (0.99, 100, 3, None),
    ],
)
def test_a_proof_on_few_examples_says_so(agreement, n, labels, match):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_few([quantised(agreement, n)], Gate(), "photos", labels)
    assert [item.category for item in caught] == [FewExamplesWarning] * (match is not None)
    if match:
        with pytest.warns(FewExamplesWarning, match=match):
            warn_of_few([quantised(agreement, n)], Gate(), "photos", labels)


def test_a_quantised_file_of_many_classes_must_repeat_its_answers():
    """Probabilities of many classes are all small, and so is what they may differ by."""
    random = np.random.default_rng(0)
    own = random.dirichlet(np.full(1000, 0.1), 32).astype("float32")
    output = Classes(tuple(map(str, range(1000))))
    assert output.repeats(own, own)
    assert not output.repeats(own, own[:, ::-1])
    # Of eight bits, a step more or less is no other answer.
    steps = np.round(own * 256) / 256
    assert output.repeats(steps, steps + np.float32(1 / 256))
    assert not output.repeats(steps, steps[::-1])


def test_one_output_and_a_dict_are_refused(tmp_path):
    image = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    single = keras.layers.Dense(1, activation="sigmoid")(pooled)
    with pytest.raises(ConfigurationError, match=r"Concatenate\(\)\(\[1 - p, p\]\)"):
        export(keras.Model(image, single), tmp_path / "b", class_names=["hit"])
    two = keras.layers.Concatenate()([1 - single, single])
    assert network.check_network(keras.Model(image, two), ["miss", "hit"], None) == (8, 8, 3)
    with pytest.raises(ConfigurationError, match=r"network\.output\['p'\]"):
        export(keras.Model(image, {"p": pooled}), tmp_path / "b", class_names=CLASS_NAMES)


class BatchMean(keras.layers.Layer):
    def call(self, x):
        return x - keras.ops.mean(x, axis=0, keepdims=True)


def test_answers_that_depend_on_the_batch(trained, tmp_path):
    image = keras.Input((HEIGHT, WIDTH, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, keras.layers.Softmax()(BatchMean()(pooled)))
    with pytest.raises(ExportError, match="depends on the other images of its batch"):
        export(model, tmp_path / "b", class_names=CLASS_NAMES, examples=trained.x_val[:8])
    assert list(tmp_path.iterdir()) == []


class Unsaved(keras.layers.Layer):
    def get_config(self):
        raise KeyError("a setting that it lacks")

    def call(self, x):
        return x


def test_a_layer_that_cannot_be_saved_is_an_export_error(trained, tmp_path):
    image = keras.Input((HEIGHT, WIDTH, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, Unsaved()(pooled))
    with (
        pytest.warns(UserWarning, match="ends in scores"),
        pytest.raises(ExportError, match="Keras cannot save this network"),
    ):
        export(model, tmp_path / "b", class_names=CLASS_NAMES, examples=trained.x_val[:8])


def test_modules_of_what_layers_were_given(tmp_path, monkeypatch):
    (tmp_path / "given_to_layers.py").write_text(
        "import keras\n"
        "@keras.saving.register_keras_serializable()\n"
        "def halved(x): return keras.ops.relu(x) / 2\n"
        "@keras.saving.register_keras_serializable()\n"
        "class Nothing(keras.regularizers.Regularizer):\n"
        "    def __call__(self, x): return 0.0\n"
        "    def get_config(self): return {}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import given_to_layers

    image = keras.Input((8, 8, 3))
    for given in (
        {"activation": given_to_layers.halved},
        {"kernel_regularizer": given_to_layers.Nothing()},
    ):
        x = keras.layers.Conv2D(3, 1, **given)(image)
        model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
        assert network.modules_of(model) == ["given_to_layers"]


def test_one_image_is_one_image(exported, trained):
    predictor = load_bundle(exported.bundle.path, "onnx")
    pixels = trained.x_val[0]
    one = predictor.predict(pixels)
    assert one.shape == (1, 3)
    for source in (Image.fromarray(pixels), iter([pixels]), pixels[None]):
        np.testing.assert_array_equal(predictor.predict(source), one)
    data = bytearray(Path(trained.files[1]).read_bytes())
    assert predictor.predict(data).shape == (1, 3)
    with pytest.raises(KerastlError):
        predictor.predict(3)
