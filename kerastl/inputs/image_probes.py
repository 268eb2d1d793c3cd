"""What resizing in the graph is proved on, and in which order Pillow filters rows and columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image


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

    A caller's own files may all have the network's size, and would then prove nothing. Half are
    noise, in which wrong filters show most, and half smooth blobs, uint8 ``(h, w, 3)``.
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


def synthetic_images(n: int, size: tuple[int, int], seed: int = 0) -> np.ndarray[Any, Any]:
    """Random images uint8 ``(n, height, width, 3)``: in turn noise, gradients and smooth blobs.

    Pure noise drives a convolutional network to nearly one answer; gradients and blobs add the
    low frequencies that photographs have.
    """
    generator = np.random.default_rng(seed)
    height, width = size
    y, x = np.mgrid[0:height, 0:width]
    y, x = y / max(height - 1, 1), x / max(width - 1, 1)
    images = np.empty((n, height, width, 3), dtype=np.uint8)
    for index in range(n):
        if index % 3 == 0:
            values = generator.uniform(0, 255, (height, width, 3))
        elif index % 3 == 1:
            low, high = generator.uniform(0, 255, (2, 3))
            angle = generator.uniform(0, 2 * np.pi)
            ramp = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5) + 0.5
            values = low + (high - low) * ramp[..., None]
        else:
            values = np.broadcast_to(generator.uniform(0, 255, 3), (height, width, 3)).copy()
            for _ in range(6):
                centre_y, centre_x = generator.uniform(0, 1, 2)
                spread = generator.uniform(0.05, 0.3)
                blob = np.exp(-((y - centre_y) ** 2 + (x - centre_x) ** 2) / (2 * spread**2))
                values += blob[..., None] * generator.uniform(-160, 160, 3)
        images[index] = np.clip(np.rint(values), 0, 255)
    return images
