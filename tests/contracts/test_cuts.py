"""At every stage boundary of every backbone, the two parts answer like the whole, bit for bit.

The small twins of KerasHub's families are cut at every tensor in test_tiny.py.
"""

import keras
import numpy as np
import pytest

from kerastl.backbones import stages_of
from kerastl.graph import open_model, split
from tests.contracts.families import APPLICATIONS, RECORDS, assemble, images

# One of every family at its published width; the others differ in depth and width alone.
FAMILIES = (
    "mobilenet", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_b0",
    "efficientnet_v2_b0", "efficientnet_v2_s", "resnet50", "resnet50_v2", "densenet121",
    "convnext_tiny", "vgg16", "inception_v3", "inception_resnet_v2", "xception", "nasnet_mobile",
    "resnet18", "resnet_vd_18", "densenet121_timm", "efficientnet_lite0", "efficientnet_es",
    "mobilenet_v3_small_0.5", "vgg11", "xception_41", "darknet53", "cspdarknet53", "cspresnet50",
    "hgnetv2_b0", "vit_base_patch32_224", "deit_tiny_distilled_patch16_224", "dinov2_small",
    "dinov2_with_registers_small", "dinov3_vit_small", "swin_tiny_patch4_window7_224", "mit_b0",
    "clip_vit_base_patch32", "siglip_base_patch16_224",
)  # fmt: skip


def check(name):
    _, network = assemble(name)
    opened = open_model(network)
    x = images(network)
    whole = keras.ops.convert_to_numpy(network(x, training=False))
    stages = stages_of(opened, RECORDS[name].stage_pattern)
    assert stages
    for stage in stages:
        prefix, suffix = split(opened, stage.cut)
        parts = keras.ops.convert_to_numpy(suffix(prefix(x, training=False), training=False))
        np.testing.assert_array_equal(parts, whole, err_msg=stage.name)
        assert {id(w) for w in prefix.weights + suffix.weights} == {id(w) for w in network.weights}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAMILIES if name in APPLICATIONS])
def test_parts_answer_like_the_whole_at_every_stage(name):
    check(name)


@pytest.mark.matrix
@pytest.mark.parametrize(
    "name", [name for name in RECORDS if name not in FAMILIES or name not in APPLICATIONS]
)
def test_parts_of_every_backbone_answer_like_the_whole(name):
    check(name)
