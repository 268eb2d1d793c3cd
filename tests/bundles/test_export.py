"""Bundles of image classifiers: what of them no other bundle has. See test_contract.py."""

from __future__ import annotations

import dataclasses
import json
import zipfile

import numpy as np
import pytest

from kerastl.bundles import Gate, export, load_bundle, verify
from kerastl.errors import ConfigurationError, ParityError
from kerastl.formats import FORMATS
from kerastl.model import TrainedModel
from kerastl.task import Task

from .conftest import CLASS_NAMES, HEIGHT, WIDTH, build_network
from .planting import forge
from .several import several_model

PATHS = [
    "saved_model",
    "model.onnx",
    "model.tflite",
    "model_float16.tflite",
    "model_dynamic.tflite",
    "model_int8.tflite",
    "model_int16x8.tflite",
]
pytestmark = pytest.mark.usefixtures("forked_workers")


def test_artifacts_and_their_accuracy(exported):
    assert [artifact.path for artifact in exported.bundle.artifacts] == PATHS
    assert all(artifact.accuracy > 0.9 for artifact in exported.bundle.artifacts)


def test_manifest_and_files(exported):
    path, manifest = exported.bundle.path, exported.bundle.manifest
    assert manifest["task"] == "image_classification"
    assert manifest["class_names"] == CLASS_NAMES
    assert manifest["input"]["shape"] == [None, HEIGHT, WIDTH, 3]
    assert manifest["outputs"][0]["kind"] == "probabilities"
    assert manifest["backbone"] == "tiny"
    assert manifest["details"] == {"note": "x"}
    parity = manifest["artifacts"][-1]["parity"]
    assert parity["threshold"] == {"max_abs_diff": None, "label_agreement": 0.98}
    assert (path / "labels.txt").read_text("utf-8").split("\n") == [*CLASS_NAMES, ""]
    labels = json.loads((path / "golden" / "labels.json").read_text("utf-8"))
    assert list(labels) == ["turned.jpg", "alpha.png", "small.jpeg", "grey.png"]
    assert {item["label"] for item in labels.values()} <= set(CLASS_NAMES)
    card = (path / "README.md").read_text("utf-8")
    assert card.startswith('---\nlicense: "mit"\npipeline_tag: image-classification')
    assert "Wilson interval" in card
    assert "as `image_bytes` and returns `probabilities` and `label`." in card


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("batch", [1, 3, 7])
def test_batches_of_any_size(exported, trained, name, batch):
    entry = next(item for item in exported.bundle.manifest["artifacts"] if item["path"] == name)
    assert entry["batch"] == "dynamic"
    session = FORMATS[entry["format"]].open(exported.bundle.path / name)
    images = trained.x_val[10 : 10 + batch]
    outputs = session.run({"image": images.astype(np.float32)})["probabilities"]
    tolerance = 1e-3 if entry["quantization"] is None else 0.15
    assert np.abs(outputs - trained.predict(images)).max() < tolerance


def test_saved_model_serves_encoded_files(exported, trained):
    session = FORMATS["saved_model"].open(exported.bundle.path / "saved_model")
    encoded = [file.read_bytes() for file in trained.files]
    found = session.call("serve_bytes", "image_bytes", encoded)
    expected = load_bundle(exported.bundle.path, "saved_model").predict(trained.files)
    assert np.abs(found["probabilities"] - expected).max() < 1e-6
    assert found["label"] == [CLASS_NAMES[row.argmax()] for row in expected]


def test_onnx_is_named_checked_and_labelled(exported):
    import onnx

    model = onnx.load(exported.bundle.path / "model.onnx")
    assert [value.name for value in model.graph.input] == ["image"]
    assert [value.name for value in model.graph.output] == ["probabilities"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    # The pad before the pooling, which ONNX Runtime would fold wrongly.
    assert exported.bundle.manifest["artifacts"][1]["pads_guarded"] == 1
    assert {item.domain for item in model.opset_import} <= {"", "ai.onnx", "ai.onnx.ml"}
    metadata = {item.key: item.value for item in model.metadata_props}
    assert json.loads(metadata["class_names"]) == CLASS_NAMES
    assert json.loads(metadata["input"])["color_order"] == "RGB"


def test_litert_holds_labels_and_takes_pixels_as_they_are(exported):
    from ai_edge_litert.interpreter import Interpreter

    with zipfile.ZipFile(exported.bundle.path / "model_int8.tflite") as archive:
        assert archive.read("labels.txt").decode() == "".join(f"{n}\n" for n in CLASS_NAMES)
    interpreter = Interpreter(str(exported.bundle.path / "model_int8.tflite"))
    details = interpreter.get_input_details()[0]
    assert details["dtype"] == np.uint8
    scale, zero_point = details["quantization"]
    assert scale == pytest.approx(1, abs=1e-6)
    assert zero_point == 0


def test_quantised_files_are_smaller(exported):
    sizes = {artifact.path: artifact.bytes for artifact in exported.bundle.artifacts}
    assert sizes["model_float16.tflite"] < sizes["model.tflite"]


def test_golden_images_are_few(exported):
    with np.load(exported.bundle.path / "golden" / "inputs.npz") as archive:
        assert archive["image"].shape == (32, HEIGHT, WIDTH, 3)


def test_predictor(exported, trained):
    for format in ("saved_model", "onnx", "litert"):
        predictor = load_bundle(exported.bundle.path, format)
        assert predictor.class_names == tuple(CLASS_NAMES)
        mixed = [trained.files[0], str(trained.files[1]), trained.x_val[0]]
        outputs = predictor.predict(mixed)
        assert outputs.shape == (3, 3)
        assert outputs.dtype == np.float32
        assert np.abs(outputs[2] - trained.predict(trained.x_val[:1])[0]).max() < 1e-3
    assert load_bundle(exported.bundle.path).format == "onnx"
    assert load_bundle(exported.bundle.path, "litert", "int8").path == "model_int8.tflite"
    assert load_bundle(exported.bundle.path).predict([]).shape == (0, 3)
    with pytest.raises(ConfigurationError, match="no artifact with format='onnx'"):
        load_bundle(exported.bundle.path, "onnx", "int8")
    with pytest.raises(ConfigurationError, match="Did you mean 'onnx'"):
        load_bundle(exported.bundle.path, "onxx")


def test_plain_model_without_examples_that_gives_scores(tmp_path):
    import keras

    keras.utils.set_random_seed(1)
    policy = keras.dtype_policies.DTypePolicy("mixed_float16")
    network = keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 3, activation="relu", dtype=policy),
            keras.layers.GlobalAveragePooling2D(dtype=policy),
            keras.layers.Dense(4, dtype="float32"),
        ]
    )
    with pytest.warns(UserWarning, match="ends in scores, not in probabilities"):
        bundle = export(
            network, tmp_path / "b", class_names=list("abcd"), formats=["litert", "onnx"]
        )
    [entry] = bundle.manifest["outputs"]
    assert (entry["kind"], entry["name"], entry["output"]["scores"]) == ("scores", "scores", True)
    image = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    logits = np.asarray(network(image[None].astype("float32")), dtype=np.float64)[0]
    wanted = np.exp(logits) / np.exp(logits).sum()
    for name in ("onnx", "litert"):
        predictor = load_bundle(bundle.path, name)
        [answer] = predictor.answers(predictor.predict(image))
        assert answer["probability"] == pytest.approx(wanted.max(), abs=2e-3)
        assert answer["label"] == "abcd"[wanted.argmax()]
    assert bundle.manifest["parity_examples"]["kind"] == "synthetic"
    assert bundle.manifest["reduced_precision"] == "mixed_float16"
    assert "synthetic" in (bundle.path / "README.md").read_text("utf-8")
    assert not (bundle.path / "saved_model").exists()
    assert network.layers[1].compute_dtype == "float16"
    # A lowered gate is recorded, and a bundle is replaced on request.
    gate = Gate(max_abs_diff=0.5, label_agreement=0.5)
    with pytest.warns(UserWarning, match="ends in scores"):
        again = export(
            network,
            tmp_path / "b",
            class_names=list("wxyz"),
            formats=["litert"],
            gate=gate,
            overwrite=True,
        )
    assert again.manifest["artifacts"][0]["parity"]["threshold"]["max_abs_diff"] == 0.5
    assert sorted(item.name for item in tmp_path.iterdir()) == ["b"]


def test_untrained_network_shares_no_state_with_the_export(trained):
    # Tracing patches Keras only in the worker: this process still wraps grouped convolutions.
    import tensorflow as tf
    from keras.src.backend.tensorflow import nn

    assert nn.tf is tf
    assert build_network().count_params() == trained.network.count_params()


@pytest.mark.parametrize("name", ["defects", "size (cm)", "look"])
def test_one_output_that_is_no_class(trained, tmp_path, name):
    """Any number of labels, a number, a vector: of images, with golden files."""
    import keras

    several = several_model(trained)
    output = several.task.outputs[name]
    index = list(several.task.outputs).index(name)
    task = Task.of_one(several.task.input, output)
    samples = dataclasses.replace(
        several.samples, labels={output.tensor: several.samples.labels[name]}
    )
    network = keras.Model(several.network.inputs[0], several.network.outputs[index])
    model = TrainedModel(network, task, samples=samples)
    bundle = model.export(tmp_path / "b", formats=("onnx",))
    manifest = bundle.manifest
    assert (manifest["task"], manifest["kind"]) == (task.name, output.kind)
    assert manifest["class_names"] == list(output.class_names)
    assert manifest["outputs"][0]["name"] == output.tensor
    assert (manifest["parity_examples"]["network_accuracy"] is None) == (not output.class_names)
    assert verify(bundle.path).passed
    expected = model.outputs(trained.files)
    predictor = load_bundle(bundle.path)
    found = predictor.outputs(trained.files)
    np.testing.assert_allclose(found[output.tensor], expected[output.tensor], atol=1e-3)
    golden = json.loads((bundle.path / "golden" / "labels.json").read_text("utf-8"))
    assert list(golden) == [file.name for file in trained.files]
    due = output.decode(expected[output.tensor])
    for item, label in zip(golden.values(), due, strict=True):
        assert item["label"] == (pytest.approx(label) if isinstance(label, float) else label)
    card = (bundle.path / "README.md").read_text("utf-8")
    assert f"pipeline_tag: {output.hub_tags('image')[0]}\n" in card
    assert f"# {output.title('image')}\n" in card
    # Golden files are held to their answers, not to their labels alone.
    with np.load(bundle.path / "golden" / "file_outputs.npz") as archive:
        arrays = {key: archive[key] for key in archive.files}
    arrays["network"] = arrays["network"] + 0.1 * np.abs(arrays["network"]).max()
    np.savez(bundle.path / "golden" / "file_outputs.npz", **arrays)
    forge(bundle.path)
    with pytest.raises(ParityError, match=r"model\.onnx answers .*turned\.jpg differently: "):
        verify(bundle.path)
