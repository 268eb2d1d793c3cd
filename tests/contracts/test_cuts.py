"""At every stage boundary of every family, the two parts answer like the whole, bit for bit."""

import keras
import numpy as np
import pytest

import kerastl
from kerastl.backbones import get_backbone, stages_of
from kerastl.graph import split

FAMILIES = (
    "mobilenet", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_b0",
    "efficientnet_v2_b0", "resnet50", "resnet50_v2", "densenet121", "convnext_tiny", "vgg16",
    "inception_v3", "xception", "nasnet_mobile",
)  # fmt: skip


def check(name):
    keras.utils.set_random_seed(0)
    size = max(32, get_backbone(name).minimum_size)
    recipe = kerastl.ImageClassification(backbone=name, weights=None, image_size=size)
    network, _ = recipe.assemble(3, seed=0)
    x = np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype("float32")
    whole = keras.ops.convert_to_numpy(network(x, training=False))
    stages = stages_of(network)
    assert stages
    for stage in stages:
        prefix, suffix = split(network, stage.cut)
        parts = keras.ops.convert_to_numpy(suffix(prefix(x, training=False), training=False))
        np.testing.assert_array_equal(parts, whole, err_msg=stage.name)
        assert {id(w) for w in prefix.weights + suffix.weights} == {id(w) for w in network.weights}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_parts_answer_like_the_whole_at_every_stage(name):
    check(name)
