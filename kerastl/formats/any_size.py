"""Resizing inside the graph: an artifact that takes images of any size.

Runs in the export worker, under TensorFlow. Resizing is two matrix products, whose weights are
computed from the shape by operators that every format has; the antialiased resizing operator of
TensorFlow has no counterpart in LiteRT, and none in ONNX by tf2onnx: reported in the thread of
https://github.com/onnx/tensorflow-onnx/pull/2241.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from kerastl.inputs.image_probes import vertical_pass_may_lead


def resize(images: Any, height: int, width: int) -> Any:
    """Resizes as training does: bilinear, antialiased, stretched, rounded to whole levels.

    Pillow does the same in fixed point, and from version 13 on columns first where that is cheaper;
    so does the graph, if this machine's Pillow does. Results differ by at most one level, where a
    value lies near the edge between two. Images that have the size already are not changed at all.
    Images are float32 ``(n, h, w, 3)``, whole numbers from 0 to 255, before and after.
    """
    columns_first = _along_rows(_along_columns(images, width), height)
    if not vertical_pass_may_lead():
        return columns_first
    shape = tf.shape(images)
    # Both orders, since not every format can branch.
    removed = shape[1] - height
    rows_first = tf.logical_and(removed > 0, removed > 2 * (shape[2] - width))
    return tf.where(rows_first, _along_columns(_along_rows(images, height), width), columns_first)


def _along_columns(images: Any, width: int) -> Any:
    turned = tf.transpose(images, (0, 2, 1, 3))
    return tf.transpose(_along_rows(turned, width), (0, 2, 1, 3))


def _along_rows(images: Any, height: int) -> Any:
    shape = tf.shape(images)
    count, rows, columns = shape[0], shape[1], shape[2]
    samples = tf.reshape(images, (count, rows, columns * 3))
    resized = tf.floor(tf.matmul(_weights(rows, height), samples) + 0.5)
    return tf.reshape(resized, (count, height, columns, 3))


def _weights(length: Any, size: int) -> Any:
    """The triangle filter from ``length`` samples to ``size``: float32 ``(size, length)``."""
    samples = tf.cast(length, tf.float32)
    scale = samples / float(size)
    support = tf.maximum(scale, 1.0)
    # Centres as numbers of half samples: exact, where a product with the scale would not be.
    centers = (2.0 * tf.range(size, dtype=tf.float32) + 1.0)[:, None] * samples / (2.0 * size)
    positions = tf.cast(tf.range(length), tf.float32)[None, :] + 0.5
    weights = tf.maximum(1.0 - tf.abs(positions - centers) / support, 0.0)
    return weights / tf.reduce_sum(weights, axis=1, keepdims=True)
