"""Makes quantised LiteRT files that keep the network's labels.

Three steps, each measured to be needed (benchmarks/results): weights are rounded with calibration
images in view and biases corrected (:mod:`kerastl.formats.weight_correction`); activations get
the ranges that they have on those images; and layers stay in float while labels change
(:mod:`kerastl.formats.float_layers`): with int8 activations the leading ones, since a layer in
float between quantised ones still gets and gives rounded values; with dynamic ones those that do
most damage alone.

Runs in the export worker, under TensorFlow, whose quantiser writes the integer files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from kerastl.formats import float_layers, rounding, weight_correction
from kerastl.formats.conversion import Conversion
from kerastl.formats.litert_graph import Graph, name_of_layer, ranges, run
from kerastl.graph.layers import all_layers
from kerastl.outputs import Output

Array = np.ndarray[Any, Any]

# As in TensorFlow's converter: smaller weights save nothing.
LEAST_WEIGHTS = 1024
RANKING_EXAMPLES = 64
# Versions of the operators with float inputs and int8 weights per channel.
_HYBRID_VERSIONS = {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 6, "FULLY_CONNECTED": 12}


@dataclass(frozen=True)
class Prepared:
    """A float file made ready for quantisation, its weights on the int8 grid.

    ``original`` are outputs of the file as it was, by name, for ``selection``: the examples that
    float layers are chosen on. ``ranges`` are the smallest and largest value of each tensor on the
    ``calibration`` images, and ``corrected`` says how many layers were corrected, and how.
    """

    data: bytes
    original: dict[str, Array]
    calibration: Array
    selection: Array
    ranges: dict[int, tuple[float, float]]
    corrected: dict[str, int]


def prepare(data: bytes, conversion: Conversion) -> Prepared:
    """Corrects the weights of a float LiteRT file and measures its activations."""
    images, outputs = conversion.calibration, conversion.outputs
    assert images is not None
    groups = groups_of(outputs, run(data, images))
    calibration, held_back = float_layers.divide(images, groups)
    selection = float_layers.selection_examples(held_back, groups_of(outputs, run(data, held_back)))
    corrected, counts = weight_correction.correct(data, calibration)
    return Prepared(
        data=corrected,
        original=run(data, selection),
        calibration=calibration,
        selection=selection,
        ranges=ranges(corrected, calibration, weight_correction.BATCH),
        corrected=counts,
    )


def groups_of(outputs: Mapping[str, Output], answers: Mapping[str, Array]) -> Array:
    """Which examples the network itself answers alike, int64 ``(n,)``, over all outputs."""
    columns = [output.groups(answers[name]) for name, output in outputs.items()]
    return np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].reshape(-1)


def quantize(
    prepared: Prepared, quantization: str, conversion: Conversion
) -> tuple[bytes, dict[str, Any]]:
    """Quantises a prepared file as dynamic, int8 or int16x8, with as few float layers as it needs.

    Returns the bytes of the file, and what the manifest says of it.
    """
    graph = Graph(prepared.data)
    weighted = list(graph.weighted())
    facts: dict[str, Any] = {"weights_corrected": prepared.corrected}
    if quantization == "int16x8":
        # Its quantiser takes no exceptions, and 16 bits need none.
        data = _int16x8(prepared)
        return data, {**facts, "float_operators": Graph(data).float_operators()}
    make: Callable[[Sequence[int]], bytes]
    order: Callable[[], Sequence[int]]
    if quantization == "dynamic":
        make = partial(_dynamic, prepared.data)
        order = partial(_by_damage, prepared, len(weighted))
    else:
        calibrated = Graph(prepared.data).with_ranges(prepared.ranges)
        make = partial(_int8, calibrated, conversion.float_input)
        order = partial(range, len(weighted))

    choice = float_layers.choose(
        make,
        order,
        len(weighted),
        prepared.selection,
        prepared.original,
        agreement=partial(_agreement, prepared, conversion, quantization),
        gate=conversion.gate.quantized_label_agreement,
    )
    kept = [weighted[position] for position in choice.float_layers]
    layers = [x.name for x in all_layers(conversion.network) if hasattr(x, "kernel")]
    sizes = [graph.weights(layer).size for layer in weighted]
    share = sum(sizes[position] for position in choice.float_layers) / max(sum(sizes), 1)
    if quantization == "int8":
        # With those that have no integer kernel, which TensorFlow leaves in float.
        facts["float_operators"] = Graph(choice.data).float_operators()
    return choice.data, {
        **facts,
        "float_layers": [name_of_layer(layer.name, layers) for layer in kept],
        "float_share_of_weights": round(share, 4),
        "selection": choice.describe(len(prepared.selection)),
    }


def _agreement(
    prepared: Prepared, conversion: Conversion, quantization: str, answers: Mapping[str, Array]
) -> float:
    """The smallest share, of all outputs, of answers that agree with the float file's."""
    shares = [
        output.agreeing(prepared.original[name], answers[name], conversion.gate, quantization)
        for name, output in conversion.outputs.items()
    ]
    return min(float(share.mean()) for share in shares)


def _by_damage(prepared: Prepared, layers: int) -> list[int]:
    """Positions of the layers, those first that change the outputs most when quantised alone."""
    examples = prepared.selection[:RANKING_EXAMPLES]
    reference = run(prepared.data, examples)
    damage = []
    for position in range(layers):
        others = [other for other in range(layers) if other != position]
        outputs = run(_dynamic(prepared.data, others), examples)
        damage.append(float_layers.mean_difference(reference, outputs))
    return sorted(range(layers), key=lambda position: -damage[position])


def _dynamic(data: bytes, kept: Sequence[int]) -> bytes:
    """Weights as int8; activations are quantised at run time, example by example."""
    graph = Graph(data)
    for position, layer in enumerate(list(graph.weighted())):
        kernel_at, kernel = layer.operator.inputs[1], graph.weights(layer)
        if position in kept or kernel.size < LEAST_WEIGHTS:
            continue
        rows = np.moveaxis(kernel, layer.axis, 0)
        steps = rounding.scales(rows.reshape(len(rows), -1))
        integers = np.rint(rows / steps.reshape(-1, *[1] * (rows.ndim - 1)))
        graph.set_constant(kernel_at, np.moveaxis(integers, 0, layer.axis).astype(np.int8))
        entry = schema.QuantizationParametersT()
        entry.scale, entry.zeroPoint = steps, np.zeros(len(steps), np.int64)
        entry.quantizedDimension = layer.axis
        graph.tensor(kernel_at).quantization = entry
        if layer.opcode == "FULLY_CONNECTED":
            layer.operator.builtinOptions.asymmetricQuantizeInputs = True
        # An interpreter too old for such weights must refuse the file, not misread it.
        code = graph.model.operatorCodes[layer.operator.opcodeIndex]
        code.version = max(code.version, _HYBRID_VERSIONS[layer.opcode])
    graph.drop_unused_buffers()
    return graph.pack()


def _int8(calibrated: bytes, float_input: bool, kept: Sequence[int]) -> bytes:
    """Weights and activations as int8, except before the first quantised layer."""
    from tensorflow.lite.python.convert import mlir_quantize

    graph = Graph(calibrated)
    weighted = list(graph.weighted())
    first = weighted[len(kept)].index if kept else 0
    names = [graph.name(operator) for operator in graph.operators[:first]]
    dtype = tf.float32 if float_input else tf.uint8
    return bytes(
        mlir_quantize(
            calibrated,
            input_data_type=dtype,
            output_data_type=dtype,
            denylisted_nodes=names or None,
        )
    )


def _int16x8(prepared: Prepared) -> bytes:
    """Weights as int8, activations as int16; float32 in and out."""
    from tensorflow.lite.python.optimize import calibrator

    def samples() -> Iterator[list[Array]]:
        for image in prepared.calibration:
            yield [image[None].astype(np.float32)]

    try:
        return bytes(
            calibrator.Calibrator(prepared.data).calibrate_and_quantize(
                samples, tf.float32, tf.float32, False, tf.int16, tf.int64
            )
        )
    except RuntimeError as error:
        raise RuntimeError(
            f"TensorFlow cannot make this network's file in 'int16x8': {str(error).strip()} Leave "
            "it out of quantize, or replace the layers that need the operator."
        ) from error
