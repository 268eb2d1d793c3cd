"""Building a backbone: input, preprocessing and pretrained weights in one graph."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import keras

from kerastl.backbones import presets
from kerastl.backbones.preprocessing import Scaling, apply_preprocessing, describe
from kerastl.backbones.record import Backbone, Preprocessing
from kerastl.backbones.run_weights import check_run, fill_from_run
from kerastl.backbones.weights import (
    IMAGENET,
    NONE,
    OTHER_WAYS,
    PRESET,
    RUN,
    WeightsSource,
    arrays_sha256,
    first_line,
    load_weights,
)
from kerastl.errors import ConfigurationError, WeightsError
from kerastl.graph import POOLING_LAYER

INPUT = "image"


@dataclasses.dataclass(frozen=True)
class BuiltBackbone:
    """A backbone with its weights.

    Attributes:
        model: Functional model from ``"image"`` (n, height, width, 3), float32 RGB pixels in
            0..255, to the last feature map (n, height', width', features), to tokens
            (n, tokens, features), or to one vector (n, features): see ``Backbone.pooling``.
        weights_sha256: of the weights file or directory, or of the arrays where they were
            downloaded; None for random weights.
        preprocessing: what is in the graph: the record's, or what came with the weights.
    """

    model: keras.Model
    weights_sha256: str | None
    preprocessing: Preprocessing | Scaling


def build_backbone(
    record: Backbone, source: WeightsSource, image_size: tuple[int, int]
) -> BuiltBackbone:
    """Builds a backbone for images of a height and width in pixels.

    Raises:
        ConfigurationError: the backbone cannot be built at that image size.
        WeightsError: the weights cannot be reached, or do not fit.
        MissingExtraError: KerasHub is not installed, and the backbone needs it.
    """
    _check_size(record, source, image_size)
    if source.origin == RUN:
        check_run(source, record.name)
        built = build_backbone(record, WeightsSource(NONE), image_size)
        sha256 = fill_from_run(built.model, source, describe(built.preprocessing))
        return dataclasses.replace(built, weights_sha256=sha256)
    if record.source == "keras_hub":
        return _build_hub(record, source, image_size)
    if source.origin == PRESET:
        raise WeightsError(
            f"weights={source.name!r} is a KerasHub preset, a Hugging Face or a timm directory, "
            f"and {record.name} of keras.applications takes files. {OTHER_WAYS}"
        )
    image = keras.Input((*image_size, 3), name=INPUT, dtype="float32")
    model = _construct(record, image, IMAGENET if source.origin == IMAGENET else None)
    if source.origin == NONE:
        sha256 = None
    elif source.origin == IMAGENET:
        sha256 = arrays_sha256(model)
    else:
        sha256 = load_weights(model, source, backbone=record.name)
    return BuiltBackbone(model, sha256, record.preprocessing)


def _check_size(record: Backbone, source: WeightsSource, image_size: tuple[int, int]) -> None:
    height, width = image_size
    if min(image_size) < record.minimum_size:
        raise ConfigurationError(
            f"image_size={image_size} is too small: {record.name} needs at least "
            f"{record.minimum_size} x {record.minimum_size} pixels."
        )
    if record.square and height != width:
        raise ConfigurationError(
            f"image_size={image_size}: {record.name} takes square images only, as in "
            f"image_size={record.image_size}."
        )
    if height % record.size_step or width % record.size_step:
        near = [side - side % record.size_step for side in image_size]
        raise ConfigurationError(
            f"image_size={image_size}: height and width must be multiples of {record.size_step} "
            f"pixels for {record.name}, as in {tuple(near)}."
        )
    own = record.image_size
    if record.fixed_size and source.origin != NONE and image_size != (own, own):
        raise ConfigurationError(
            f"image_size={image_size}: the position embeddings of {record.name} were trained at "
            f"{own} x {own} pixels and fit no other size. Leave image_size out, or train from "
            "random weights (weights=None)."
        )


def _build_hub(
    record: Backbone, source: WeightsSource, image_size: tuple[int, int]
) -> BuiltBackbone:
    loaded = presets.load(record, source, image_size)
    image = keras.Input((*image_size, 3), name=INPUT, dtype="float32")
    x = apply_preprocessing(image, loaded.preprocessing)
    names = list(loaded.backbone.input) if isinstance(loaded.backbone.input, dict) else []
    x = loaded.backbone({names[0]: x} if names else x)
    if record.output is not None:
        x = x[record.output]
    if record.pooling == "class_token":
        # Stock layers rather than x[:, 0], so that the result has a name of its own.
        x = keras.layers.Cropping1D((0, x.shape[1] - 1), name="class_token")(x)
        x = keras.layers.Flatten(name=POOLING_LAYER)(x)
    elif record.pooling == "none":
        x = keras.layers.Identity(name=POOLING_LAYER)(x)
    return BuiltBackbone(keras.Model(image, x), loaded.sha256, loaded.preprocessing)


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
