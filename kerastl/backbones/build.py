"""Building a backbone: input, preprocessing and pretrained weights in one graph."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import keras

from kerastl.backbones.preprocessing import apply_preprocessing
from kerastl.backbones.record import Backbone
from kerastl.backbones.weights import (
    IMAGENET,
    NONE,
    OTHER_WAYS,
    WeightsSource,
    arrays_sha256,
    first_line,
    load_weights,
)
from kerastl.errors import ConfigurationError, WeightsError

INPUT = "image"


@dataclasses.dataclass(frozen=True)
class BuiltBackbone:
    """A backbone with its weights.

    Attributes:
        model: Functional model from ``"image"`` (n, height, width, 3), float32 RGB pixels in
            0..255, to the last feature map (n, height', width', features).
        weights_sha256: of the weights file, or of the arrays where Keras downloaded them; None
            for random weights.
    """

    model: keras.Model
    weights_sha256: str | None


def build_backbone(
    record: Backbone, source: WeightsSource, image_size: tuple[int, int]
) -> BuiltBackbone:
    """Builds a backbone.

    Args:
        record: which backbone.
        source: which weights (see ``find_weights``).
        image_size: height and width in pixels.

    Raises:
        ConfigurationError: the image size is under the backbone's least.
        WeightsError: the weights cannot be reached, or do not fit.
    """
    if min(image_size) < record.minimum_size:
        raise ConfigurationError(
            f"image_size={image_size} is too small: {record.name} needs at least "
            f"{record.minimum_size} x {record.minimum_size} pixels."
        )
    image = keras.Input((*image_size, 3), name=INPUT, dtype="float32")
    model = _construct(record, image, IMAGENET if source.kind == IMAGENET else None)
    if source.kind == NONE:
        return BuiltBackbone(model, None)
    if source.kind == IMAGENET:
        return BuiltBackbone(model, arrays_sha256(model))
    return BuiltBackbone(model, load_weights(model, source, backbone=record.name))


def _construct(record: Backbone, image: Any, weights: str | None) -> keras.Model:
    constructor = getattr(keras.applications, record.constructor)
    try:
        with warnings.catch_warnings():
            # Sizes other than the published ones are what this is for: the features transfer.
            warnings.filterwarnings("ignore", message=".*input_shape.* is undefined or non-square")
            return constructor(
                include_top=False,
                weights=weights,
                input_tensor=apply_preprocessing(image, record.preprocessing),
                **record.arguments,
            )
    except Exception as error:
        if weights is None:
            raise
        # Keras raises a bare Exception for a failed download.
        reason = first_line(error).rstrip(".")
        raise WeightsError(
            f"The ImageNet weights of {record.name} could not be downloaded: {reason}. "
            f"Check the network connection. {OTHER_WAYS}"
        ) from error
