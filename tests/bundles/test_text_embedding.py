"""Bundles of embeddings: what of them no other bundle has. See test_contract.py."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from kerastl.bundles import load_bundle, verify
from kerastl.errors import BundleError, ParityError
from kerastl.inputs.text_probes import PROBES, SENTENCES
from kerastl.outputs import Classes, Gate, Number, Vector
from kerastl.outputs.vector import cosines

from .cases import RUNNERS
from .planting import forge, permute_onnx, spoil_after_conversion
from .text_models import embedding_model, texts

pytest.importorskip("keras_hub")
pytest.importorskip("tensorflow_text")
pytestmark = pytest.mark.usefixtures("forked_workers")

PATHS = [
    "saved_model",
    "model.onnx",
    "model.tflite",
    "model_dynamic.onnx",
    "model_dynamic.tflite",
]


@pytest.fixture
def folder(vector_case, tmp_path):
    return shutil.copytree(vector_case.bundle.path, tmp_path / "bundle")


def swap_dimensions(path):
    """Swaps two dimensions of an ONNX file's vectors."""
    order = np.arange(24)
    order[[3, 20]] = [20, 3]
    permute_onnx(path, "embedding", order)


def change_weights(path):
    """Turns the sign of one row of the projection."""
    import onnx

    file = onnx.load(path)
    [kernel] = [
        tensor
        for tensor in file.graph.initializer
        if tuple(tensor.dims) == (32, 24) and tensor.data_type == onnx.TensorProto.FLOAT
    ]
    values = onnx.numpy_helper.to_array(kernel).copy()
    values[5] *= -1
    kernel.CopyFrom(onnx.numpy_helper.from_array(values, kernel.name))
    onnx.save(file, path)


def test_the_manifest_speaks_of_cosines(vector_case):
    bundle, model = vector_case.bundle, vector_case.model
    manifest = bundle.manifest
    assert [artifact.path for artifact in bundle.artifacts] == PATHS
    assert (manifest["task"], manifest["kind"]) == ("text_embedding", "embedding")
    assert (manifest["class_names"], manifest["thresholds"]) == ([], None)
    [output] = manifest["outputs"]
    wanted = {
        "name": "embedding",
        "dtype": "float32",
        "shape": [None, 24],
        "kind": "vectors of length 1",
    }
    assert wanted.items() <= output.items()
    assert manifest["parity_examples"]["network_accuracy"] is None
    assert manifest["agreement_of"].startswith("vectors of a cosine of at least 0.999")
    assert manifest["tokenizer"]["equality"]["texts"] == len(model.samples.sources) + len(PROBES)
    for artifact, entry in zip(bundle.artifacts, manifest["artifacts"], strict=True):
        parity = entry["parity"]
        assert artifact.accuracy is None
        if artifact.quantization is None:
            assert parity["least_cosine"] > 1 - 1e-6
            assert parity["threshold"]["cosine"] == 0.999
        else:
            assert artifact.max_abs_diff > 1e-5
            assert 0.5 < parity["least_cosine"] < 1 - 1e-6
            assert parity["threshold"]["cosine"] == 0.98
    assert (bundle.path / "labels.txt").read_text() == ""
    golden = json.loads((bundle.path / "golden" / "texts.json").read_text("utf-8"))
    assert {entry["label"] for entry in golden} == {None}


def test_the_card_speaks_of_vectors(vector_case):
    card = (vector_case.bundle.path / "README.md").read_text("utf-8")
    assert card.startswith("---\npipeline_tag: sentence-similarity")
    assert "# Text embedding: 24 dimensions" in card
    assert "answer with `embedding`" in card
    assert "into `embedding`; `serve_tokens`" in card
    assert "Agreement is the share of vectors" in card
    for word in ("probabilities", "classes", "label agreement", "not a certainty"):
        assert word not in card


def test_signatures_name_their_output(vector_case):
    import tensorflow as tf

    signatures = tf.saved_model.load(str(vector_case.bundle.path / "saved_model")).signatures
    assert len(signatures) == 2
    for signature in signatures.values():
        assert list(signature.structured_outputs) == ["embedding"]


@pytest.mark.parametrize("format", ["saved_model", "onnx", "litert"])
def test_predictor(vector_case, format):
    predictor = load_bundle(vector_case.bundle.path, format)
    assert predictor.task.only == vector_case.task.only
    vectors = predictor.predict([*texts(5, seed=3), *PROBES])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert predictor.predict([]).shape == (0, 24)
    assert predictor.predict("a film").shape == (1, 24)
    answer = predictor.answers(vectors)[0]
    assert answer == {"label": None, "probability": None, "embedding": vectors[0].tolist()}


def test_a_runner_from_the_command_line(vector_case):
    path = vector_case.bundle.path
    command = [sys.executable, str(RUNNERS / "run_onnx.py"), str(path), "bad train"]
    expected = vector_case.model.embed("bad train")[0]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True)
    [item] = json.loads(done.stdout)["predictions"]
    assert item["embedding"] == pytest.approx(expected.tolist(), abs=1e-5)
    done = subprocess.run(command, capture_output=True, text=True)
    text, numbers = done.stdout.rstrip("\n").split("\t")
    assert text == "'bad train'"
    shown = [float(number) for number in numbers.removesuffix(" ...").split()]
    assert shown == pytest.approx(expected[:6].tolist(), abs=1e-4)


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (swap_dimensions, "output 3 is dimension 20, not dimension 3"),
        (change_weights, "FAILED  model.onnx"),
    ],
)
def test_verify_catches_a_planted_fault(folder, plant, message):
    plant(folder / "model.onnx")
    with pytest.raises(BundleError, match=r"model.onnx is not what was exported"):
        verify(folder)
    forge(folder)
    with pytest.raises(ParityError) as caught:
        verify(folder)
    assert message in str(caught.value)
    passed = {item["path"]: item["passed"] for item in caught.value.results}
    assert passed == {path: path != "model.onnx" for path in PATHS}


def test_verify_catches_a_fault_in_a_quantised_file(folder):
    swap_dimensions(folder / "model_dynamic.onnx")
    forge(folder)
    with pytest.raises(ParityError, match=r"FAILED  model_dynamic.onnx"):
        verify(folder)


def test_verify_catches_another_name_of_the_output(folder):
    """A file of a classifier in the place of an embedding's."""
    import onnx

    file = onnx.load(folder / "model.onnx")
    for node in file.graph.node:
        node.output[:] = ["probabilities" if n == "embedding" else n for n in node.output]
    file.graph.output[0].name = "probabilities"
    onnx.save(file, folder / "model.onnx")
    forge(folder)
    with pytest.raises(ParityError, match="calls its outputs .*'probabilities'.*'embedding'"):
        verify(folder)


def test_a_fault_stops_the_export(vector_case, tmp_path, monkeypatch):
    spoil_after_conversion(monkeypatch, lambda out: swap_dimensions(out / "model.onnx"))
    with pytest.raises(ParityError) as caught:
        vector_case.model.export(tmp_path / "b", formats=("onnx",))
    assert "CAUSE   model.onnx: its outputs are in another order" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_without_samples_the_sentences_prove_it(tmp_path):
    model = embedding_model(pooling="class_token", samples=False)
    bundle = model.export(tmp_path / "b", formats=("onnx",))
    assert bundle.manifest["parity_examples"] == {
        "kind": "built-in",
        "n": len(SENTENCES),
        "network_accuracy": None,
    }
    assert bundle.artifacts[0].label_agreement == 1
    assert verify(bundle.path).passed


def agreeing(reference, outputs, quantization=None):
    return Vector(dimensions=6).agreeing(reference, outputs, Gate(), quantization)


def vectors(count=20, size=6, seed=0):
    made = np.random.default_rng(seed).normal(size=(count, size))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def test_agreement_is_of_near_vectors_that_are_nobody_elses():
    own = vectors()
    assert agreeing(own, own).all()
    # Turned a little: near enough for 8 bits, not for a float file.
    turned = own + 0.06 * vectors(seed=1)
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    near = cosines(own, turned)
    assert 0.98 < near.min() < 0.999
    np.testing.assert_array_equal(agreeing(own, turned), near >= 0.999)
    assert agreeing(own, turned, "dynamic").all()
    # Two texts whose vectors are neighbours, each with the other's.
    close = own.copy()
    close[1] = own[0] + 0.01 * own[1]
    close[1] /= np.linalg.norm(close[1])
    swapped = close.copy()
    swapped[[0, 1]] = close[[1, 0]]
    assert cosines(close, swapped).min() > 0.999
    found = agreeing(close, swapped, "dynamic")
    assert not found[:2].any()
    assert found[2:].all()


def test_copies_are_excused_and_other_faults_are_not():
    own = vectors()
    own[7] = own[3]
    assert agreeing(own, own).all()
    for spoil in (np.nan, np.inf):
        broken = own.copy()
        broken[2, 1] = spoil
        assert agreeing(own, broken).sum() == len(own) - 1
    assert not agreeing(own, own * 1.05, "dynamic").any()
    narrower = Vector(dimensions=6).figures(own, own[:, :5], Gate(), None)
    assert (narrower["label_agreement"], narrower["passed"]) == (0.0, False)
    assert not agreeing(own, np.zeros_like(own), "dynamic").any()


def test_what_outputs_mean():
    output, own = Vector(dimensions=6), vectors(3)
    assert output.width == 6
    assert output.decode(own) == [None] * 3
    assert output.accuracy(np.zeros(3), own) is None
    assert output.shown(own[0]).endswith(" ...]")
    assert output.repeats(own, own + 1e-3)
    assert not output.repeats(own, own[:, ::-1])
    assert Number().width == 1
    assert Classes(("a", "b")).manifest_config() == {
        "kind": "single_label",
        "class_names": ["a", "b"],
    }
