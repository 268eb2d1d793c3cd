"""Passes over TensorFlow graphs on their way to other formats.

``make upstream`` prints which of them upstream still needs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Smaller ones are no burden, and may be what a converter wants to know the value of.
LARGE = 1 << 14
_PASSED_ON = ("Identity", "Reshape", "Transpose")
# An operator's inputs that are taken as they are, whether or not they are known beforehand.
_WEIGHTS_OF = {
    "Conv2D": (1,),
    "DepthwiseConv2dNative": (1,),
    "MatMul": (0, 1),
    "BatchMatMulV2": (0, 1),
    "Einsum": (0, 1),
    "GatherV2": (0,),
}


def take_weights(graph: Any) -> dict[str, Array]:
    """Turns large weights of a ``GraphDef`` into placeholders, so that no pass copies them.

    tf2onnx holds every weight many times over: about 30 times the size of a ResNet101, so that the
    largest networks do not fit into memory. What it makes of a graph asks for no weight's value.
    Returns the weights, float32, by the names of the placeholders.
    """
    import tensorflow as tf

    users: dict[str, list[tuple[Any, int]]] = {}
    for node in graph.node:
        for position, source in enumerate(node.input):
            users.setdefault(source.removesuffix(":0"), []).append((node, position))
    taken = {}
    for node in graph.node:
        if node.op != "Const" or node.attr["dtype"].type != tf.float32.as_datatype_enum:
            continue
        tensor = node.attr["value"].tensor
        shape = [dim.size for dim in tensor.tensor_shape.dim]
        if int(np.prod(shape)) < LARGE or not _is_weight(node.name, users):
            continue
        taken[node.name] = tf.make_ndarray(tensor)
        node.op = "Placeholder"
        node.attr["shape"].shape.CopyFrom(tensor.tensor_shape)
        del node.attr["value"]
    return taken


def _is_weight(name: str, users: dict[str, list[tuple[Any, int]]]) -> bool:
    """Whether all that a tensor goes into are operators' weights."""
    found = users.get(name, [])
    return bool(found) and all(
        _is_weight(node.name, users)
        if node.op in _PASSED_ON and position == 0
        else position in _WEIGHTS_OF.get(node.op, ())
        for node, position in found
    )


def replace_erfc(graph: Any) -> int:
    """Writes the ``Erfc`` nodes of a ``GraphDef``, of which exact GELU is made, as 1 - Erf.

    ONNX has only Erf, and tf2onnx maps nothing else to it since TensorFlow's GELU turned to Erfc:
    https://github.com/onnx/tensorflow-onnx/issues/2347, and the pull request
    https://github.com/onnx/tensorflow-onnx/pull/2463, which is open. Bodies of loops and branches
    are left alone. Returns how many nodes were replaced.
    """
    nodes = [node for node in graph.node if node.op == "Erfc"]
    for node in nodes:
        source, kind = node.input[0], node.attr["T"]
        erf = graph.node.add(name=f"{node.name}/erf", op="Erf", input=[source], device=node.device)
        erf.attr["T"].CopyFrom(kind)
        one = graph.node.add()
        one.CopyFrom(_constant(f"{node.name}/one", node, 1))
        node.op = "Sub"
        del node.input[:]
        node.input.extend([one.name, erf.name])
    return len(nodes)


def fold_slice_updates(graph: Any) -> int:
    """Computes a ``GraphDef``'s updates of slices that depend on no input, as in the masks of Swin.

    Keras makes them with XlaDynamicUpdateSlice, for which OpenVINO has no rule, and TensorFlow's
    own folding skips it. No issue about it was found upstream. Returns how many were replaced.
    """
    import tensorflow as tf

    by_name = {node.name: node for node in graph.node}
    open_ended = {node.name for node in graph.node if node.op == "Placeholder"}
    found = True
    while found:
        found = False
        for node in graph.node:
            sources = {source.lstrip("^").partition(":")[0] for source in node.input}
            if node.name not in open_ended and sources & open_ended:
                open_ended.add(node.name)
                found = True
    names = [
        node.name
        for node in graph.node
        if node.op == "XlaDynamicUpdateSlice" and node.name not in open_ended
    ]
    if not names:
        return 0
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(graph, name="")
        with tf.compat.v1.Session(graph=imported) as session:
            values = session.run([f"{name}:0" for name in names])
    for name, value in zip(names, values, strict=True):
        by_name[name].CopyFrom(_constant(name, by_name[name], value))
    return len(names)


def _constant(name: str, node: Any, value: Any) -> Any:
    """A constant of the type that a node computes, on its device."""
    import tensorflow as tf

    kind = node.attr["T"]
    constant = type(node)(name=name, op="Const", device=node.device)
    constant.attr["dtype"].CopyFrom(kind)
    constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, dtype=kind.type))
    return constant
