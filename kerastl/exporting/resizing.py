"""In which order the Pillow installed filters rows and columns."""

from __future__ import annotations

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
