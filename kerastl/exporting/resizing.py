"""What resizing in the graph is proved on, and in which order Pillow filters rows and columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from kerastl.exporting.examples import synthetic_images


def vertical_pass_may_lead() -> bool:
    """Whether the Pillow installed filters columns first where that is cheaper.

    Up to Pillow 12 the horizontal pass always came first; the order shows in the rounding.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (64, 5, 3), dtype=np.uint8)
    image, bilinear = Image.fromarray(pixels), Image.Resampling.BILINEAR
    horizontal_first = image.resize((33, 64), bilinear).resize((33, 7), bilinear)
    return image.resize((33, 7), bilinear).tobytes() != horizontal_first.tobytes()


def probe_images(size: tuple[int, int]) -> list[np.ndarray[Any, Any]]:
    """Images of other sizes than a network's: larger, tall, wide and smaller ones.

    A caller's own files may all have the network's size, and would then prove nothing.

    Args:
        size: the network's ``(height, width)``.

    Returns:
        uint8 ``(h, w, 3)`` each: noise, in which wrong filters show most, and smooth blobs.
    """
    height, width = size
    sizes = (
        (2 * height + 3, 3 * width + 1),
        (5 * height + 1, width + 2),
        (height + 1, 4 * width + 3),
        (height // 2 + 1, width // 3 + 1),
    )
    return [
        image
        for index, other in enumerate(sizes)
        for image in synthetic_images(3, other, seed=index)[::2]
    ]
