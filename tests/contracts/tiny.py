"""Every family of KerasHub in small: the same classes, a few narrow layers."""

import contextlib
import dataclasses
import functools

import keras
import pytest
from keras.src.applications import resnet
from keras.src.applications.convnext import ConvNeXt
from keras.src.applications.densenet import DenseNet
from keras.src.applications.efficientnet import EfficientNet
from keras.src.applications.efficientnet_v2 import EfficientNetV2
from keras.src.applications.nasnet import NASNet

from kerastl.backbones import NONE, WeightsSource, build_backbone, get_backbone
from kerastl.heads import Head
from kerastl.outputs import Classes

_TOWER = {
    "patch_size": 8,
    "num_layers": 3,
    "num_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 32,
}
_DROP = {"dropout_rate": 0.2, "attention_dropout": 0.2}
_DARK = {
    "stem_filters": 8,
    "stem_kernel_size": 3,
    "stem_strides": 1,
    "stackwise_depth": [1, 1, 1, 1, 1],
    "stackwise_num_filters": [8, 8, 16, 16, 16],
    "stackwise_strides": [2, 2, 2, 2, 2],
    "block_type": "dark_block",
}


def _rows(*values):
    return [[value] * 2 for value in values]


# By the record whose class, preprocessing, stages and pooling they share.
TINY = {
    "resnet18": {
        "stackwise_num_filters": [64, 16, 16, 16],
        "stackwise_num_blocks": [1, 1, 1, 1],
        "block_type": "basic_block",
    },
    "densenet121_timm": {"stackwise_num_repeats": [1, 2, 2, 1], "growth_rate": 8},
    "efficientnet_lite0": {
        "stackwise_width_coefficients": [0.25] * 7,
        "stackwise_depth_coefficients": [0.4] * 7,
        "dropout": 0.2,
    },
    "efficientnet_es": {
        "stackwise_width_coefficients": [0.25] * 6,
        "stackwise_depth_coefficients": [0.4] * 6,
        "dropout": 0.2,
    },
    "mobilenet_v3_small_0.5": {},
    "vgg11": {
        "stackwise_num_repeats": [1, 1, 1, 1, 1],
        "stackwise_num_filters": [4, 8, 8, 16, 16],
    },
    "xception_41": {
        "stackwise_conv_filters": [[4, 8], [16, 16], [24, 24], [24, 32], [32, 40]],
        "stackwise_pooling": [False, True, True, True, False],
    },
    "cspdarknet53": {**_DARK, "stage_type": "csp"},
    "darknet53": {**_DARK, "stage_type": "dark"},
    "hgnetv2_b0": {
        "depths": [1, 1, 2, 1],
        "embedding_size": 8,
        "hidden_sizes": [16, 16, 24, 32],
        "stem_channels": [3, 8, 8],
        "stackwise_stage_filters": [
            [8, 8, 16, 1, 2, 3],
            [16, 8, 16, 1, 2, 3],
            [16, 8, 24, 2, 2, 5],
            [24, 8, 32, 1, 2, 5],
        ],
        "use_learnable_affine_block": True,
    },
    "mobilenetv5_300m": {
        "stackwise_block_types": [["er", "er"], ["uir", "mqa"]],
        "stackwise_num_blocks": [2, 2],
        "stackwise_num_filters": _rows(16, 24),
        "stackwise_strides": [[2, 1], [2, 1]],
        "stackwise_act_layers": _rows("gelu", "gelu"),
        "stackwise_exp_ratios": _rows(2.0, 2.0),
        "stackwise_se_ratios": _rows(0.0, 0.0),
        "stackwise_dw_kernel_sizes": _rows(0, 3),
        "stackwise_dw_start_kernel_sizes": _rows(0, 3),
        "stackwise_dw_end_kernel_sizes": _rows(0, 0),
        "stackwise_exp_kernel_sizes": _rows(3, 0),
        "stackwise_pw_kernel_sizes": _rows(1, 0),
        "stackwise_num_heads": _rows(0, 2),
        "stackwise_key_dims": _rows(0, 8),
        "stackwise_value_dims": _rows(0, 8),
        "stackwise_kv_strides": _rows(0, 1),
        "stackwise_use_cpe": _rows(False, False),
        "stem_size": 8,
        "num_features": 32,
        "msfa_output_resolution": 4,
        "drop_path_rate": 0.3,
    },
    "vit_base_patch16_224": {**_DROP, "mlp_dim": 32, "patch_size": 8, "num_layers": 3,
                             "num_heads": 2, "hidden_dim": 16},
    "deit_tiny_distilled_patch16_224": {**_TOWER, **_DROP},
    "dinov2_small": {**_TOWER, "dropout_rate": 0.2},
    "dinov2_with_registers_small": {**_TOWER, "use_swiglu_ffn": True},
    "dinov3_vit_small": {**_TOWER, "attention_dropout": 0.2},
    "swin_tiny_patch4_window7_224": {
        "embed_dim": 8,
        "depths": (2, 2),
        "num_heads": (1, 2),
        "window_size": 4,
        "dropout_rate": 0.2,
        "drop_path": 0.3,
    },
    "mit_b0": {
        "num_layers": 2,
        "hidden_dims": [8, 16],
        "layerwise_depths": [2, 2],
        "layerwise_num_heads": [1, 2],
        "layerwise_sr_ratios": [2, 1],
        "layerwise_patch_sizes": [7, 3],
        "layerwise_strides": [4, 2],
        "max_drop_path_rate": 0.3,
    },
    "clip_vit_base_patch32": dict(_TOWER),
    "siglip_base_patch16_224": dict(_TOWER),
}  # fmt: skip
_SIZES = {"swin_tiny_patch4_window7_224": 64, "mit_b0": 64, "xception_41": 96, "dinov2_small": 32}


def tiny_record(name):
    """The record of a backbone, with the arguments of its small twin."""
    record = get_backbone(name)
    return dataclasses.replace(
        record,
        arguments={**record.arguments, **TINY[name]},
        image_size=_SIZES.get(name, 32),
        minimum_size=16,
        size_step=1,
    )


def _residual(stack, strides):
    """Two bottlenecks at one size and at half of it, as ResNet's own stacks make them."""

    def blocks(x):
        x = stack(x, 16, 2, stride1=strides[0], name="conv2")
        return stack(x, 32, 2, stride1=strides[1], name="conv3")

    return blocks


# The deepest of keras.applications with fewer of their blocks and cells, by the name of a record.
SHALLOW = {
    "convnext_tiny": functools.partial(
        ConvNeXt, depths=[1, 1, 2, 1], projection_dims=[24, 48, 96, 192]
    ),
    "efficientnet_b0": functools.partial(
        EfficientNet, width_coefficient=0.5, depth_coefficient=0.4, default_size=224
    ),
    "efficientnet_v2_b0": functools.partial(
        EfficientNetV2, 0.5, 0.3, default_size=224, name="efficientnetv2-b0"
    ),
    "resnet50": functools.partial(
        resnet.ResNet, _residual(resnet.stack_residual_blocks_v1, (1, 2)), False, True
    ),
    "resnet50_v2": functools.partial(
        resnet.ResNet, _residual(resnet.stack_residual_blocks_v2, (2, 1)), True, True
    ),
    "densenet121": functools.partial(DenseNet, blocks=[2, 2, 2, 2]),
    "nasnet_mobile": functools.partial(
        NASNet, num_blocks=1, penultimate_filters=288, stem_block_filters=32, skip_reduction=False
    ),
}


@contextlib.contextmanager
def shallow():
    """Records of the deepest networks build shallow ones meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        for name, constructor in SHALLOW.items():
            patch.setattr(keras.applications, get_backbone(name).constructor, constructor)
        yield


def tiny_network(name, classes=3):
    """A small network of a family with random weights, as a recipe would assemble it."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    record = tiny_record(name)
    size = (record.image_size, record.image_size)
    built = build_backbone(record, WeightsSource(NONE), size)
    outputs = Head().attach(built.model.output, Classes(tuple("abcdefghij"[:classes])), seed=0)
    network = keras.Model(built.model.inputs[0], outputs)
    # Initial biases, scales and class tokens are often zeros and ones, which hide faults.
    generator = keras.random.SeedGenerator(1)
    for weight in network.trainable_weights:
        noise = keras.random.normal(weight.shape, stddev=0.05, seed=generator)
        weight.assign(weight + keras.ops.cast(noise, weight.dtype))
    return network
