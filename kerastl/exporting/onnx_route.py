"""The ONNX route: tf2onnx from the frozen graph, mended where it or the runtime is wrong.

Runs in the export worker, under TensorFlow.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx

OPSET = 17

# ONNX Runtime folds a Pad of zeros before a MaxPool into the pooling, whose own padding is
# minus infinity: a wrong answer, without an error. A value this small is not folded, and is
# lost in the first addition.
_SAFE_PAD_VALUE = 1e-30


def convert(frozen: Any, path: Path, metadata: dict[str, Any]) -> dict[str, Any]:
    """Writes an ONNX file with named input and output and a dynamic batch dimension.

    Args:
        frozen: the concrete function of :func:`kerastl.exporting.saved_model.freeze`.
        path: the file to write.
        metadata: goes into ``metadata_props``; what is not a string, as JSON.

    Raises:
        RuntimeError: an operation of the network has no counterpart in ONNX.
    """
    import tf2onnx

    _register_erfc()
    graph = frozen.graph.as_graph_def()
    model, _ = tf2onnx.convert.from_graph_def(
        graph,
        name="kerastl",
        input_names=[frozen.inputs[0].name],
        output_names=[frozen.outputs[0].name],
        opset=OPSET,
    )
    _rename(model, {frozen.inputs[0].name: "image", frozen.outputs[0].name: "probabilities"})
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    for axis, name in ((1, "height"), (2, "width")):
        size = model.graph.input[0].type.tensor_type.shape.dim[axis]
        if not size.dim_value:
            size.dim_param = name
    mended = _guard_pads(model)
    _refuse_foreign_operators(model)
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key = key
        entry.value = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
    return {"opset": OPSET, "pads_guarded": mended}


def _rename(model: Any, names: dict[str, str]) -> None:
    """Renames values throughout a graph, sparing the new names from collisions."""
    taken = {output for node in model.graph.node for output in node.output}
    taken |= {item.name for item in model.graph.initializer}
    renaming = {new: f"{new}__inner" for new in names.values() if new in taken}
    renaming |= names
    for node in model.graph.node:
        for values in (node.input, node.output):
            for index, value in enumerate(values):
                values[index] = renaming.get(value, value)
    graph = model.graph
    for item in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        item.name = renaming.get(item.name, item.name)


def _guard_pads(model: Any) -> int:
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


def _is_zero(model: Any, name: str) -> bool:
    for item in model.graph.initializer:
        if item.name == name:
            return not np.any(onnx.numpy_helper.to_array(item))
    return name == ""


def _refuse_foreign_operators(model: Any) -> None:
    foreign = {
        node.op_type
        for node in model.graph.node
        if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type)
    }
    if foreign:
        raise RuntimeError(
            f"ONNX has no operator for {sorted(foreign)}, which this network uses. Leave "
            "'onnx' out of the formats, or replace the layers that need it."
        )


def _register_erfc() -> None:
    """Gives tf2onnx the ``Erfc`` that exact GELU is made of: 1 - Erf."""
    from tf2onnx import utils
    from tf2onnx.handler import tf_op

    class Erfc:
        @classmethod
        def version_9(cls, ctx: Any, node: Any, **_: Any) -> None:
            dtype, shape = ctx.get_dtype(node.output[0]), ctx.get_shape(node.output[0])
            source, target = node.input[0], node.output[0]
            one = ctx.make_const(
                utils.make_name("one"), np.array(1, dtype=utils.map_onnx_to_numpy_type(dtype))
            )
            ctx.remove_node(node.name)
            erf = ctx.make_node("Erf", [source], dtypes=[dtype], shapes=[shape])
            ctx.make_node(
                "Sub",
                [one.output[0], erf.output[0]],
                outputs=[target],
                name=node.name,
                dtypes=[dtype],
                shapes=[shape],
            )

    tf_op("Erfc")(Erfc)
