"""Small pictures of images, for pages."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image

from kerastl.inputs.images import ImageSource, decode_full_size

SIDE: Final = 96
_QUALITY: Final = 60


def thumbnail(source: ImageSource) -> bytes:
    """An image as WebP of at most 96 pixels a side, its shape kept; raises ImageError."""
    image = Image.fromarray(decode_full_size(source))
    image.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=_QUALITY)
    return buffer.getvalue()
