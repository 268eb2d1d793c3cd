"""What kerastl knows of one backbone."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal

Preprocessing = Literal["tf", "torch", "caffe", "included"]


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A pretrained feature extractor, as data.

    Attributes:
        name: the name in recipes and on the command line, as in ``"mobilenet_v2"``.
        constructor: the function in ``keras.applications`` that builds it.
        image_size: height and width in pixels that the published weights were trained at.
        preprocessing: how pixels in 0..255 are mapped to what the weights expect. ``"tf"``:
            x / 127.5 - 1. ``"torch"``: x / 255, less the ImageNet mean, over its standard
            deviation. ``"caffe"``: BGR order, less the ImageNet mean. ``"included"``: the
            backbone's own graph does it.
        features: channels of the last feature map.
        parameters: number of weights without the classifier.
        stage_pattern: regular expression whose groups, joined by ``_``, name a layer's stage.
        fine_tune_from: the stage from which ``two_phase`` fine-tunes.
        licence: SPDX identifier of the licence of the ImageNet weights.
        paper: where the architecture was published.
        minimum_size: the least height and width in pixels.
        arguments: further arguments of the constructor.
    """

    name: str
    constructor: str
    image_size: int
    preprocessing: Preprocessing
    features: int
    parameters: int
    stage_pattern: str
    fine_tune_from: str
    licence: str
    paper: str
    minimum_size: int = 32
    arguments: Mapping[str, Any] = dataclasses.field(
        default_factory=lambda: types.MappingProxyType({})
    )
