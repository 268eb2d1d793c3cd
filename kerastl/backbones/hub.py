"""The image backbones of KerasHub: one record each.

Architectures are those of the published weights that ``preset`` names; preprocessing is what
KerasHub's converters take from the weights' own configuration. Where no preset is named, a local
Hugging Face or timm directory of the same architecture loads.
"""

from __future__ import annotations

import functools

from kerastl.backbones import hub_architectures as arch
from kerastl.backbones.record import ARXIV, Backbone

_APACHE = "Apache-2.0"
_MIT_LICENCE = "MIT"
_BSD = "BSD-3-Clause"
_NVIDIA = "LicenseRef-NVIDIA-Source-Code-License-SegFormer"
_DINOV3 = "LicenseRef-DINOv3"
_GEMMA = "LicenseRef-Gemma"

_STACK = r"(stack\d)_block"
_BLOCK = r"(block\d+)_"
_EFFICIENTNET = r"(block\d)[a-z]"
_MOBILENET = r"(block_\d+)_"
_CSPNET = r"(stage_\d)_"
# KerasHub puts the name of a backbone before those of its layers when it is loaded from a file.
_HGNET = r".*encoder_(stage_\d)_"
# Its blocks have no names of their own.
_MOBILENET_V5 = (
    r"(?P<layer>(?:edge_residual|universal_inverted_residual|mobile_attention)(?:_\d+)?)"
)
# Layers of one kind are numbered through; the layer that embeds patches belongs to the part that
# is before all of them.
_TRANSFORMER = (
    r".*?(?:(?:vit|deit)_encoder_transformer_block|encoder_layers|encoder_block)_(?P<layer>\d+)"
)
_SWIN_BLOCKS = r"stage_(?P<stage>\d)_blocks_(?P<block>\d+)"
_MIT_BLOCKS = r"(?:hierarchical_encoder|patch_and_embed)_(?P<stage>\d)(?:_(?P<block>\d+))?"


_record = functools.partial(Backbone, source="keras_hub")

# fmt: off
HUB = (
    _record("resnet18", "ResNetBackbone", 224, "torch", 512, 11_186_112,
            _STACK, "stack2", _APACHE, ARXIV + "1512.03385",
            arch.resnet("basic_block", [2, 2, 2, 2]),
            preset="resnet_18_imagenet"),
    _record("resnet34", "ResNetBackbone", 224, "torch", 512, 21_301_696,
            _STACK, "stack2", _APACHE, ARXIV + "1512.03385",
            arch.resnet("basic_block", [3, 4, 6, 3]),
            preset=None),
    _record("resnet_vd_18", "ResNetBackbone", 224, "torch", 512, 11_209_824,
            _STACK, "stack2", _APACHE, ARXIV + "1812.01187",
            arch.resnet("basic_block_vd", [2, 2, 2, 2], deep_stem=True),
            preset="resnet_vd_18_imagenet"),
    _record("resnet_vd_50", "ResNetBackbone", 224, "torch", 2048, 23_580_512,
            _STACK, "stack2", _APACHE, ARXIV + "1812.01187",
            arch.resnet("bottleneck_block_vd", [3, 4, 6, 3], deep_stem=True),
            preset="resnet_vd_50_ssld_v2_imagenet"),
    _record("densenet121_timm", "DenseNetBackbone", 224, "torch", 1024, 7_037_504,
            _STACK, "stack3", _BSD, ARXIV + "1608.06993",
            {"stackwise_num_repeats": [6, 12, 24, 16], "compression_ratio": 0.5,
             "growth_rate": 32},
            preset="densenet_121_imagenet"),
    _record("efficientnet_lite0", "EfficientNetBackbone", 224, "torch", 1280, 3_413_024,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "1905.11946", arch.EFFICIENTNET_LITE0,
            preset="efficientnet_lite0_ra_imagenet"),
    _record("efficientnet_es", "EfficientNetBackbone", 224, "torch", 1280, 4_208_832,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "2003.02838", arch.EFFICIENTNET_ES,
            preset="efficientnet_es_ra_imagenet"),
    _record("mobilenet_v3_small_0.5", "MobileNetBackbone", 224, "torch", 288, 278_784,
            _MOBILENET, "block_2", _APACHE, ARXIV + "1905.02244", arch.MOBILENET_V3_SMALL_HALF,
            preset="mobilenet_v3_small_050_imagenet"),
    _record("vgg11", "VGGBackbone", 224, "torch", 512, 9_220_480,
            _BLOCK, "block5", _BSD, ARXIV + "1409.1556",
            {"stackwise_num_repeats": [1, 1, 2, 2, 2],
             "stackwise_num_filters": [64, 128, 256, 512, 512]},
            preset="vgg_11_imagenet"),
    _record("vgg13", "VGGBackbone", 224, "torch", 512, 9_404_992,
            _BLOCK, "block5", _BSD, ARXIV + "1409.1556",
            {"stackwise_num_repeats": [2, 2, 2, 2, 2],
             "stackwise_num_filters": [64, 128, 256, 512, 512]},
            preset="vgg_13_imagenet"),
    _record("xception_41", "XceptionBackbone", 299, "tf", 2048, 20_861_480,
            _BLOCK, "block4", _MIT_LICENCE, ARXIV + "1610.02357", arch.XCEPTION,
            preset="xception_41_imagenet", minimum_size=71),
    _record("darknet53", "CSPNetBackbone", 256, "torch", 1024, 40_620_640,
            _CSPNET, "stage_3", _APACHE, ARXIV + "1804.02767", arch.DARKNET53,
            preset="darknet_53_imagenet"),
    _record("cspdarknet53", "CSPNetBackbone", 256, "torch", 1024, 26_652_512,
            _CSPNET, "stage_3", _APACHE, ARXIV + "1911.11929", arch.CSPDARKNET53,
            preset="csp_darknet_53_ra_imagenet"),
    _record("cspresnet50", "CSPNetBackbone", 256, "torch", 1024, 20_631_488,
            _CSPNET, "stage_2", _APACHE, ARXIV + "1911.11929", arch.CSPRESNET50,
            preset="csp_resnet_50_ra_imagenet"),
    _record("hgnetv2_b0", "HGNetV2Backbone", 224, "torch", 1024, 1_862_608,
            _HGNET, "stage_2", _APACHE, ARXIV + "2304.08069", arch.HGNET_B0,
            preset=None, output="stage4"),
    _record("hgnetv2_b4", "HGNetV2Backbone", 224, "torch", 2048, 13_599_072,
            _HGNET, "stage_2", _APACHE, ARXIV + "2304.08069", arch.HGNET_B4,
            preset="hgnetv2_b4_ssld_stage2_ft_in1k", output="stage4"),
    _record("mobilenetv5_300m", "MobileNetV5Backbone", 768, "unit", 2048, 294_284_096,
            _MOBILENET_V5, "layer_8", _GEMMA, ARXIV + "2404.10518", arch.mobilenet_v5(),
            preset="mobilenetv5_300m_enc_gemma3n", size_step=32),
    _record("vit_base_patch16_224", "ViTBackbone", 224, "tf", 768, 85_798_656,
            _TRANSFORMER, "layer_6", _APACHE, ARXIV + "2010.11929", arch.vit(16, 12, 12, 768),
            preset="vit_base_patch16_224_imagenet", pooling="class_token",
            size_step=16, fixed_size=True),
    _record("vit_base_patch32_224", "ViTBackbone", 224, "tf", 768, 87_455_232,
            _TRANSFORMER, "layer_6", _APACHE, ARXIV + "2010.11929", arch.vit(32, 12, 12, 768),
            preset="vit_base_patch32_224_imagenet21k", pooling="class_token",
            size_step=32, fixed_size=True),
    _record("vit_base_patch16_384", "ViTBackbone", 384, "tf", 768, 86_090_496,
            _TRANSFORMER, "layer_6", _APACHE, ARXIV + "2010.11929", arch.vit(16, 12, 12, 768),
            preset="vit_base_patch16_384_imagenet", pooling="class_token",
            size_step=16, fixed_size=True),
    _record("vit_large_patch16_224", "ViTBackbone", 224, "tf", 1024, 303_301_632,
            _TRANSFORMER, "layer_12", _APACHE, ARXIV + "2010.11929", arch.vit(16, 24, 16, 1024),
            preset="vit_large_patch16_224_imagenet", pooling="class_token",
            size_step=16, fixed_size=True),
    _record("deit_tiny_distilled_patch16_224", "DeiTBackbone", 224, "torch", 192, 5_524_800,
            _TRANSFORMER, "layer_6", _APACHE, ARXIV + "2012.12877", arch.tower(16, 12, 3, 192),
            preset="deit_tiny_distilled_patch16_224_imagenet", pooling="class_token",
            size_step=16, fixed_size=True),
    _record("deit_small_distilled_patch16_224", "DeiTBackbone", 224, "torch", 384, 21_666_432,
            _TRANSFORMER, "layer_6", _APACHE, ARXIV + "2012.12877", arch.tower(16, 12, 6, 384),
            preset="deit_small_distilled_patch16_224_imagenet", pooling="class_token",
            size_step=16, fixed_size=True),
    _record("deit_base_distilled_patch16_224", "DeiTBackbone", 224, "torch", 768, 85_800_192,
            _TRANSFORMER, "layer_6", _APACHE, ARXIV + "2012.12877", arch.tower(16, 12, 12, 768),
            preset="deit_base_distilled_patch16_224_imagenet", pooling="class_token",
            size_step=16, fixed_size=True),
    _record("dinov2_small", "DINOV2Backbone", 518, "torch", 384, 22_582_656,
            _TRANSFORMER, "layer_6", _APACHE, ARXIV + "2304.07193", arch.tower(14, 12, 6, 384),
            preset="dinov2_small", pooling="class_token", size_step=14, square=True),
    _record("dinov2_base", "DINOV2Backbone", 518, "torch", 768, 87_632_640,
            _TRANSFORMER, "layer_6", _APACHE, ARXIV + "2304.07193", arch.tower(14, 12, 12, 768),
            preset="dinov2_base", pooling="class_token", size_step=14, square=True),
    _record("dinov2_with_registers_small", "DINOV2Backbone", 518, "torch", 384, 22_584_192,
            _TRANSFORMER, "layer_6", _APACHE, ARXIV + "2309.16588",
            {**arch.tower(14, 12, 6, 384), "num_register_tokens": 4,
             "antialias_in_interpolation": True},
            preset="dinov2_with_registers_small", pooling="class_token", size_step=14,
            square=True),
    _record("dinov3_vit_small", "DINOV3Backbone", 224, "torch", 384, 21_596_544,
            _TRANSFORMER, "layer_6", _DINOV3, ARXIV + "2508.10104", arch.dinov3(12, 6, 384),
            preset="dinov3_vit_small_lvd1689m", pooling="class_token", size_step=16,
            square=True),
    _record("dinov3_vit_base", "DINOV3Backbone", 224, "torch", 768, 85_660_416,
            _TRANSFORMER, "layer_6", _DINOV3, ARXIV + "2508.10104", arch.dinov3(12, 12, 768),
            preset="dinov3_vit_base_lvd1689m", pooling="class_token", size_step=16,
            square=True),
    _record("swin_tiny_patch4_window7_224", "SwinTransformerBackbone", 224, "torch", 768,
            27_519_354, _SWIN_BLOCKS, "stage_2_block_0", _MIT_LICENCE, ARXIV + "2103.14030",
            arch.swin(96, (2, 2, 6, 2), (3, 6, 12, 24)),
            preset="swin_tiny_patch4_window7_224", minimum_size=224, size_step=32),
    _record("swin_small_patch4_window7_224", "SwinTransformerBackbone", 224, "torch", 768,
            48_837_258, _SWIN_BLOCKS, "stage_2_block_0", _MIT_LICENCE, ARXIV + "2103.14030",
            arch.swin(96, (2, 2, 18, 2), (3, 6, 12, 24)),
            preset="swin_small_patch4_window7_224", minimum_size=224, size_step=32),
    _record("swin_base_patch4_window7_224", "SwinTransformerBackbone", 224, "torch", 1024,
            86_743_224, _SWIN_BLOCKS, "stage_2_block_0", _MIT_LICENCE, ARXIV + "2103.14030",
            arch.swin(128, (2, 2, 18, 2), (4, 8, 16, 32)),
            preset="swin_base_patch4_window7_224", minimum_size=224, size_step=32),
    _record("mit_b0", "MiTBackbone", 512, "torch", 256, 3_319_392,
            _MIT_BLOCKS, "stage_2_block_0", _NVIDIA, ARXIV + "2105.15203",
            arch.mit([32, 64, 160, 256], [2, 2, 2, 2]),
            preset="mit_b0_ade20k_512", minimum_size=64, size_step=32, square=True),
    _record("mit_b1", "MiTBackbone", 512, "torch", 512, 13_151_424,
            _MIT_BLOCKS, "stage_2_block_0", _NVIDIA, ARXIV + "2105.15203",
            arch.mit([64, 128, 320, 512], [2, 2, 2, 2]),
            preset="mit_b1_ade20k_512", minimum_size=64, size_step=32, square=True),
    _record("mit_b2", "MiTBackbone", 512, "torch", 512, 24_196_288,
            _MIT_BLOCKS, "stage_2_block_0", _NVIDIA, ARXIV + "2105.15203",
            arch.mit([64, 128, 320, 512], [3, 4, 6, 3]),
            preset="mit_b2_ade20k_512", minimum_size=64, size_step=32, square=True),
    _record("clip_vit_base_patch16", "CLIPVisionEncoder", 224, "clip", 768, 85_799_621,
            _TRANSFORMER, "layer_6", _MIT_LICENCE, ARXIV + "2103.00020",
            arch.tower(16, 12, 12, 768),
            preset="clip_vit_base_patch16", pooling="class_token", size_step=16, square=True,
            fixed_size=True),
    _record("clip_vit_base_patch32", "CLIPVisionEncoder", 224, "clip", 768, 87_456_050,
            _TRANSFORMER, "layer_6", _MIT_LICENCE, ARXIV + "2103.00020",
            arch.tower(32, 12, 12, 768),
            preset="clip_vit_base_patch32", pooling="class_token", size_step=32, square=True,
            fixed_size=True),
    _record("clip_vit_large_patch14", "CLIPVisionEncoder", 224, "clip", 1024, 303_180_033,
            _TRANSFORMER, "layer_12", _MIT_LICENCE, ARXIV + "2103.00020",
            arch.tower(14, 24, 16, 1024),
            preset="clip_vit_large_patch14", pooling="class_token", size_step=14, square=True,
            fixed_size=True),
    _record("siglip_base_patch16_224", "SigLIPVisionEncoder", 224, "tf", 768, 92_884_420,
            _TRANSFORMER, "layer_6", _APACHE, ARXIV + "2303.15343", arch.tower(16, 12, 12, 768),
            preset="siglip_base_patch16_224", pooling="none", size_step=16, square=True,
            fixed_size=True),
)
# fmt: on
