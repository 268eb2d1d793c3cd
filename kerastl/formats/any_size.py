"""Resizing inside the graph: an artifact that takes images of any size.

Runs in the export worker, under TensorFlow. Resizing is two matrix products, whose weights are
computed from the shape by operators that every format has; the antialiased resizing operator of
TensorFlow has no counterpart in LiteRT, and none in ONNX by tf2onnx: reported in the thread of
https://github.com/onnx/tensorflow-onnx/pull/2241.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from kerastl.formats.aspect import cropped, inner_box
from kerastl.inputs.image_probes import vertical_pass_may_lead
from kerastl.inputs.resizing import PAD_LEVEL, STRETCH

# Where an image lies along an axis: its size there, where it begins, and its length.
Place = tuple[int, Any, Any]


def resize(images: Any, height: int, width: int, aspect: str = STRETCH) -> Any:
    """Resizes as training does: bilinear, antialiased, rounded to whole levels.

    Pillow does the same in fixed point, and from version 13 on columns first where that is cheaper;
    so does the graph, if this machine's Pillow does. Results differ by a level where a value lies
    near the edge between two, and by two where that happens in both passes. Images that have the
    size already are not changed at all. Images are float32 ``(n, h, w, 3)``, whole numbers from 0
    to 255, before and after. ``aspect`` is one of ``kerastl.inputs.resizing.Resize``.
    """
    images = cropped(images, (height, width), aspect)
    top, left, rows, columns = inner_box(images, (height, width), aspect)
    vertical, horizontal = (height, top, rows), (width, left, columns)
    resized = _along_rows(_along_columns(images, horizontal), vertical)
    if vertical_pass_may_lead():
        shape = tf.shape(images)
        # Both orders, since not every format can branch.
        removed = shape[1] - rows
        rows_first = tf.logical_and(removed > 0, removed > 2 * (shape[2] - columns))
        other = _along_columns(_along_rows(images, vertical), horizontal)
        resized = tf.where(rows_first, other, resized)
    if aspect != "pad":
        return resized
    inside = tf.logical_and(_inside(vertical)[:, None], _inside(horizontal)[None, :])
    return tf.where(inside[None, :, :, None], resized, float(PAD_LEVEL))


def _inside(place: Place) -> Any:
    size, start, length = place
    positions = tf.range(size)
    return tf.logical_and(positions >= start, positions < start + length)


def _along_columns(images: Any, place: Place) -> Any:
    turned = tf.transpose(images, (0, 2, 1, 3))
    return tf.transpose(_along_rows(turned, place), (0, 2, 1, 3))


def _along_rows(images: Any, place: Place) -> Any:
    shape = tf.shape(images)
    count, rows, columns = shape[0], shape[1], shape[2]
    samples = tf.reshape(images, (count, rows, columns * 3))
    resized = tf.floor(tf.matmul(_weights(rows, place), samples) + 0.5)
    return tf.reshape(resized, (count, place[0], columns, 3))


def _weights(length: Any, place: Place) -> Any:
    """The triangle filter from ``length`` samples to a place: float32 ``(size, length)``."""
    size, start, inner = place
    samples, wanted = tf.cast(length, tf.float32), tf.cast(inner, tf.float32)
    scale = samples / wanted
    support = tf.maximum(scale, 1.0)
    # Centres as numbers of half samples: exact, where a product with the scale would not be.
    halves = 2.0 * tf.cast(tf.range(size) - start, tf.float32) + 1.0
    # Outside of the place there is nothing to filter; what is computed there does not count.
    halves = tf.clip_by_value(halves, 1.0, 2.0 * wanted - 1.0)
    centers = halves[:, None] * samples / (2.0 * wanted)
    positions = tf.cast(tf.range(length), tf.float32)[None, :] + 0.5
    weights = tf.maximum(1.0 - tf.abs(positions - centers) / support, 0.0)
    return weights / tf.reduce_sum(weights, axis=1, keepdims=True)
