"""The ONNX route: tf2onnx from the frozen graph, mended where it or the runtime is wrong.

Runs in the export worker, under TensorFlow. Why tf2onnx, and why from the frozen graph: see
benchmarks/results/onnx_routes.md.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from kerastl.formats import ONNX, graph_passes, onnx_passes
from kerastl.formats.conversion import Conversion
from kerastl.formats.onnx import BATCH_KEY

# What tf2onnx is tested with by its makers, and read by every ONNX Runtime since 1.12.
OPSET = 17
BATCH = "batch"


def convert(conversion: Conversion) -> dict[str, dict[str, Any]]:
    """Writes the ONNX files of a bundle."""
    frozen = conversion.frozen
    path, facts = conversion.bundle / ONNX.path(), {}
    with conversion.step(ONNX.step()):
        inputs, outputs = conversion.tensors(frozen)
        facts[path.name] = write(
            frozen,
            path,
            conversion.metadata,
            inputs=inputs,
            outputs=outputs,
            axes={k: v for spec in conversion.specs for k, v in spec.axes.items()},
        )
    for quantization in conversion.quantize.get(ONNX.name, ()):
        with conversion.step(ONNX.step(quantization)):
            smaller = conversion.bundle / ONNX.path(quantization)
            _quantize(path, smaller)
            facts[smaller.name] = dict(facts[path.name])
    return facts


def write(
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
        frozen: a concrete function of :func:`kerastl.formats.tracing.constants_of`.
        path: the file to write.
        metadata: goes into ``metadata_props``; what is not a string, as JSON.
        inputs: the file's names by those of the graph's tensors, such as ``"image:0"``.
        outputs: the same of the outputs.
        axes: names for dimensions of inputs that have no fixed size, by their position.

    Raises:
        ValueError: a tensor is not named, or a name stands for two.
        RuntimeError: an operation of the network has no counterpart in ONNX, or the graph's
            shapes are wrong.
    """
    _check_names(frozen, inputs, outputs)
    graph = frozen.graph.as_graph_def()
    graph_passes.replace_erfc(graph)
    weights = graph_passes.take_weights(graph)
    stand_ins = {f"{name}:0": name for name in weights}
    model = _converted(graph, {**inputs, **stand_ins}, outputs)
    guarded = onnx_passes.guard_pads(model, opset=OPSET)
    onnx_passes.refuse_foreign_operators(model)
    onnx_passes.check_shapes(model)
    onnx_passes.put_weights(model, weights)
    _name_dimensions(model, axes or {})
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key = key
        entry.value = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    onnx.save(model, str(path))
    onnx.checker.check_model(str(path), full_check=True)
    return {"opset": OPSET, "pads_guarded": guarded}


def _converted(
    graph: Any, inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> onnx.ModelProto:
    """The steps of ``tf2onnx.convert.from_graph_def``, except one optimizer.

    It writes computed shapes down as constants, where 0 stands for the dimension of the very tensor
    that is reshaped. Another one then takes away a reshape before that, and the 0 copies the
    dimension of another tensor: wrong answers, or none. Computed shapes stay as they are here;
    ONNX Runtime folds what is constant. https://github.com/onnx/tensorflow-onnx/issues/2085, open.
    """
    import tensorflow as tf
    from tf2onnx import optimizer, tf_loader, tfonnx

    optimizers = {
        name: make
        for name, make in optimizer._get_optimizers().items()
        if name != "reshape_optimizer"
    }
    with tf.Graph().as_default():
        reduced = tf_loader.tf_optimize(list(inputs), list(outputs), graph)
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(reduced, name="")
        converted = tfonnx.process_tf_graph(
            imported,
            # What has no counterpart is refused below, all at once.
            continue_on_error=True,
            opset=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            tensors_to_rename={**inputs, **outputs},
        )
        optimized = optimizer.optimize_graph(converted, optimizers=optimizers)
        model: onnx.ModelProto = optimized.make_model("kerastl")
    return model


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


def _quantize(path: Path, smaller: Path) -> None:
    """Weights as 8 bits, one scale for each column; activations are quantised as they come.

    ONNX Runtime takes one range of activations for a whole batch, so that an answer would depend
    on the other examples of the batch: the file says that it is run, and was proved, one example
    at a time.

    Unsigned weights: signed ones overflow 16 bits on processors without VNNI, so that a file proved
    on one machine would answer otherwise on another.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logger = logging.getLogger()
    level = logger.level
    # It advises on every call to preprocess with shape inference, which the runtime does itself.
    logger.setLevel(logging.ERROR)
    try:
        quantize_dynamic(path, smaller, weight_type=QuantType.QUInt8, per_channel=True)
    finally:
        logger.setLevel(level)
    model = onnx.load(smaller)
    if not model.metadata_props:
        model.metadata_props.extend(onnx.load(path).metadata_props)
    entry = model.metadata_props.add()
    entry.key, entry.value = BATCH_KEY, "1"
    onnx.save(model, smaller)
