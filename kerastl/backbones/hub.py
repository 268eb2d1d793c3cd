"""The image backbones of KerasHub: one record each.

Architectures are those of the published weights that ``preset`` names; preprocessing is what
KerasHub's converters take from the weights' own configuration. Where no preset is named, a local
Hugging Face or timm directory of the same architecture loads.
"""

from __future__ import annotations

import functools

from kerastl.backbones import hub_architectures as arch
from kerastl.backbones.record import ARXIV, family

_APACHE = "Apache-2.0"
_NVIDIA = "LicenseRef-NVIDIA-Source-Code-License-SegFormer"

_STACK = r"(stack\d)_block"
_BLOCK = r"(block\d+)_"
# KerasHub puts the name of a backbone before those of its layers when it is loaded from a file.
_HGNET_STAGES = r".*encoder_(stage_\d)_"
# Its blocks have no names of their own.
_V5_BLOCKS = r"(?P<layer>(?:edge_residual|universal_inverted_residual|mobile_attention)(?:_\d+)?)"
# Layers of one kind are numbered through; the layer that embeds patches belongs to the part that
# is before all of them.
_TRANSFORMER = (
    r".*?(?:(?:vit|deit)_encoder_transformer_block|encoder_layers|encoder_block)_(?P<layer>\d+)"
)
_SWIN_BLOCKS = r"stage_(?P<stage>\d)_blocks_(?P<block>\d+)"
_MIT_BLOCKS = r"(?:hierarchical_encoder|patch_and_embed)_(?P<stage>\d)(?:_(?P<block>\d+))?"

_family = functools.partial(family, source="keras_hub")

# fmt: off
_RESNET = _family("torch", _STACK, "stack2", _APACHE, "1512.03385")
_DENSENET = _family("torch", _STACK, "stack3", "BSD-3-Clause", "1608.06993")
_EFFICIENTNET = _family("torch", r"(block\d)[a-z]", "block4", _APACHE, "1905.11946")
_MOBILENET = _family("torch", r"(block_\d+)_", "block_2", _APACHE, "1905.02244")
_VGG = _family("torch", _BLOCK, "block5", "BSD-3-Clause", "1409.1556")
_XCEPTION = _family("tf", _BLOCK, "block4", "MIT", "1610.02357", minimum_size=71)
_CSPNET = _family("torch", r"(stage_\d)_", "stage_3", _APACHE, "1804.02767")
_HGNET = _family("torch", _HGNET_STAGES, "stage_2", _APACHE, "2304.08069", output="stage4")
_MOBILENET_V5 = _family("unit", _V5_BLOCKS, "layer_8", "LicenseRef-Gemma", "2404.10518",
    size_step=32)
_VIT = _family("tf", _TRANSFORMER, "layer_6", _APACHE, "2010.11929", pooling="class_token",
    fixed_size=True)
_DEIT = _family("torch", _TRANSFORMER, "layer_6", _APACHE, "2012.12877", pooling="class_token",
    size_step=16, fixed_size=True)
_DINOV2 = _family("torch", _TRANSFORMER, "layer_6", _APACHE, "2304.07193", pooling="class_token",
    size_step=14, square=True)
_DINOV3 = _family("torch", _TRANSFORMER, "layer_6", "LicenseRef-DINOv3", "2508.10104",
    pooling="class_token", size_step=16, square=True)
_SWIN = _family("torch", _SWIN_BLOCKS, "stage_2_block_0", "MIT", "2103.14030", minimum_size=224,
    size_step=32)
_MIT = _family("torch", _MIT_BLOCKS, "stage_2_block_0", _NVIDIA, "2105.15203", minimum_size=64,
    size_step=32, square=True)
_CLIP = _family("clip", _TRANSFORMER, "layer_6", "MIT", "2103.00020", pooling="class_token",
    square=True, fixed_size=True)
_SIGLIP = _family("tf", _TRANSFORMER, "layer_6", _APACHE, "2303.15343", pooling="none",
    size_step=16, square=True, fixed_size=True)

HUB = (
    _RESNET("resnet18", "ResNetBackbone", 224, 512, 11_186_112,
        arch.resnet("basic_block", [2, 2, 2, 2]), preset="resnet_18_imagenet"),
    _RESNET("resnet34", "ResNetBackbone", 224, 512, 21_301_696,
        arch.resnet("basic_block", [3, 4, 6, 3])),
    _RESNET("resnet_vd_18", "ResNetBackbone", 224, 512, 11_209_824,
        arch.resnet("basic_block_vd", [2, 2, 2, 2], deep_stem=True),
        preset="resnet_vd_18_imagenet", paper=ARXIV + "1812.01187"),
    _RESNET("resnet_vd_50", "ResNetBackbone", 224, 2048, 23_580_512,
        arch.resnet("bottleneck_block_vd", [3, 4, 6, 3], deep_stem=True),
        preset="resnet_vd_50_ssld_v2_imagenet", paper=ARXIV + "1812.01187"),
    _DENSENET("densenet121_timm", "DenseNetBackbone", 224, 1024, 7_037_504,
        {"stackwise_num_repeats": [6, 12, 24, 16], "compression_ratio": 0.5, "growth_rate": 32},
        preset="densenet_121_imagenet"),
    _EFFICIENTNET("efficientnet_lite0", "EfficientNetBackbone", 224, 1280, 3_413_024,
        arch.EFFICIENTNET_LITE0, preset="efficientnet_lite0_ra_imagenet"),
    _EFFICIENTNET("efficientnet_es", "EfficientNetBackbone", 224, 1280, 4_208_832,
        arch.EFFICIENTNET_ES, preset="efficientnet_es_ra_imagenet", paper=ARXIV + "2003.02838"),
    _MOBILENET("mobilenet_v3_small_0.5", "MobileNetBackbone", 224, 288, 278_784,
        arch.MOBILENET_V3_SMALL_HALF, preset="mobilenet_v3_small_050_imagenet"),
    _VGG("vgg11", "VGGBackbone", 224, 512, 9_220_480,
        arch.vgg([1, 1, 2, 2, 2]), preset="vgg_11_imagenet"),
    _VGG("vgg13", "VGGBackbone", 224, 512, 9_404_992,
        arch.vgg([2, 2, 2, 2, 2]), preset="vgg_13_imagenet"),
    _XCEPTION("xception_41", "XceptionBackbone", 299, 2048, 20_861_480, arch.XCEPTION,
        preset="xception_41_imagenet"),
    _CSPNET("darknet53", "CSPNetBackbone", 256, 1024, 40_620_640, arch.DARKNET53,
        preset="darknet_53_imagenet"),
    _CSPNET("cspdarknet53", "CSPNetBackbone", 256, 1024, 26_652_512, arch.CSPDARKNET53,
        preset="csp_darknet_53_ra_imagenet", paper=ARXIV + "1911.11929"),
    _CSPNET("cspresnet50", "CSPNetBackbone", 256, 1024, 20_631_488, arch.CSPRESNET50,
        preset="csp_resnet_50_ra_imagenet", fine_tune_from="stage_2", paper=ARXIV + "1911.11929"),
    _HGNET("hgnetv2_b0", "HGNetV2Backbone", 224, 1024, 1_862_608, arch.HGNET_B0),
    _HGNET("hgnetv2_b4", "HGNetV2Backbone", 224, 2048, 13_599_072, arch.HGNET_B4,
        preset="hgnetv2_b4_ssld_stage2_ft_in1k"),
    _MOBILENET_V5("mobilenetv5_300m", "MobileNetV5Backbone", 768, 2048, 294_284_096,
        arch.mobilenet_v5(), preset="mobilenetv5_300m_enc_gemma3n"),
    _VIT("vit_base_patch16_224", "ViTBackbone", 224, 768, 85_798_656, arch.vit(16, 12, 12, 768),
        preset="vit_base_patch16_224_imagenet", size_step=16),
    _VIT("vit_base_patch32_224", "ViTBackbone", 224, 768, 87_455_232, arch.vit(32, 12, 12, 768),
        preset="vit_base_patch32_224_imagenet21k", size_step=32),
    _VIT("vit_base_patch16_384", "ViTBackbone", 384, 768, 86_090_496, arch.vit(16, 12, 12, 768),
        preset="vit_base_patch16_384_imagenet", size_step=16),
    _VIT("vit_large_patch16_224", "ViTBackbone", 224, 1024, 303_301_632,
        arch.vit(16, 24, 16, 1024), preset="vit_large_patch16_224_imagenet", size_step=16,
        fine_tune_from="layer_12"),
    _DEIT("deit_tiny_distilled_patch16_224", "DeiTBackbone", 224, 192, 5_524_800,
        arch.tower(16, 12, 3, 192), preset="deit_tiny_distilled_patch16_224_imagenet"),
    _DEIT("deit_small_distilled_patch16_224", "DeiTBackbone", 224, 384, 21_666_432,
        arch.tower(16, 12, 6, 384), preset="deit_small_distilled_patch16_224_imagenet"),
    _DEIT("deit_base_distilled_patch16_224", "DeiTBackbone", 224, 768, 85_800_192,
        arch.tower(16, 12, 12, 768), preset="deit_base_distilled_patch16_224_imagenet"),
    _DINOV2("dinov2_small", "DINOV2Backbone", 518, 384, 22_582_656, arch.tower(14, 12, 6, 384),
        preset="dinov2_small"),
    _DINOV2("dinov2_base", "DINOV2Backbone", 518, 768, 87_632_640, arch.tower(14, 12, 12, 768),
        preset="dinov2_base"),
    _DINOV2("dinov2_with_registers_small", "DINOV2Backbone", 518, 384, 22_584_192,
        arch.tower(14, 12, 6, 384, num_register_tokens=4, antialias_in_interpolation=True),
        preset="dinov2_with_registers_small", paper=ARXIV + "2309.16588"),
    _DINOV3("dinov3_vit_small", "DINOV3Backbone", 224, 384, 21_596_544, arch.dinov3(12, 6, 384),
        preset="dinov3_vit_small_lvd1689m"),
    _DINOV3("dinov3_vit_base", "DINOV3Backbone", 224, 768, 85_660_416, arch.dinov3(12, 12, 768),
        preset="dinov3_vit_base_lvd1689m"),
    _SWIN("swin_tiny_patch4_window7_224", "SwinTransformerBackbone", 224, 768, 27_519_354,
        arch.swin(96, (2, 2, 6, 2), (3, 6, 12, 24)), preset="swin_tiny_patch4_window7_224"),
    _SWIN("swin_small_patch4_window7_224", "SwinTransformerBackbone", 224, 768, 48_837_258,
        arch.swin(96, (2, 2, 18, 2), (3, 6, 12, 24)), preset="swin_small_patch4_window7_224"),
    _SWIN("swin_base_patch4_window7_224", "SwinTransformerBackbone", 224, 1024, 86_743_224,
        arch.swin(128, (2, 2, 18, 2), (4, 8, 16, 32)), preset="swin_base_patch4_window7_224"),
    _MIT("mit_b0", "MiTBackbone", 512, 256, 3_319_392, arch.mit([32, 64, 160, 256], [2, 2, 2, 2]),
        preset="mit_b0_ade20k_512"),
    _MIT("mit_b1", "MiTBackbone", 512, 512, 13_151_424,
        arch.mit([64, 128, 320, 512], [2, 2, 2, 2]), preset="mit_b1_ade20k_512"),
    _MIT("mit_b2", "MiTBackbone", 512, 512, 24_196_288,
        arch.mit([64, 128, 320, 512], [3, 4, 6, 3]), preset="mit_b2_ade20k_512"),
    _CLIP("clip_vit_base_patch16", "CLIPVisionEncoder", 224, 768, 85_799_621,
        arch.tower(16, 12, 12, 768), preset="clip_vit_base_patch16", size_step=16),
    _CLIP("clip_vit_base_patch32", "CLIPVisionEncoder", 224, 768, 87_456_050,
        arch.tower(32, 12, 12, 768), preset="clip_vit_base_patch32", size_step=32),
    _CLIP("clip_vit_large_patch14", "CLIPVisionEncoder", 224, 1024, 303_180_033,
        arch.tower(14, 24, 16, 1024), preset="clip_vit_large_patch14", size_step=14,
        fine_tune_from="layer_12"),
    _SIGLIP("siglip_base_patch16_224", "SigLIPVisionEncoder", 224, 768, 92_884_420,
        arch.tower(16, 12, 12, 768), preset="siglip_base_patch16_224"),
)
# fmt: on
