"""Every family of text encoders through the three formats, from string to label."""

from __future__ import annotations

import pytest

from kerastl.backbones.text_families import FAMILIES
from kerastl.bundles import load_bundle

from . import text_models

pytest.importorskip("keras_hub")
pytestmark = pytest.mark.usefixtures("forked_workers")

# The others are made of the same operations as BERT, which all other tests export.
OWN_OPERATIONS = ("DebertaV3Backbone", "AlbertBackbone", "FNetBackbone", "T5Backbone")


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(name, marks=() if name in OWN_OPERATIONS else pytest.mark.long)
        for name in text_models.FAMILIES
    ],
)
def test_every_format_answers_like_keras(family, tmp_path):
    model = text_models.text_model(family=family)
    bundle = model.export(tmp_path / "bundle")
    assert [artifact.path for artifact in bundle.artifacts] == [
        "saved_model",
        "model.onnx",
        "model.tflite",
    ]
    for artifact in bundle.artifacts:
        assert artifact.passed
        assert artifact.label_agreement == 1
        assert artifact.max_abs_diff < 1e-4
    texts = list(text_models.texts(6, seed=9))
    expected = list(model.predict(texts).labels)
    assert len(set(model.predict(list(text_models.texts())).labels)) == 3
    for format in ("onnx", "litert"):
        predictor = load_bundle(bundle.path, format)
        assert predictor.labels(predictor.predict(texts)) == expected


def test_every_family_is_here():
    assert set(text_models.FAMILIES) == set(FAMILIES)
