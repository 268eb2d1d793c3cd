"""Passes over ONNX models, each for one thing that is missing or wrong upstream.

None changes anything outside the model it is given. ``make upstream`` prints which of them upstream
still needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

Array = np.ndarray[Any, Any]

# What tf2onnx puts between a weight and the operator that takes it.
_OF_WEIGHTS = ("Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")

# Small enough to be lost in the first addition, and not zero.
_SAFE_PAD_VALUE = 1e-30

# ONNX Runtime 1.31 is the last version that folds pads wrongly, and reads no later opset.
LAST_OPSET_OF_RUNTIMES_THAT_FOLD_PADS = 26


def guard_pads(model: onnx.ModelProto, *, opset: int) -> int:
    """Keeps ONNX Runtime from folding a Pad of zeros into the MaxPool after it.

    From version 1.20 to 1.31 its Pad_Fusion takes the zeros for the pooling's own padding, which is
    minus infinity: a wrong answer, without an error. It looks for zeros, so that a value near zero
    is left alone, which changes no answer in other versions. A bundle may be run by an older
    runtime than the one that proved it, so that every file whose opset one of these versions can
    read is guarded. https://github.com/microsoft/onnxruntime/issues/24737

    Returns how many nodes were changed.
    """
    if opset > LAST_OPSET_OF_RUNTIMES_THAT_FOLD_PADS:
        return 0
    producers = {output: node for node in model.graph.node for output in node.output}
    pads = {
        id(pad): pad
        for node in model.graph.node
        if node.op_type == "MaxPool"
        and (pad := producers.get(node.input[0])) is not None
        and pad.op_type == "Pad"
        and (len(pad.input) < 3 or _is_zero(model, pad.input[2]))
    }
    for index, pad in enumerate(pads.values()):
        name = f"safe_pad_value_{index}"
        value = np.array(_SAFE_PAD_VALUE, dtype=np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
        if len(pad.input) < 3:
            pad.input.append(name)
        else:
            pad.input[2] = name
    return len(pads)


def _is_zero(model: onnx.ModelProto, name: str) -> bool:
    for item in model.graph.initializer:
        if item.name == name:
            return not np.any(onnx.numpy_helper.to_array(item))
    return name == ""


def put_weights(model: onnx.ModelProto, weights: Mapping[str, Array]) -> None:
    """Turns inputs that stand for weights, given by their names, into initializers.

    Layouts are changed here, so that no runtime has to, and quantisation finds the weights.
    """
    graph = model.graph
    values = dict(weights)
    small = {item.name: item for item in graph.initializer}
    kept = []
    # Nodes are in topological order.
    for node in graph.node:
        known = [name in values or name in small for name in node.input]
        if node.op_type in _OF_WEIGHTS and node.input[0] in values and all(known):
            feeds = {
                name: values[name] if name in values else onnx.numpy_helper.to_array(small[name])
                for name in node.input
            }
            (values[node.output[0]],) = ReferenceEvaluator(
                node, opsets={item.domain: item.version for item in model.opset_import}
            ).run(None, feeds)
        else:
            kept.append(node)
    inputs = [item for item in graph.input if item.name not in weights]
    del graph.node[:], graph.input[:]
    graph.node.extend(kept)
    graph.input.extend(inputs)
    used = {name for node in nodes_of(graph) for name in node.input}
    for name in [name for name in values if name in used]:
        value = np.ascontiguousarray(values.pop(name))
        graph.initializer.append(onnx.numpy_helper.from_array(value, name))


def refuse_foreign_operators(model: onnx.ModelProto) -> None:
    """Raises RuntimeError, which names them, for operators that ONNX does not have.

    tf2onnx logs what it has no counterpart for and writes it down as it was, without an error:
    https://github.com/onnx/tensorflow-onnx/issues/2271.
    """
    foreign = {
        node.op_type
        for node in nodes_of(model.graph)
        if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type)
    }
    if foreign:
        raise RuntimeError(
            f"ONNX has no operator for {sorted(foreign)}, which this network uses. Leave "
            "'onnx' out of the formats, or replace the layers that need it."
        )


def nodes_of(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes of a graph, those in the bodies of loops and branches included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                yield from nodes_of(body)


def check_shapes(model: onnx.ModelProto) -> None:
    """Infers every shape anew and compares the outputs' with what the file declares.

    Raises RuntimeError where shapes cannot be inferred, or an output has another one.
    """
    blank = onnx.ModelProto()
    blank.CopyFrom(model)
    # Inference would merge what is declared into what it finds.
    del blank.graph.value_info[:]
    for value in blank.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        inferred = onnx.shape_inference.infer_shapes(
            blank, check_type=True, strict_mode=True, data_prop=True
        )
    except onnx.shape_inference.InferenceError as error:
        raise RuntimeError(f"The ONNX graph's shapes contradict one another: {error}") from error
    for declared, found in zip(model.graph.output, inferred.graph.output, strict=True):
        if not found.type.tensor_type.HasField("shape"):
            continue
        wanted, got = _sizes(declared), _sizes(found)
        if len(wanted) != len(got) or any(
            a != b for a, b in zip(wanted, got, strict=True) if None not in (a, b)
        ):
            raise RuntimeError(
                f"The ONNX output {declared.name!r} has the shape {got} by inference; its file "
                f"would declare {wanted}."
            )


def _sizes(value: onnx.ValueInfoProto) -> list[int | None]:
    return [item.dim_value or None for item in value.type.tensor_type.shape.dim]
