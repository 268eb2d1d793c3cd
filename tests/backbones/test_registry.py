import re

import keras
import pytest

import kerastl
from kerastl.backbones import split_name
from kerastl.errors import ConfigurationError, WeightsError

RECORDS = kerastl.list_backbones("image")
NAMES = [record.name for record in RECORDS]


def test_the_names_that_the_contract_promises():
    assert {
        "mobilenet",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "mobilenet_v3_large",
        "efficientnet_b0",
        "efficientnet_v2_b0",
        "resnet50",
        "resnet50_v2",
        "densenet121",
        "convnext_tiny",
        "nasnet_mobile",
        "inception_v3",
        "vgg16",
    } <= set(NAMES)
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("record", RECORDS, ids=NAMES)
def test_a_record_is_complete(record):
    assert kerastl.get_backbone(record.name) is record
    if record.source == "keras.applications":
        assert callable(getattr(keras.applications, record.constructor))
    else:
        models = pytest.importorskip("keras_hub").models
        assert callable(getattr(models, record.constructor))
    assert re.fullmatch(r"[a-z0-9_.]+", record.name)
    assert record.minimum_size <= record.image_size
    assert record.parameters > record.features > 0
    assert record.paper.startswith("https://arxiv.org/abs/")
    known = ("Apache-2.0", "MIT", "BSD-3-Clause", "CC-BY-4.0")
    assert record.licence in known or re.fullmatch(r"LicenseRef-[A-Za-z0-9.-]+", record.licence)
    re.compile(record.stage_pattern)


def test_records_cannot_be_changed():
    with pytest.raises(AttributeError):
        RECORDS[0].name = "other"
    with pytest.raises(TypeError):
        RECORDS[1].arguments["alpha"] = 1.0


@pytest.mark.parametrize("name", ["mobilnet_v2", "MobileNetV2", "", "mobilenet-v2"])
def test_unknown_names(name):
    with pytest.raises(ConfigurationError, match="There is no backbone.*The names are: mobilenet,"):
        kerastl.get_backbone(name)


def test_near_misses_are_suggested():
    with pytest.raises(ConfigurationError, match="Did you mean 'mobilenet_v2'"):
        kerastl.get_backbone("mobilnet_v2")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("mobilenet_v2", ("mobilenet_v2", None)),
        ("mobilenet_v2@none", ("mobilenet_v2", "none")),
        ("mobilenet_v2@a@b.h5", ("mobilenet_v2", "a@b.h5")),
        ("mobilenet_v2@", ("mobilenet_v2", "")),
    ],
)
def test_names_with_weights(text, parts):
    assert split_name(text) == parts


@pytest.mark.parametrize("backbone", [None, 5, keras.Model])
def test_what_is_no_name(backbone):
    with pytest.raises(ConfigurationError, match="backbone=.*give a name"):
        split_name(backbone)


def test_weights_in_the_name_win():
    recipe = kerastl.ImageClassification(backbone="mobilenet_0.25@none", weights="missing.h5")
    assert recipe.weights_source.origin == "none"
    with pytest.raises(WeightsError, match="no weights file 'other.h5'"):
        _ = kerastl.ImageClassification(backbone="mobilenet@other.h5").weights_source


def test_an_image_size_under_the_least():
    recipe = kerastl.ImageClassification(backbone="inception_v3@none", image_size=64)
    with pytest.raises(ConfigurationError, match="inception_v3 needs at least 75 x 75"):
        recipe.build(["a", "b"])
