"""Simple features of images."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
# Colours are told apart by the two highest bits of each channel.
_SHIFT = 6
_COLOURS = 4**3
# Every second row and column shows the colours of a photo as well as all of them.
_STEP = 2


def colour_histogram(pixels: Array) -> Array:
    """The square root of the share of pixels of each of 64 colours, float32 ``(64,)``.

    Of square roots the dot product is the Bhattacharyya coefficient: a linear model of them
    compares distributions, in which rare colours count as well.

    Args:
        pixels: uint8 ``(h, w, 3)``.

    References:
        A. Bhattacharyya, On a measure of divergence between two statistical populations, Bulletin
        of the Calcutta Mathematical Society 35 (1943), 99-109.

    >>> red = np.full((2, 2, 3), (255, 0, 0), np.uint8)
    >>> int(colour_histogram(red).argmax()), float(colour_histogram(red).max())
    (48, 1.0)
    """
    red, green, blue = np.moveaxis(pixels[::_STEP, ::_STEP] >> _SHIFT, -1, 0)
    counts = np.bincount((red * 16 + green * 4 + blue).ravel(), minlength=_COLOURS)
    return np.asarray(np.sqrt(counts / counts.sum()), dtype=np.float32)
