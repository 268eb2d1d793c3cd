"""The boxes of ``kerastl.inputs.resizing`` inside a TensorFlow graph, for any size of images."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def cropped(image: Any, size: tuple[int, int], resize: str) -> Any:
    """The part of images ``(..., h, w, 3)`` that counts: with ``"crop"`` the centre, else all."""
    if resize != "crop":
        return image
    rows, columns = size
    shape = tf.shape(image)
    height, width = shape[-3], shape[-2]
    kept_width = (2 * height * columns + rows) // (2 * rows)
    kept_height = (2 * width * rows + columns) // (2 * columns)
    wide = width * rows > height * columns
    kept_width = tf.where(wide, tf.minimum(width, tf.maximum(1, kept_width)), width)
    kept_height = tf.where(wide, height, tf.minimum(height, tf.maximum(1, kept_height)))
    top, left = (height - kept_height) // 2, (width - kept_width) // 2
    return image[..., top : top + kept_height, left : left + kept_width, :]


def inner_box(image: Any, size: tuple[int, int], resize: str) -> tuple[Any, Any, Any, Any]:
    """Top, left, height and width of where images lie within a size: all of it, unless padded."""
    rows, columns = size
    if resize != "pad":
        return 0, 0, rows, columns
    shape = tf.shape(image)
    height, width = shape[-3], shape[-2]
    wide = width * rows > height * columns
    inner_rows = (2 * height * columns + width) // (2 * width)
    inner_columns = (2 * width * rows + height) // (2 * height)
    inner_rows = tf.where(wide, tf.minimum(rows, tf.maximum(1, inner_rows)), rows)
    inner_columns = tf.where(wide, columns, tf.minimum(columns, tf.maximum(1, inner_columns)))
    return (rows - inner_rows) // 2, (columns - inner_columns) // 2, inner_rows, inner_columns
