"""The backbones of ``keras.applications``: one row each, family by family."""

from __future__ import annotations

from kerastl.backbones.record import family

_APACHE = "Apache-2.0"
_MIT = "MIT"
_BSD = "BSD-3-Clause"
_CC_BY = "CC-BY-4.0"
_V3 = r"(expanded_conv(?:_\d+)?)_(?:expand|depthwise|squeeze|project|add)"
_CELLS = r"(?:.*_)?(normal|reduction)_(?:.*?_)??((?:(?:stem|reduce)_)?\d+)$"

# A family's first stage to be fine-tuned is the first that works at 1/16 of the input's
# resolution: what comes before it (edges, textures) transfers as it is, and would cost most of
# the time of a step.
# fmt: off
_MOBILENET = family("tf", r"(conv)_(?:pad|dw|pw)_(\d+)", "conv_6", _APACHE, "1704.04861")
_MOBILENET_V2 = family(
    "tf", r"(block_\d+)_", "block_6", _APACHE, "1801.04381", late_from="block_10")
_MOBILENET_V3 = family("included", _V3, "expanded_conv_3", _APACHE, "1905.02244")
_EFFICIENTNET = family("included", r"(block\d)[a-z]_", "block4", _APACHE, "1905.11946")
_EFFICIENTNET_V2 = family("included", r"(block\d)[a-z]_", "block4", _APACHE, "2104.00298")
_RESNET = family("caffe", r"(conv\d)_block", "conv4", _MIT, "1512.03385")
_RESNET_V2 = family("tf", r"(conv\d)_block", "conv4", _MIT, "1603.05027")
_DENSENET = family("torch", r"(conv\d)_block", "conv4", _BSD, "1608.06993")
_CONVNEXT = family(
    "included", r"convnext_[a-z]+_(stage_\d)_block", "stage_2", _APACHE, "2201.03545")
_VGG = family("caffe", r"(block\d)_", "block5", _CC_BY, "1409.1556")
_INCEPTION = family("tf", r"(mixed\d+)", "mixed3", _APACHE, "1512.00567")
_INCEPTION_RESNET = family(
    "tf", r"(mixed_\d[a-z]|block35|block17|block8)", "mixed_6a", _APACHE, "1602.07261",
    minimum_size=75)
_XCEPTION = family("tf", r"(block\d+)_", "block4", _MIT, "1610.02357")
_NASNET = family("tf", _CELLS, "normal_5", _APACHE, "1707.07012")

APPLICATIONS = (
    _MOBILENET("mobilenet", "MobileNet", 224, 1024, 3_228_864),
    _MOBILENET("mobilenet_0.75", "MobileNet", 192, 768, 1_832_976, {"alpha": 0.75}),
    _MOBILENET("mobilenet_0.5", "MobileNet", 160, 512, 829_536, {"alpha": 0.5}),
    _MOBILENET("mobilenet_0.25", "MobileNet", 128, 256, 218_544, {"alpha": 0.25}),
    _MOBILENET_V2("mobilenet_v2", "MobileNetV2", 224, 1280, 2_257_984),
    _MOBILENET_V3("mobilenet_v3_small", "MobileNetV3Small", 224, 576, 939_120),
    _MOBILENET_V3("mobilenet_v3_large", "MobileNetV3Large", 224, 960, 2_996_352,
        fine_tune_from="expanded_conv_6"),
    _EFFICIENTNET("efficientnet_b0", "EfficientNetB0", 224, 1280, 4_049_571),
    _EFFICIENTNET("efficientnet_b1", "EfficientNetB1", 240, 1280, 6_575_239),
    _EFFICIENTNET("efficientnet_b2", "EfficientNetB2", 260, 1408, 7_768_569),
    _EFFICIENTNET("efficientnet_b3", "EfficientNetB3", 300, 1536, 10_783_535),
    _EFFICIENTNET("efficientnet_b4", "EfficientNetB4", 380, 1792, 17_673_823),
    _EFFICIENTNET("efficientnet_b5", "EfficientNetB5", 456, 2048, 28_513_527),
    _EFFICIENTNET("efficientnet_b6", "EfficientNetB6", 528, 2304, 40_960_143),
    _EFFICIENTNET("efficientnet_b7", "EfficientNetB7", 600, 2560, 64_097_687),
    _EFFICIENTNET_V2("efficientnet_v2_b0", "EfficientNetV2B0", 224, 1280, 5_919_312),
    _EFFICIENTNET_V2("efficientnet_v2_b1", "EfficientNetV2B1", 240, 1280, 6_931_124),
    _EFFICIENTNET_V2("efficientnet_v2_b2", "EfficientNetV2B2", 260, 1408, 8_769_374),
    _EFFICIENTNET_V2("efficientnet_v2_b3", "EfficientNetV2B3", 300, 1536, 12_930_622),
    _EFFICIENTNET_V2("efficientnet_v2_s", "EfficientNetV2S", 384, 1280, 20_331_360),
    _EFFICIENTNET_V2("efficientnet_v2_m", "EfficientNetV2M", 480, 1280, 53_150_388),
    _EFFICIENTNET_V2("efficientnet_v2_l", "EfficientNetV2L", 480, 1280, 117_746_848),
    _RESNET("resnet50", "ResNet50", 224, 2048, 23_587_712),
    _RESNET("resnet101", "ResNet101", 224, 2048, 42_658_176),
    _RESNET("resnet152", "ResNet152", 224, 2048, 58_370_944),
    _RESNET_V2("resnet50_v2", "ResNet50V2", 224, 2048, 23_564_800),
    _RESNET_V2("resnet101_v2", "ResNet101V2", 224, 2048, 42_626_560),
    _RESNET_V2("resnet152_v2", "ResNet152V2", 224, 2048, 58_331_648),
    _DENSENET("densenet121", "DenseNet121", 224, 1024, 7_037_504),
    _DENSENET("densenet169", "DenseNet169", 224, 1664, 12_642_880),
    _DENSENET("densenet201", "DenseNet201", 224, 1920, 18_321_984),
    _CONVNEXT("convnext_tiny", "ConvNeXtTiny", 224, 768, 27_820_128),
    _CONVNEXT("convnext_small", "ConvNeXtSmall", 224, 768, 49_454_688),
    _CONVNEXT("convnext_base", "ConvNeXtBase", 224, 1024, 87_566_464),
    _CONVNEXT("convnext_large", "ConvNeXtLarge", 224, 1536, 196_230_336),
    _CONVNEXT("convnext_xlarge", "ConvNeXtXLarge", 224, 2048, 348_147_968),
    _VGG("vgg16", "VGG16", 224, 512, 14_714_688),
    _VGG("vgg19", "VGG19", 224, 512, 20_024_384),
    _INCEPTION("inception_v3", "InceptionV3", 299, 2048, 21_802_784, minimum_size=75),
    _INCEPTION_RESNET("inception_resnet_v2", "InceptionResNetV2", 299, 1536, 54_336_736),
    _XCEPTION("xception", "Xception", 299, 2048, 20_861_480, minimum_size=71),
    _NASNET("nasnet_mobile", "NASNetMobile", 224, 1056, 4_269_716),
    _NASNET("nasnet_large", "NASNetLarge", 331, 4032, 84_916_818, fine_tune_from="normal_7"),
)
# fmt: on
