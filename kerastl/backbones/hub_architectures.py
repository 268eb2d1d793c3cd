"""Arguments of KerasHub's backbone classes, architecture by architecture.

They are those with which the published weights were trained; tests hold them against what
KerasHub's own converters make of the weights' names.
"""

from __future__ import annotations

from typing import Any


def tower(patch: int, layers: int, heads: int, width: int, **others: Any) -> dict[str, Any]:
    """A plain vision transformer."""
    return {
        "patch_size": patch,
        "num_layers": layers,
        "num_heads": heads,
        "hidden_dim": width,
        "intermediate_dim": 4 * width,
        **others,
    }


def vit(patch: int, layers: int, heads: int, width: int) -> dict[str, Any]:
    """The same as ``ViTBackbone`` takes it."""
    arguments = tower(patch, layers, heads, width)
    arguments["mlp_dim"] = arguments.pop("intermediate_dim")
    return arguments


def dinov3(layers: int, heads: int, width: int) -> dict[str, Any]:
    """DINOv3: rotary positions and four register tokens."""
    own = {"num_register_tokens": 4, "use_key_bias": False, "layer_norm_eps": 1e-5}
    return tower(16, layers, heads, width, **own, rope_theta=100.0)


def swin(width: int, depths: tuple[int, ...], heads: tuple[int, ...]) -> dict[str, Any]:
    """Swin with windows of 7 x 7."""
    return {"embed_dim": width, "depths": depths, "num_heads": heads, "window_size": 7}


def vgg(repeats: list[int]) -> dict[str, Any]:
    """VGG of five stages."""
    filters = [64, 128, 256, 512, 512]
    return {"stackwise_num_repeats": repeats, "stackwise_num_filters": filters}


def mit(widths: list[int], depths: list[int]) -> dict[str, Any]:
    """The encoder of SegFormer."""
    return {
        "num_layers": 4,
        "hidden_dims": widths,
        "layerwise_depths": depths,
        "layerwise_num_heads": [1, 2, 5, 8],
        "layerwise_sr_ratios": [8, 4, 2, 1],
        "layerwise_patch_sizes": [7, 3, 3, 3],
        "layerwise_strides": [4, 2, 2, 2],
        "max_drop_path_rate": 0.1,
    }


def resnet(block: str, depths: list[int], *, deep_stem: bool = False) -> dict[str, Any]:
    """ResNet of four stages; ``deep_stem``: three convolutions of 3 x 3 for one of 7 x 7."""
    return {
        "stackwise_num_filters": [64, 128, 256, 512],
        "stackwise_num_blocks": depths,
        "stackwise_num_strides": [1, 2, 2, 2],
        "block_type": block,
        "use_pre_activation": False,
        "input_conv_filters": [32, 32, 64] if deep_stem else [64],
        "input_conv_kernel_sizes": [3, 3, 3] if deep_stem else [7],
    }


def _efficientnet(stages: int, activation: str, **arguments: Any) -> dict[str, Any]:
    """What the EfficientNets of timm have in common; ``dropout`` is off as published."""
    return {
        "stackwise_width_coefficients": [1.0] * stages,
        "stackwise_depth_coefficients": [1.0] * stages,
        "stackwise_squeeze_and_excite_ratios": [0] * stages,
        "min_depth": None,
        "include_stem_padding": True,
        "use_depth_divisor_as_min_depth": True,
        "cap_round_filter_decrease": True,
        "stem_conv_padding": "valid",
        "batch_norm_momentum": 0.9,
        "batch_norm_epsilon": 1e-5,
        "dropout": 0,
        "projection_activation": None,
        "activation": activation,
        **arguments,
    }


EFFICIENTNET_LITE0 = _efficientnet(
    7,
    "relu6",
    stackwise_kernel_sizes=[3, 3, 5, 3, 5, 5, 3],
    stackwise_num_repeats=[1, 2, 2, 3, 3, 4, 1],
    stackwise_input_filters=[32, 16, 24, 40, 80, 112, 192],
    stackwise_output_filters=[16, 24, 40, 80, 112, 192, 320],
    stackwise_expansion_ratios=[1, 6, 6, 6, 6, 6, 6],
    stackwise_strides=[1, 2, 2, 2, 1, 2, 1],
    stackwise_block_types=["v1"] * 7,
)
EFFICIENTNET_ES = _efficientnet(
    6,
    "relu",
    stackwise_kernel_sizes=[3, 3, 3, 5, 5, 5],
    stackwise_num_repeats=[1, 2, 4, 5, 4, 2],
    stackwise_input_filters=[32, 24, 32, 48, 96, 144],
    stackwise_output_filters=[24, 32, 48, 96, 144, 192],
    stackwise_expansion_ratios=[4, 8, 8, 8, 8, 8],
    stackwise_strides=[1, 2, 2, 2, 1, 2],
    stackwise_block_types=["fused"] * 3 + ["unfused"] * 3,
    stackwise_force_input_filters=[24, 0, 0, 0, 0, 0],
    stackwise_nores_option=[True] + [False] * 5,
)
MOBILENET_V3_SMALL_HALF = {
    "stackwise_num_blocks": [2, 3, 2, 3],
    "stackwise_expansion": [[40, 56], [64, 144, 144], [72, 72], [144, 288, 288]],
    "stackwise_num_filters": [[16, 16], [24, 24, 24], [24, 24], [48, 48, 48]],
    "stackwise_kernel_size": [[3, 3], [5, 5, 5], [5, 5], [5, 5, 5]],
    "stackwise_num_strides": [[2, 1], [2, 1, 1], [1, 1], [2, 1, 1]],
    "stackwise_se_ratio": [[None, None], [0.25] * 3, [0.25] * 2, [0.25] * 3],
    "stackwise_activation": [["relu"] * 2, *(["hard_swish"] * count for count in (3, 2, 3))],
    "stackwise_padding": [[1, 1], [2, 2, 2], [2, 2], [2, 2, 2]],
    "output_num_filters": 1024,
    "input_num_filters": 16,
    "depthwise_filters": 8,
    "depthwise_stride": 2,
    "depthwise_residual": False,
    "squeeze_and_excite": 0.5,
    "last_layer_filter": 288,
    "input_activation": "hard_swish",
    "output_activation": "hard_swish",
}
_DARKNET = {
    "stem_filters": 32,
    "stem_kernel_size": 3,
    "stem_strides": 1,
    "stem_padding": "same",
    "stem_pooling": None,
    "stackwise_depth": [1, 2, 8, 8, 4],
    "stackwise_num_filters": [64, 128, 256, 512, 1024],
    "stackwise_strides": [2, 2, 2, 2, 2],
    "block_type": "dark_block",
    "groups": 1,
    "avg_down": False,
    "cross_linear": False,
}


def _stages(
    stage: str, bottle: list[float], block: list[float], expand: list[float], grow: bool
) -> dict[str, Any]:
    return {
        "stage_type": stage,
        "bottle_ratio": bottle,
        "block_ratio": block,
        "expand_ratio": expand,
        "down_growth": grow,
    }


DARKNET53 = {**_DARKNET, **_stages("dark", [0.5], [1.0], [1.0], False)}
CSPDARKNET53 = {**_DARKNET, **_stages("csp", [0.5, 1.0], [1.0, 0.5], [2.0, 1.0], True)}
CSPRESNET50 = {
    **_stages("csp", [0.5], [1.0], [2.0], False),
    "stem_filters": 64,
    "stem_kernel_size": 7,
    "stem_strides": 4,
    "stem_padding": "valid",
    "stem_pooling": "max",
    "stackwise_depth": [3, 3, 5, 2],
    "stackwise_num_filters": [128, 256, 512, 1024],
    "stackwise_strides": [1, 2, 2, 2],
    "block_type": "bottleneck_block",
    "groups": 1,
    "avg_down": False,
    "cross_linear": True,
}


def hgnet(stem: list[int], filters: list[list[int]]) -> dict[str, Any]:
    """HGNetV2 as distilled (SSLD), without learnable affine blocks."""
    return {
        "depths": [stage[3] for stage in filters],
        "embedding_size": stem[-1],
        "hidden_sizes": [stage[2] for stage in filters],
        "stem_channels": stem,
        "hidden_act": "relu",
        "use_learnable_affine_block": False,
        "stackwise_stage_filters": filters,
        "apply_downsample": [False, True, True, True],
        "use_lightweight_conv_block": [False, False, True, True],
    }


HGNET_B0 = hgnet(
    [3, 16, 16],
    [
        [16, 16, 64, 1, 3, 3],
        [64, 32, 256, 1, 3, 3],
        [256, 64, 512, 2, 3, 5],
        [512, 128, 1024, 1, 3, 5],
    ],
)
HGNET_B4 = hgnet(
    [3, 32, 48],
    [
        [48, 48, 128, 1, 6, 3],
        [128, 96, 512, 1, 6, 3],
        [512, 192, 1024, 3, 6, 5],
        [1024, 384, 2048, 1, 6, 5],
    ],
)
XCEPTION = {
    "stackwise_conv_filters": [
        *([32, 64], [128, 128], [256, 256], [728, 728]),
        *([728, 728, 728] for _ in range(8)),
        *([728, 1024], [1536, 2048]),
    ],
    "stackwise_pooling": [False, True, True, True, *[False] * 8, True, False],
}


# Blocks of MobileNetV5, by the short names of timm: er, uir, mqa.
def _edge(filters: int, stride: int) -> dict[str, Any]:
    own = {"expansion": 4.0, "kernel": 3, "pointwise": 1}
    return {"type": "er", "filters": filters, "stride": stride, **own}


def _inverted(
    filters: int, start: int, middle: int, stride: int, expansion: float
) -> dict[str, Any]:
    own = {"expansion": expansion, "middle": middle, "start": start}
    return {"type": "uir", "filters": filters, "stride": stride, **own}


def _attention(filters: int, heads: int, width: int, reduction: int) -> dict[str, Any]:
    own = {"heads": heads, "width": width, "reduction": reduction}
    return {"type": "mqa", "filters": filters, "stride": 1, **own}


def mobilenet_v5() -> dict[str, Any]:
    """The encoder of Gemma 3n, of 300 million parameters."""
    mixed = [_attention(640, 12, 64, 2), _inverted(640, 0, 0, 1, 2.0)]
    last = [_attention(1280, 16, 96, 1), _inverted(1280, 0, 0, 1, 2.0)]
    stages = [
        [_edge(128, 2), _edge(128, 1), _edge(128, 1)],
        [_inverted(256, 3, 5, 2, 6.0), *[_inverted(256, s, 0, 1, 4.0) for s in (5, 3, 5, 3)]],
        [
            _inverted(640, 5, 5, 2, 6.0),
            *[_inverted(640, 5, 0, 1, 4.0) for _ in range(7)],
            _inverted(640, 0, 0, 1, 1.0),
            *(mixed * 14),
        ],
        [_inverted(1280, 5, 5, 2, 6.0), *(last * 19)],
    ]

    def each(key: str, default: Any) -> list[list[Any]]:
        return [[block.get(key, default) for block in stage] for stage in stages]

    return {
        "stackwise_block_types": each("type", None),
        "stackwise_num_blocks": [len(stage) for stage in stages],
        "stackwise_num_filters": each("filters", None),
        "stackwise_strides": each("stride", 1),
        "stackwise_act_layers": each("activation", "gelu"),
        "stackwise_exp_ratios": each("expansion", 0.0),
        "stackwise_se_ratios": each("squeeze", 0.0),
        "stackwise_dw_kernel_sizes": each("middle", 0),
        "stackwise_dw_start_kernel_sizes": each("start", 0),
        "stackwise_dw_end_kernel_sizes": each("end", 0),
        "stackwise_exp_kernel_sizes": each("kernel", 0),
        "stackwise_pw_kernel_sizes": each("pointwise", 0),
        "stackwise_num_heads": each("heads", 0),
        "stackwise_key_dims": each("width", 0),
        "stackwise_value_dims": each("width", 0),
        "stackwise_kv_strides": each("reduction", 0),
        "stackwise_use_cpe": each("position", False),
        "stem_size": 64,
        "num_features": 2048,
        "norm_layer": "rms_norm",
        "act_layer": "gelu",
        "use_msfa": True,
        "layer_scale_init_value": 1e-5,
    }
