"""The ONNX route: tf2onnx from the frozen graph, mended where it or the runtime is wrong.

Runs in the export worker, under TensorFlow. Why tf2onnx, and why from the frozen graph: see
benchmarks/results/onnx_routes.md.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx

from kerastl.exporting import graph_passes, onnx_passes

# What tf2onnx is tested with by its makers, and read by every ONNX Runtime since 1.12.
OPSET = 17
BATCH = "batch"


def convert(
    frozen: Any,
    path: Path,
    metadata: Mapping[str, Any],
    *,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    axes: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """Writes an ONNX file with named inputs and outputs and a dynamic batch dimension.

    Args:
        frozen: the concrete function of :func:`kerastl.exporting.saved_model.freeze`, or any
            without variables.
        path: the file to write.
        metadata: goes into ``metadata_props``; what is not a string, as JSON.
        inputs: by the name of a tensor of the graph, such as ``"image:0"``, the name that the
            file gives it; one for each input. The first dimension of each is the batch.
        outputs: the same of the outputs.
        axes: names for dimensions of inputs that have no fixed size, by their position.

    Returns:
        What the manifest says of it beside its parity.

    Raises:
        ValueError: a tensor is not named, or a name stands for two.
        RuntimeError: an operation of the network has no counterpart in ONNX, or the graph's
            shapes are wrong.
    """
    import tf2onnx

    _check_names(frozen, inputs, outputs)
    graph = frozen.graph.as_graph_def()
    graph_passes.replace_erfc(graph)
    with keeping_copied_dimensions():
        model, _ = tf2onnx.convert.from_graph_def(
            graph,
            name="kerastl",
            input_names=list(inputs),
            output_names=list(outputs),
            tensors_to_rename={**inputs, **outputs},
            opset=OPSET,
        )
    _name_dimensions(model, axes or {})
    guarded = onnx_passes.guard_pads(model)
    onnx_passes.refuse_foreign_operators(model)
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key = key
        entry.value = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    onnx.checker.check_model(model, full_check=True)
    onnx_passes.check_shapes(model)
    onnx.save(model, str(path))
    return {"opset": OPSET, "pads_guarded": guarded}


@contextlib.contextmanager
def keeping_copied_dimensions() -> Iterator[None]:
    """Keeps tf2onnx from merging two Reshapes where the second copies a dimension of the first.

    A 0 in a shape stands for the input's own dimension, which is another one once the first Reshape
    is gone: attention with one head, as in MiT, then fails in ONNX Runtime. No issue about it was
    found upstream.
    """
    from tf2onnx.optimizer import back_to_back_optimizer

    handlers = back_to_back_optimizer._func_map
    merge = handlers["Reshape",]

    def careful(graph: Any, node: Any, consumers: list[Any]) -> Any:
        for consumer in consumers:
            shape = consumer.inputs[1]
            if not shape.is_const() or 0 in shape.get_tensor_value(as_list=True):
                return []
        return merge(graph, node, consumers)

    handlers["Reshape",] = careful
    try:
        yield
    finally:
        handlers["Reshape",] = merge


def _check_names(frozen: Any, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
    for kind, tensors, names in (
        ("inputs", frozen.inputs, inputs),
        ("outputs", frozen.outputs, outputs),
    ):
        held = sorted(tensor.name for tensor in tensors)
        if sorted(names) != held:
            raise ValueError(f"The graph has the {kind} {held}; named were {sorted(names)}.")
    given = [*inputs.values(), *outputs.values()]
    repeated = sorted({name for name in given if given.count(name) > 1})
    if repeated:
        raise ValueError(f"Names of inputs and outputs must be distinct; repeated: {repeated}.")


def _name_dimensions(model: onnx.ModelProto, axes: Mapping[int, str]) -> None:
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    for value in model.graph.input:
        for position, name in axes.items():
            size = value.type.tensor_type.shape.dim[position]
            if not size.dim_value:
                size.dim_param = name
