"""The backbones that have a name: one record each."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

from kerastl.backbones.record import Backbone, Preprocessing
from kerastl.errors import ConfigurationError, did_you_mean

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
_NASNET = r"(?:.*_)?(normal|reduction)_(?:.*?_)??((?:(?:stem|reduce)_)?\d+)$"


def _record(
    name: str,
    constructor: str,
    size: int,
    preprocessing: Preprocessing,
    features: int,
    parameters: int,
    stages: str,
    fine_tune_from: str,
    licence: str,
    paper: str,
    minimum_size: int = 32,
    arguments: Mapping[str, Any] | None = None,
) -> Backbone:
    return Backbone(
        name=name,
        constructor=constructor,
        image_size=size,
        preprocessing=preprocessing,
        features=features,
        parameters=parameters,
        stage_pattern=stages,
        fine_tune_from=fine_tune_from,
        licence=licence,
        paper=f"https://arxiv.org/abs/{paper}",
        minimum_size=minimum_size,
        arguments=types.MappingProxyType(dict(arguments or {})),
    )


# fine_tune_from is the first stage that works at 1/16 of the input's resolution: what comes
# before it (edges, textures) transfers as it is, and would cost most of the time of a step.
# fmt: off
_RECORDS = (
    _record("mobilenet", "MobileNet", 224, "tf", 1024, 3_228_864,
            _MOBILENET, "conv_6", _APACHE, "1704.04861"),
    _record("mobilenet_0.75", "MobileNet", 192, "tf", 768, 1_832_976,
            _MOBILENET, "conv_6", _APACHE, "1704.04861", arguments={"alpha": 0.75}),
    _record("mobilenet_0.5", "MobileNet", 160, "tf", 512, 829_536,
            _MOBILENET, "conv_6", _APACHE, "1704.04861", arguments={"alpha": 0.5}),
    _record("mobilenet_0.25", "MobileNet", 128, "tf", 256, 218_544,
            _MOBILENET, "conv_6", _APACHE, "1704.04861", arguments={"alpha": 0.25}),
    _record("mobilenet_v2", "MobileNetV2", 224, "tf", 1280, 2_257_984,
            _MOBILENET_V2, "block_6", _APACHE, "1801.04381"),
    _record("mobilenet_v3_small", "MobileNetV3Small", 224, "included", 576, 939_120,
            _MOBILENET_V3, "expanded_conv_3", _APACHE, "1905.02244"),
    _record("mobilenet_v3_large", "MobileNetV3Large", 224, "included", 960, 2_996_352,
            _MOBILENET_V3, "expanded_conv_6", _APACHE, "1905.02244"),
    _record("efficientnet_b0", "EfficientNetB0", 224, "included", 1280, 4_049_571,
            _EFFICIENTNET, "block4", _APACHE, "1905.11946"),
    _record("efficientnet_v2_b0", "EfficientNetV2B0", 224, "included", 1280, 5_919_312,
            _EFFICIENTNET, "block4", _APACHE, "2104.00298"),
    _record("resnet50", "ResNet50", 224, "caffe", 2048, 23_587_712,
            _RESNET, "conv4", _MIT, "1512.03385"),
    _record("resnet50_v2", "ResNet50V2", 224, "tf", 2048, 23_564_800,
            _RESNET, "conv4", _MIT, "1603.05027"),
    _record("densenet121", "DenseNet121", 224, "torch", 1024, 7_037_504,
            _RESNET, "conv4", _BSD, "1608.06993"),
    _record("convnext_tiny", "ConvNeXtTiny", 224, "included", 768, 27_820_128,
            _CONVNEXT, "stage_2", _APACHE, "2201.03545"),
    _record("vgg16", "VGG16", 224, "caffe", 512, 14_714_688,
            _VGG, "block5", _CC_BY, "1409.1556"),
    _record("inception_v3", "InceptionV3", 299, "tf", 2048, 21_802_784,
            _INCEPTION, "mixed3", _APACHE, "1512.00567", minimum_size=75),
    _record("xception", "Xception", 299, "tf", 2048, 20_861_480,
            _XCEPTION, "block4", _MIT, "1610.02357", minimum_size=71),
    _record("nasnet_mobile", "NASNetMobile", 224, "tf", 1056, 4_269_716,
            _NASNET, "normal_5", _APACHE, "1707.07012"),
)
# fmt: on
_BY_NAME: Mapping[str, Backbone] = types.MappingProxyType(
    {record.name: record for record in _RECORDS}
)


def list_backbones() -> tuple[Backbone, ...]:
    """All named backbones, in the order of the registry."""
    return _RECORDS


def get_backbone(name: str) -> Backbone:
    """Looks a backbone up by its name.

    Raises:
        ConfigurationError: there is none of that name; near misses are suggested.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    raise ConfigurationError(
        f"There is no backbone {name!r}.{did_you_mean(name, _BY_NAME)} "
        f"The names are: {', '.join(_BY_NAME)}."
    )


def split_name(text: str) -> tuple[str, str | None]:
    """Splits ``NAME@WEIGHTS`` into its two parts; the second is None where there is no ``@``."""
    if not isinstance(text, str):
        raise ConfigurationError(f"backbone={text!r}; give a name, as in 'mobilenet_v2'.")
    name, separator, weights = text.partition("@")
    return name, weights if separator else None
