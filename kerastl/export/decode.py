"""From an image file to the pixels that a network takes: the rule every runner repeats."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from kerastl.errors import ImageError

Source = str | Path | bytes | np.ndarray[Any, Any]


def decode_image(source: Source, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Decodes an image file to RGB pixels of a given size.

    The EXIF orientation is applied, transparency is flattened onto white, 16-bit greyscale is
    scaled to 8 bits, and the image is stretched to ``size`` by an antialiased bilinear filter.

    Args:
        source: path of a file, the bytes of one, or pixels: uint8 ``(height, width, 3)``.
        size: ``(height, width)`` of the result.

    Returns:
        uint8 ``(height, width, 3)``, 0 to 255.

    Raises:
        ImageError: the file is missing, is no image, or is damaged.
    """
    shown = "the bytes given" if isinstance(source, bytes) else str(source)
    try:
        if isinstance(source, np.ndarray):
            shown = f"an array of dtype {source.dtype} and shape {source.shape}"
            if source.dtype != np.uint8:
                raise ValueError("pixels must be uint8")
            image: Image.Image = Image.fromarray(source)
        else:
            image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        with image:
            pixels = to_rgb(ImageOps.exif_transpose(image))
    except (OSError, UnidentifiedImageError, ValueError, TypeError, SyntaxError) as error:
        raise ImageError(
            f"Cannot decode {shown}: {error}. Pass the path of a readable image file."
        ) from error
    height, width = size
    return np.asarray(pixels.resize((width, height), Image.Resampling.BILINEAR), dtype=np.uint8)


def to_rgb(image: Image.Image) -> Image.Image:
    """Brings any mode of Pillow to RGB: transparency onto white, 16 bits down to 8."""
    if image.mode.startswith("I"):
        # Pillow clips 16-bit values to 255 on conversion; 65535 / 255 is 257.
        deep = np.asarray(image, dtype=np.int64).clip(0, 65535)
        image = Image.fromarray(((deep + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return image.convert("RGB")


def vertical_pass_may_lead() -> bool:
    """Whether the Pillow installed filters columns first where that is cheaper.

    Up to Pillow 12 the horizontal pass always came first; the order shows in the rounding.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (64, 5, 3), dtype=np.uint8)
    image, bilinear = Image.fromarray(pixels), Image.Resampling.BILINEAR
    horizontal_first = image.resize((33, 64), bilinear).resize((33, 7), bilinear)
    return image.resize((33, 7), bilinear).tobytes() != horizontal_first.tobytes()
