"""What a part of a model computes, as a hash."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import keras
import numpy as np

from kerastl.graph.cuts import Cut, nodes_of
from kerastl.graph.opening import config_of


def prefix_sha256(model: keras.Model, cut: Cut) -> str:
    """SHA-256 of what a model computes up to a cut: its operations, their settings, weights.

    Names do not count: Keras numbers layers in the order in which a process makes them.
    """
    digest = hashlib.sha256()
    producers: dict[int, int] = {}
    for position, node in enumerate(nodes_of(model)[: cut.position + 1]):
        operation = node.operation
        for tensor in node.outputs:
            producers[id(tensor)] = position
        config: dict[str, Any] = {}
        if isinstance(operation, keras.layers.Layer):
            config = _without_names(config_of(operation))
        inputs = [producers.get(id(tensor), -1) for tensor in node.input_tensors]
        # Tensors have names that count what a process made before; lists may be read as tuples.
        given = keras.tree.flatten([node.arguments.args, node.arguments.kwargs])
        constants = [repr(item) for item in given if not isinstance(item, keras.KerasTensor)]
        record = [type(operation).__name__, inputs, config, constants]
        digest.update(json.dumps(record, sort_keys=True, default=repr).encode())
        for weight in getattr(operation, "weights", ()):
            value = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
            digest.update(f"{value.dtype.str}{value.shape}".encode())
            digest.update(value.tobytes())
    return digest.hexdigest()


def _without_names(value: Any) -> Any:
    """Settings without names, at any depth: layers may hold the settings of layers."""
    if isinstance(value, dict):
        if str(value.get("class_name")).endswith("DTypePolicy"):
            # Its name is what it is.
            return value
        return {
            key: _without_names(item)
            for key, item in value.items()
            if key not in ("name", "trainable", "build_config", "shared_object_id")
        }
    if isinstance(value, (list, tuple)):
        return [_without_names(item) for item in value]
    return value
