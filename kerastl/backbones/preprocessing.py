"""Pixels in 0..255 to what a backbone's weights expect, as stock Keras layers in the graph.

Stock layers, so that the saved network loads in plain Keras, and so that no caller can forget
or double the mapping. Figures: ``keras.applications.imagenet_utils.preprocess_input``, and the
configurations of the weights that KerasHub's image converters are made from.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from kerastl.backbones.record import Preprocessing

NAME = "preprocessing"
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
# Means and deviations of red, green and blue on a scale of 0 to 1.
_STATISTICS = {
    "torch": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}


@dataclasses.dataclass(frozen=True)
class Scaling:
    """x * scale + offset, as a directory of weights gives it; tuples are of red, green and blue."""

    scale: float | tuple[float, ...]
    offset: float | tuple[float, ...]


def from_statistics(
    mean: tuple[float, ...], deviation: tuple[float, ...], unit: float = 1 / 255
) -> Scaling:
    """(x * unit - mean) / deviation."""
    return Scaling(
        tuple(unit / d for d in deviation),
        tuple(-m / d for m, d in zip(mean, deviation, strict=True)),
    )


def apply_preprocessing(image: Any, mode: Preprocessing | Scaling) -> Any:
    """Maps an image tensor (n, height, width, 3), RGB in 0..255, to a backbone's own range.

    It keeps its shape; where the backbone does the mapping it is returned as it is.
    """
    if mode == "included":
        return image
    if mode == "tf":
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name=NAME)(image)
    if mode == "unit":
        return keras.layers.Rescaling(1 / 255, name=NAME)(image)
    if mode == "caffe":
        bgr = keras.ops.take(image, [2, 1, 0], axis=-1)
        shift = [-mean for mean in _CAFFE_MEAN_BGR]
        return keras.layers.Rescaling(1.0, offset=shift, name=NAME)(bgr)
    scaling = mode if isinstance(mode, Scaling) else from_statistics(*_STATISTICS[mode])
    scale, offset = _listed(scaling.scale), _listed(scaling.offset)
    return keras.layers.Rescaling(scale, offset=offset, name=NAME)(image)


def _listed(value: float | tuple[float, ...]) -> float | list[float]:
    return list(value) if isinstance(value, tuple) else value


def describe(mode: Preprocessing | Scaling) -> str:
    """One line for model cards and manifests."""
    if isinstance(mode, Scaling):
        return f"x * {mode.scale} + {mode.offset}, as given with the weights"
    return {
        "tf": "x / 127.5 - 1",
        "torch": "(x / 255 - mean) / std, ImageNet mean and std",
        "clip": "(x / 255 - mean) / std, mean and std of CLIP",
        "unit": "x / 255",
        "caffe": "RGB to BGR, minus the ImageNet mean",
        "included": "inside the backbone",
    }[mode]
