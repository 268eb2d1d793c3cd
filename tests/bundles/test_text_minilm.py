"""A real sentence encoder, from a string to its label in every runtime."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest

from kerastl.backbones import MASK_LAYER, build_text_backbone, resolve_text_backbone
from kerastl.bundles import load_bundle, verify
from kerastl.inputs import Text
from kerastl.inputs.text_probes import PROBES, SENTENCES
from kerastl.model import TrainedModel
from kerastl.outputs import Classes
from kerastl.samples import Samples
from kerastl.task import Task
from tests.text.conftest import minilm  # noqa: F401

from .text_models import attached

pytestmark = pytest.mark.usefixtures("forked_workers")
CORPUS = [
    "The cat sleeps on the sofa.",
    "Shares fell sharply on Wall Street today.",
    "How do I reset my password?",
    "The recipe needs two eggs and a cup of flour.",
    "Our train to Leeds was forty minutes late.",
    "The striker scored twice in the final.",
    "It will rain in the north tomorrow.",
    "The committee postponed the vote on the new law.",
]
# What means the same in other words, in that order.
QUERIES = [
    "A kitten is napping on the couch.",
    "The stock market lost a lot of value.",
    "I forgot my login credentials.",
    "You need flour and eggs to bake this.",
    "The railway journey was delayed.",
    "The forward got two goals in the championship match.",
    "Wet weather is expected in northern regions.",
    "Parliament put off its decision about the legislation.",
]


@pytest.mark.slow
def test_minilm(minilm, tmp_path):  # noqa: F811
    pytest.importorskip("keras_hub")
    pytest.importorskip("tensorflow_text")
    built = build_text_backbone(*resolve_text_backbone(str(minilm)))
    output = Classes(("other", "praise"))
    mask = built.model.get_layer(MASK_LAYER).output
    network = keras.Model(
        built.model.inputs[0], attached(built.model.outputs[0], mask, output, "mean", hidden=None)
    )
    model = TrainedModel(network, Task.of_one(Text(built.tokenizer, 32), output))
    praise = np.array(["better" in text for text in SENTENCES])
    # A head by least squares on the pooled tokens: with it, the labels mean something.
    ids = built.tokenizer.pad(built.tokenizer.encode(SENTENCES, 32).ids)[0]
    inside = keras.Model(network.inputs, network.get_layer("head_pooling").output)
    features = np.c_[inside.predict(ids, verbose=0), np.ones(len(ids))]
    gram = features.T @ features + np.eye(features.shape[1])
    weights = np.linalg.solve(gram, features.T @ (np.eye(2)[praise.astype(int)] * 6 - 3))
    network.layers[-1].kernel.assign(weights[:-1])
    network.layers[-1].bias.assign(weights[-1])
    samples = Samples(SENTENCES, {output.tensor: praise.astype(np.int64)})
    model = dataclasses.replace(model, samples=samples)

    # Quantised ones take minutes: see below.
    bundle = model.export(tmp_path / "b")
    figures = {artifact.path: artifact for artifact in bundle.artifacts}
    for name in ("saved_model", "model.onnx", "model.tflite"):
        assert figures[name].max_abs_diff < 1e-4
        assert figures[name].accuracy > 0.9
    given = ["This library is so much better!", "It broke.", *PROBES]
    expected = model.predict(given)
    for format in ("saved_model", "onnx", "litert"):
        predictor = load_bundle(bundle.path, format)
        answers = predictor.predict(given)
        np.testing.assert_allclose(answers, expected.probabilities, atol=1e-4)
        assert predictor.labels(answers)[:2] == ["praise", "other"]
    assert verify(bundle.path).passed


@pytest.fixture(scope="module")
def encoder(minilm):  # noqa: F811
    pytest.importorskip("keras_hub")
    from kerastl.recipes import TextEmbedding

    return TextEmbedding(backbone=str(minilm), max_length=32).pretrained(CORPUS)


@pytest.mark.slow
def test_minilm_finds_what_means_the_same(encoder):
    model = encoder
    assert model.dimensions == 384
    found = model.search(QUERIES, CORPUS, top=2)
    assert [row[0][0] for row in found] == list(range(len(CORPUS)))
    # By a wide margin, all of them.
    assert all(row[0][1] > row[1][1] + 0.1 for row in found)


@pytest.mark.long
# Eight sentences are no proof of 8 bits; that they are found is.
@pytest.mark.filterwarnings("ignore::kerastl.bundles.few_examples.FewExamplesWarning")
def test_the_files_of_minilm_find_it_too(encoder, tmp_path):
    pytest.importorskip("tensorflow_text")
    bundle = encoder.export(tmp_path / "b", quantize=("dynamic",))
    assert bundle.manifest["parity_examples"]["kind"] == "validation"
    figures = {artifact.path: artifact for artifact in bundle.artifacts}
    for name in ("saved_model", "model.onnx", "model.tflite"):
        assert figures[name].max_abs_diff < 1e-5
        assert figures[name].label_agreement == 1
    for name in ("model_dynamic.onnx", "model_dynamic.tflite"):
        assert figures[name].label_agreement == 1
    assert figures["model_dynamic.tflite"].bytes < 0.3 * figures["model.tflite"].bytes
    assert figures["model_dynamic.onnx"].bytes < 0.5 * figures["model.onnx"].bytes
    held = load_bundle(bundle.path, "litert", "dynamic").predict(CORPUS)
    asked = load_bundle(bundle.path, "onnx").predict(QUERIES)
    assert (asked @ held.T).argmax(axis=1).tolist() == list(range(len(CORPUS)))
    assert verify(bundle.path).passed
