"""The label that a SavedModel names itself.

Runs in the export worker, under TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from kerastl.outputs import Output


def label_of(outputs: Mapping[str, Output], values: Mapping[str, Any]) -> dict[str, Any]:
    """``label`` of the one output, where each example gets one of its classes."""
    if len(outputs) > 1:
        return {}
    [(name, output)] = outputs.items()
    if not output.names_one_class:
        return {}
    names = tf.constant(list(output.class_names))
    return {"label": tf.gather(names, tf.argmax(values[name], axis=-1))}
