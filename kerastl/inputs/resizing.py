"""What becomes of an image's aspect ratio where the network's is another."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
from PIL import Image

from kerastl.errors import ConfigurationError

Array = np.ndarray[Any, Any]
Resize: TypeAlias = Literal["stretch", "pad", "crop"]
"""Stretch an image to the network's size, fit it in on grey, or cut off what juts out."""

STRETCH: Final = "stretch"
PAD_LEVEL: Final = 128
"""Red, green and blue of what ``"pad"`` fills up with: about 0 for most networks."""

Box: TypeAlias = tuple[int, int, int, int]
"""Top, left, height and width in pixels."""


def check_resize(resize: Any) -> None:
    """Raises ConfigurationError for what is not one of ``Resize``."""
    if resize not in get_args(Resize):
        raise ConfigurationError(
            f"resize={resize!r}; allowed are {', '.join(map(repr, get_args(Resize)))}."
        )


def crop_box(shape: tuple[int, int], size: tuple[int, int]) -> Box:
    """The centre of an image that has the aspect ratio of a size; both are (height, width)."""
    (height, width), (rows, columns) = shape, size
    kept_width = min(width, max(1, (2 * height * columns + rows) // (2 * rows)))
    kept_height = min(height, max(1, (2 * width * rows + columns) // (2 * columns)))
    if width * rows > height * columns:
        return 0, (width - kept_width) // 2, height, kept_width
    return (height - kept_height) // 2, 0, kept_height, width


def pad_box(shape: tuple[int, int], size: tuple[int, int]) -> Box:
    """Where an image lies within a size into which it is fitted; both are (height, width)."""
    (height, width), (rows, columns) = shape, size
    inner_rows = min(rows, max(1, (2 * height * columns + width) // (2 * width)))
    inner_columns = min(columns, max(1, (2 * width * rows + height) // (2 * height)))
    if width * rows > height * columns:
        return (rows - inner_rows) // 2, 0, inner_rows, columns
    return 0, (columns - inner_columns) // 2, rows, inner_columns


def resized(image: Image.Image, size: tuple[int, int], resize: str = STRETCH) -> Array:
    """An RGB image as pixels uint8 ``(height, width, 3)`` of a size (height, width)."""
    shape = (image.height, image.width)
    bilinear = Image.Resampling.BILINEAR
    if resize == "pad":
        top, left, rows, columns = pad_box(shape, size)
        padded = np.full((*size, 3), PAD_LEVEL, np.uint8)
        inner = np.asarray(image.resize((columns, rows), bilinear))
        padded[top : top + rows, left : left + columns] = inner
        return padded
    if resize == "crop":
        top, left, rows, columns = crop_box(shape, size)
        image = image.crop((left, top, left + columns, top + rows))
    # Unlike asarray, array gives pixels that may be written to.
    return np.array(image.resize(size[::-1], bilinear))
