"""Bundles of embeddings: from a string to its vector, in every runtime."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from kerastl.bundles import Gate, TextPredictor, load_bundle, text_running, verify
from kerastl.bundles import texts as export_texts
from kerastl.bundles.text_parity import Decisions
from kerastl.bundles.text_vectors import agreeing, cosines
from kerastl.errors import BundleError, ParityError
from kerastl.inputs.text_probes import PROBES, SENTENCES

from .test_text_export import PATHS, RUNNERS, drive
from .test_text_faults import forge
from .text_models import embedding_model, text_model, texts

pytest.importorskip("keras_hub")
pytest.importorskip("tensorflow_text")
pytestmark = pytest.mark.usefixtures("forked_workers")

# Of 32 random features 8 bits move a vector further than of a trained network.
TINY = Gate(quantized_label_agreement=0.5)


@pytest.fixture(scope="module")
def model():
    return embedding_model(dimensions=24)


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("vectors") / "bundle"
    return model.export(path, quantize=("dynamic",), gate=TINY)


@pytest.fixture
def folder(exported, tmp_path):
    return shutil.copytree(exported.path, tmp_path / "bundle")


def swap_dimensions(path):
    """Swaps two dimensions of an ONNX file's vectors."""
    import onnx

    file = onnx.load(path)
    for node in file.graph.node:
        node.output[:] = ["right" if name == "embedding" else name for name in node.output]
    order = np.arange(24)
    order[[3, 20]] = [20, 3]
    file.graph.initializer.append(onnx.numpy_helper.from_array(order, "order"))
    file.graph.node.append(
        onnx.helper.make_node("Gather", ["right", "order"], ["embedding"], axis=1)
    )
    onnx.save(file, path)


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


def test_every_artifact_passes_and_is_described(exported, model):
    assert exported.passed
    assert [artifact.path for artifact in exported.artifacts] == PATHS
    manifest = json.loads((exported.path / "manifest.json").read_text("utf-8"))
    assert manifest == exported.manifest
    assert (manifest["task"], manifest["kind"]) == ("text_embedding", "embedding")
    assert (manifest["class_names"], manifest["thresholds"]) == ([], None)
    [output] = manifest["outputs"]
    assert output == {
        "name": "embedding",
        "dtype": "float32",
        "shape": [None, 24],
        "kind": "vectors of length 1",
    }
    assert manifest["parity_examples"]["network_accuracy"] is None
    assert manifest["agreement_of"].startswith("vectors of a cosine of at least 0.999")
    assert manifest["tokenizer"]["equality"]["texts"] == len(model.samples.texts) + len(PROBES)
    for artifact, entry in zip(exported.artifacts, manifest["artifacts"], strict=True):
        parity = entry["parity"]
        assert artifact.n == len(model.samples.texts)
        assert artifact.accuracy is None
        if artifact.quantization is None:
            assert artifact.max_abs_diff <= 1e-5
            assert artifact.label_agreement == 1
            assert parity["least_cosine"] > 1 - 1e-6
            assert parity["threshold"]["cosine"] == 0.999
        else:
            assert 1e-5 < artifact.max_abs_diff < 0.5
            assert 0.5 < parity["least_cosine"] < 1 - 1e-6
            assert parity["threshold"]["cosine"] == 0.98
    assert (exported.path / "labels.txt").read_text() == ""
    golden = json.loads((exported.path / "golden" / "texts.json").read_text("utf-8"))
    assert {entry["label"] for entry in golden} == {None}


def test_the_card_speaks_of_vectors(exported):
    card = (exported.path / "README.md").read_text("utf-8")
    assert card.startswith("---\npipeline_tag: sentence-similarity")
    assert "# Text embedding: 24 dimensions" in card
    assert "answer with `embedding`" in card
    assert "into `embedding`; `serve_tokens`" in card
    assert "Agreement is the share of vectors" in card
    assert all(path in card for path in PATHS)
    for word in ("probabilities", "classes", "label agreement", "not a certainty"):
        assert word not in card


def test_files_name_their_output(exported):
    import onnxruntime
    import tensorflow as tf

    for name in ("model.onnx", "model_dynamic.onnx"):
        session = onnxruntime.InferenceSession(
            exported.path / name, providers=["CPUExecutionProvider"]
        )
        [output] = session.get_outputs()
        assert (output.name, output.shape[1]) == ("embedding", 24)
        metadata = session.get_modelmeta().custom_metadata_map
        assert metadata["task"] == "text_embedding"
        assert json.loads(metadata["class_names"]) == []
    signatures = tf.saved_model.load(str(exported.path / "saved_model")).signatures
    for signature in signatures.values():
        assert list(signature.structured_outputs) == ["embedding"]


def test_verify(exported):
    again = verify(exported.path)
    assert again.passed
    assert [artifact.path for artifact in again.artifacts] == PATHS


@pytest.mark.parametrize("format", ["saved_model", "onnx", "litert"])
def test_predictor(exported, model, format):
    predictor = load_bundle(exported.path, format)
    assert isinstance(predictor, TextPredictor)
    assert (predictor.kind, predictor.class_names) == ("embedding", ())
    given = [*texts(5, seed=3), *PROBES]
    vectors = predictor.predict(given)
    np.testing.assert_allclose(vectors, model.embed(given), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert predictor.predict([]).shape == (0, 24)
    assert predictor.predict("a film").shape == (1, 24)
    answer = predictor.answers(vectors)[0]
    assert answer == {"label": None, "probability": None, "embedding": vectors[0].tolist()}


@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("run_text_saved_model.py", ()),
        ("run_text_onnx.py", ()),
        ("run_text_onnx.py", ("dynamic",)),
        ("run_text_litert.py", ()),
        ("run_text_litert.py", ("dynamic",)),
    ],
)
def test_runners_give_the_vectors_of_any_text(exported, model, script, options):
    given = [*texts(6, seed=3), *PROBES]
    answers = drive(script, exported.path, given, *options)
    found = np.array([answer["embedding"] for answer in answers])
    expected = model.embed(given)
    if options:
        assert (found * expected).sum(axis=1).min() > 0.5
    else:
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert {answer["label"] for answer in answers} == {None}


def test_a_runner_from_the_command_line(exported, model):
    command = [sys.executable, str(RUNNERS / "run_text_onnx.py"), str(exported.path), "bad train"]
    expected = model.embed("bad train")[0]
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
        (swap_dimensions, "dimension 3 is the network's dimension 20"),
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
    with pytest.raises(ParityError, match="calls its output 'probabilities', not 'embedding'"):
        verify(folder)


def test_a_fault_stops_the_export(model, tmp_path, monkeypatch):
    def run(folder, *arguments):
        swap_dimensions(folder / "model.onnx")
        return text_running.run_text_artifacts(folder, *arguments)

    monkeypatch.setattr(export_texts, "run_text_artifacts", run)
    with pytest.raises(ParityError) as caught:
        model.export(tmp_path / "b", formats=("onnx",))
    assert "CAUSE   model.onnx: its dimensions are in another order" in str(caught.value)
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


def vectors(count=20, size=6, seed=0):
    made = np.random.default_rng(seed).normal(size=(count, size))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def test_agreement_is_of_near_vectors_that_are_nobody_elses():
    own = vectors()
    assert agreeing(own, own, None).all()
    # Turned a little: near enough for 8 bits, not for a float file.
    turned = own + 0.06 * vectors(seed=1)
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    near = cosines(own, turned)
    assert 0.98 < near.min() < 0.999
    np.testing.assert_array_equal(agreeing(own, turned, None), near >= 0.999)
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
    assert agreeing(own, own, None).all()
    for spoil in (np.nan, np.inf):
        broken = own.copy()
        broken[2, 1] = spoil
        assert agreeing(own, broken, None).sum() == len(own) - 1
    assert not agreeing(own, own * 1.05, "dynamic").any()
    assert not agreeing(own, own[:, :5], None).any()
    assert not agreeing(own, np.zeros_like(own), "dynamic").any()


def test_what_outputs_mean():
    decisions = Decisions("embedding", (), dimensions=6)
    own = vectors(3)
    assert decisions.outputs == 6
    assert decisions.labels(own) == [None] * 3
    assert decisions.accuracy(np.zeros(3), own) is None
    assert decisions.shown(own[0]).endswith(" ...]")
    assert decisions.repeats(own, own + 1e-3)
    assert not decisions.repeats(own, own[:, ::-1])
    assert Decisions("regression", ()).outputs == 1
    assert text_model(samples=False).settings() == {"kind": "single_label", "thresholds": None}
