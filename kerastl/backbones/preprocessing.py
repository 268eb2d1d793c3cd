"""Pixels in 0..255 to what a backbone's weights expect, as stock Keras layers in the graph.

Stock layers, so that the saved network loads in plain Keras, and so that no caller can forget
or double the mapping. Figures: ``keras.applications.imagenet_utils.preprocess_input``.
"""

from __future__ import annotations

from typing import Any

import keras

from kerastl.backbones.record import Preprocessing

NAME = "preprocessing"
_TORCH_MEAN = (0.485, 0.456, 0.406)
_TORCH_DEVIATION = (0.229, 0.224, 0.225)
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)


def apply_preprocessing(image: Any, mode: Preprocessing) -> Any:
    """Maps an image tensor to a backbone's own range and channel order.

    Args:
        image: float KerasTensor (n, height, width, 3), RGB, values in 0..255.
        mode: see ``Backbone.preprocessing``.

    Returns:
        A KerasTensor of the same shape; ``image`` itself where the backbone does it.
    """
    if mode == "included":
        return image
    if mode == "tf":
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name=NAME)(image)
    if mode == "torch":
        scale = [1 / (255 * deviation) for deviation in _TORCH_DEVIATION]
        offset = [-m / d for m, d in zip(_TORCH_MEAN, _TORCH_DEVIATION, strict=True)]
        return keras.layers.Rescaling(scale, offset=offset, name=NAME)(image)
    bgr = keras.ops.take(image, [2, 1, 0], axis=-1)
    return keras.layers.Rescaling(1.0, offset=[-mean for mean in _CAFFE_MEAN_BGR], name=NAME)(bgr)


def describe(mode: Preprocessing) -> str:
    """One line for model cards and manifests."""
    return {
        "tf": "x / 127.5 - 1",
        "torch": "(x / 255 - mean) / std, ImageNet mean and std",
        "caffe": "RGB to BGR, minus the ImageNet mean",
        "included": "inside the backbone",
    }[mode]
