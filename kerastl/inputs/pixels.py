"""What arrays of pixels may look like: shapes, dtypes and the range 0 to 255."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kerastl.errors import DataError

CHANNELS = (1, 3, 4)
"""Numbers of channels that images may have."""


def check_array(
    array: npt.NDArray[Any],
    *,
    what: str,
    shapes: tuple[str, ...],
    batched: bool = False,
    allow_dark: bool = False,
) -> None:
    """Raises DataError unless an array can be pixels of one image, or of many where ``batched``.

    ``what`` begins the message, which names ``shapes`` as those allowed. ``allow_dark`` accepts
    floats that never exceed 1, because the range is known already.
    """
    rank = array.ndim - int(batched)
    if rank not in (2, 3) or (rank == 3 and array.shape[-1] not in CHANNELS):
        hint = ""
        if rank == 3 and array.shape[-3] in CHANNELS:
            hint = " Channels come last here: transpose the array."
        raise DataError(
            f"{what} must have the shape {' or '.join(shapes)}, channels last. "
            f"Received: {array.shape}.{hint}"
        )
    if 0 in array.shape[int(batched) :]:
        raise DataError(f"{what} has no pixels. Received the shape {array.shape}.")
    if array.dtype == np.uint8 or array.size == 0:
        return
    floating = array.dtype.kind == "f" or array.dtype.name == "bfloat16"
    if not floating and array.dtype.kind not in "iu":
        raise DataError(
            f"{what} must hold pixel values from 0 to 255, as uint8 or floats. "
            f"Received the dtype {array.dtype}."
        )
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError(f"{what} holds NaN or infinite values. Pixel values go from 0 to 255.")
    if low < 0 or high > 255:
        raise DataError(
            f"{what} must hold pixel values from 0 to 255, before any preprocessing: the "
            f"backbone's preprocessing is inside the model. Received values from {low:g} to "
            f"{high:g}."
        )
    if floating and 0 < high <= 1 and not allow_dark:
        raise DataError(
            f"{what} holds floats of at most {high:g}, which look scaled to 0..1. Pixel values of "
            "0..255 are wanted, because the backbone's preprocessing is inside the model. "
            "Multiply by 255."
        )


def round_to_uint8(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Rounds checked pixel values to uint8; no copy where they are uint8 already."""
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind in "iu":
        return array.astype(np.uint8)
    return np.rint(array.astype(np.float32)).astype(np.uint8)


@final
class PixelArray(Sequence[Any]):
    """Images of a checked array, as uint8; a memory map stays on disk."""

    def __init__(self, images: npt.NDArray[Any]) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, i: Any) -> Any:
        return round_to_uint8(self._images[i])
