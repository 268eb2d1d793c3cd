"""The backbones of ``keras.applications``: one record each, and narrow MobileNets."""

from __future__ import annotations

from kerastl.backbones.record import ARXIV, Backbone

_APACHE = "Apache-2.0"
_MIT = "MIT"
_BSD = "BSD-3-Clause"
_CC_BY = "CC-BY-4.0"

_MOBILENET = r"(conv)_(?:pad|dw|pw)_(\d+)"
_MOBILENET_V2 = r"(block_\d+)_"
_MOBILENET_V3 = r"(expanded_conv(?:_\d+)?)_(?:expand|depthwise|squeeze|project|add)"
_EFFICIENTNET = r"(block\d)[a-z]_"
_RESNET = r"(conv\d)_block"
_CONVNEXT = r"convnext_[a-z]+_(stage_\d)_block"
_VGG = r"(block\d)_"
_XCEPTION = r"(block\d+)_"
_INCEPTION = r"(mixed\d+)"
_INCEPTION_RESNET = r"(mixed_\d[a-z]|block35|block17|block8)"
_NASNET = r"(?:.*_)?(normal|reduction)_(?:.*?_)??((?:(?:stem|reduce)_)?\d+)$"


# fine_tune_from is the first stage that works at 1/16 of the input's resolution: what comes
# before it (edges, textures) transfers as it is, and would cost most of the time of a step.
# fmt: off
APPLICATIONS = (
    Backbone("mobilenet", "MobileNet", 224, "tf", 1024, 3_228_864,
            _MOBILENET, "conv_6", _APACHE, ARXIV + "1704.04861"),
    Backbone("mobilenet_0.75", "MobileNet", 192, "tf", 768, 1_832_976,
            _MOBILENET, "conv_6", _APACHE, ARXIV + "1704.04861", arguments={"alpha": 0.75}),
    Backbone("mobilenet_0.5", "MobileNet", 160, "tf", 512, 829_536,
            _MOBILENET, "conv_6", _APACHE, ARXIV + "1704.04861", arguments={"alpha": 0.5}),
    Backbone("mobilenet_0.25", "MobileNet", 128, "tf", 256, 218_544,
            _MOBILENET, "conv_6", _APACHE, ARXIV + "1704.04861", arguments={"alpha": 0.25}),
    Backbone("mobilenet_v2", "MobileNetV2", 224, "tf", 1280, 2_257_984,
            _MOBILENET_V2, "block_6", _APACHE, ARXIV + "1801.04381"),
    Backbone("mobilenet_v3_small", "MobileNetV3Small", 224, "included", 576, 939_120,
            _MOBILENET_V3, "expanded_conv_3", _APACHE, ARXIV + "1905.02244"),
    Backbone("mobilenet_v3_large", "MobileNetV3Large", 224, "included", 960, 2_996_352,
            _MOBILENET_V3, "expanded_conv_6", _APACHE, ARXIV + "1905.02244"),
    Backbone("efficientnet_b0", "EfficientNetB0", 224, "included", 1280, 4_049_571,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "1905.11946"),
    Backbone("efficientnet_b1", "EfficientNetB1", 240, "included", 1280, 6_575_239,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "1905.11946"),
    Backbone("efficientnet_b2", "EfficientNetB2", 260, "included", 1408, 7_768_569,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "1905.11946"),
    Backbone("efficientnet_b3", "EfficientNetB3", 300, "included", 1536, 10_783_535,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "1905.11946"),
    Backbone("efficientnet_b4", "EfficientNetB4", 380, "included", 1792, 17_673_823,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "1905.11946"),
    Backbone("efficientnet_b5", "EfficientNetB5", 456, "included", 2048, 28_513_527,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "1905.11946"),
    Backbone("efficientnet_b6", "EfficientNetB6", 528, "included", 2304, 40_960_143,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "1905.11946"),
    Backbone("efficientnet_b7", "EfficientNetB7", 600, "included", 2560, 64_097_687,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "1905.11946"),
    Backbone("efficientnet_v2_b0", "EfficientNetV2B0", 224, "included", 1280, 5_919_312,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "2104.00298"),
    Backbone("efficientnet_v2_b1", "EfficientNetV2B1", 240, "included", 1280, 6_931_124,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "2104.00298"),
    Backbone("efficientnet_v2_b2", "EfficientNetV2B2", 260, "included", 1408, 8_769_374,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "2104.00298"),
    Backbone("efficientnet_v2_b3", "EfficientNetV2B3", 300, "included", 1536, 12_930_622,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "2104.00298"),
    Backbone("efficientnet_v2_s", "EfficientNetV2S", 384, "included", 1280, 20_331_360,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "2104.00298"),
    Backbone("efficientnet_v2_m", "EfficientNetV2M", 480, "included", 1280, 53_150_388,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "2104.00298"),
    Backbone("efficientnet_v2_l", "EfficientNetV2L", 480, "included", 1280, 117_746_848,
            _EFFICIENTNET, "block4", _APACHE, ARXIV + "2104.00298"),
    Backbone("resnet50", "ResNet50", 224, "caffe", 2048, 23_587_712,
            _RESNET, "conv4", _MIT, ARXIV + "1512.03385"),
    Backbone("resnet101", "ResNet101", 224, "caffe", 2048, 42_658_176,
            _RESNET, "conv4", _MIT, ARXIV + "1512.03385"),
    Backbone("resnet152", "ResNet152", 224, "caffe", 2048, 58_370_944,
            _RESNET, "conv4", _MIT, ARXIV + "1512.03385"),
    Backbone("resnet50_v2", "ResNet50V2", 224, "tf", 2048, 23_564_800,
            _RESNET, "conv4", _MIT, ARXIV + "1603.05027"),
    Backbone("resnet101_v2", "ResNet101V2", 224, "tf", 2048, 42_626_560,
            _RESNET, "conv4", _MIT, ARXIV + "1603.05027"),
    Backbone("resnet152_v2", "ResNet152V2", 224, "tf", 2048, 58_331_648,
            _RESNET, "conv4", _MIT, ARXIV + "1603.05027"),
    Backbone("densenet121", "DenseNet121", 224, "torch", 1024, 7_037_504,
            _RESNET, "conv4", _BSD, ARXIV + "1608.06993"),
    Backbone("densenet169", "DenseNet169", 224, "torch", 1664, 12_642_880,
            _RESNET, "conv4", _BSD, ARXIV + "1608.06993"),
    Backbone("densenet201", "DenseNet201", 224, "torch", 1920, 18_321_984,
            _RESNET, "conv4", _BSD, ARXIV + "1608.06993"),
    Backbone("convnext_tiny", "ConvNeXtTiny", 224, "included", 768, 27_820_128,
            _CONVNEXT, "stage_2", _APACHE, ARXIV + "2201.03545"),
    Backbone("convnext_small", "ConvNeXtSmall", 224, "included", 768, 49_454_688,
            _CONVNEXT, "stage_2", _APACHE, ARXIV + "2201.03545"),
    Backbone("convnext_base", "ConvNeXtBase", 224, "included", 1024, 87_566_464,
            _CONVNEXT, "stage_2", _APACHE, ARXIV + "2201.03545"),
    Backbone("convnext_large", "ConvNeXtLarge", 224, "included", 1536, 196_230_336,
            _CONVNEXT, "stage_2", _APACHE, ARXIV + "2201.03545"),
    Backbone("convnext_xlarge", "ConvNeXtXLarge", 224, "included", 2048, 348_147_968,
            _CONVNEXT, "stage_2", _APACHE, ARXIV + "2201.03545"),
    Backbone("vgg16", "VGG16", 224, "caffe", 512, 14_714_688,
            _VGG, "block5", _CC_BY, ARXIV + "1409.1556"),
    Backbone("vgg19", "VGG19", 224, "caffe", 512, 20_024_384,
            _VGG, "block5", _CC_BY, ARXIV + "1409.1556"),
    Backbone("inception_v3", "InceptionV3", 299, "tf", 2048, 21_802_784,
            _INCEPTION, "mixed3", _APACHE, ARXIV + "1512.00567", minimum_size=75),
    Backbone("inception_resnet_v2", "InceptionResNetV2", 299, "tf", 1536, 54_336_736,
            _INCEPTION_RESNET, "mixed_6a", _APACHE, ARXIV + "1602.07261", minimum_size=75),
    Backbone("xception", "Xception", 299, "tf", 2048, 20_861_480,
            _XCEPTION, "block4", _MIT, ARXIV + "1610.02357", minimum_size=71),
    Backbone("nasnet_mobile", "NASNetMobile", 224, "tf", 1056, 4_269_716,
            _NASNET, "normal_5", _APACHE, ARXIV + "1707.07012"),
    Backbone("nasnet_large", "NASNetLarge", 331, "tf", 4032, 84_916_818,
            _NASNET, "normal_7", _APACHE, ARXIV + "1707.07012"),
)
# fmt: on
