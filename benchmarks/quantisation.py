"""Quantised LiteRT files of trained models: agreement, accuracy, bytes, latency, and why.

    W=../shared/weights
    python benchmarks/quantisation.py --data ../shared/data/trashnet_small \\
        --fit mobilenet_v2 160 $W/mobilenetv2_1.0_224_imagenet_ptq_notop.weights.h5 \\
        --fit mobilenet_0.5 160 $W/mobilenet_0.5_160_imagenet_qat_notop.weights.h5

    python benchmarks/quantisation.py RUN [RUN ...]      # runs that are there already

"plain" is tf.lite.TFLiteConverter with the same calibration images and its defaults. "Corrected"
has compensated rounding and corrected biases, and no layer in float; the rows without a word are
what ``kerastl export`` writes. Agreement and accuracy are on the validation images of the run,
which nothing was calibrated or chosen on; latency is of one image on two threads.
"""

import argparse
import contextlib
import copy
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

import kerastl
from kerastl.bundles import network
from kerastl.formats import litert_conversion, quantization, rounding
from kerastl.formats.conversion import Conversion
from kerastl.formats.litert_graph import Graph, ranges
from kerastl.formats.litert_graph import run as run_all

GATE = kerastl.Gate()
THREADS = 2


def run(data, images):
    """The only output of a LiteRT file."""
    return next(iter(run_all(data, images).values()))


def agreeing(reference, outputs):
    return kerastl.Classes().agreeing(reference, outputs, GATE, "int8")


def fit(data, backbone, size, weights, out):
    command = [sys.executable, "-c", "from kerastl.cli import main; main()", "fit", "image", data]
    command += ["--backbone", backbone, "--weights", weights, "--image-size", size, "--out", out]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def milliseconds(data, image):
    interpreter = Interpreter(model_content=data, num_threads=THREADS)
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()[0]
    interpreter.set_tensor(details["index"], image[None].astype(details["dtype"]))
    times = []
    while len(times) < 15 or (len(times) < 200 and sum(times) < 2):
        start = time.perf_counter()
        interpreter.invoke()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times[3:]))


def plain(saved, quantization_name, images):
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved), signature_keys=["serving_default"]
    )
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization_name == "int8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
        converter.representative_dataset = lambda: (
            {"image": image[None].astype(np.float32)} for image in images
        )
    return converter.convert()


def rounded_to_nearest(data):
    graph = Graph(data)
    for layer in list(graph.weighted()):
        kernel = graph.constant(layer.operator.inputs[1])
        moved = np.moveaxis(kernel, layer.axis, 0)
        values = rounding.to_nearest(moved.reshape(len(moved), -1)).reshape(moved.shape)
        graph.set_constant(layer.operator.inputs[1], np.moveaxis(values, 0, layer.axis))
    return graph.pack()


def with_bias_corrected(data, images):
    """Weights rounded to the nearest step, biases corrected: no layer may be compensated."""
    from kerastl.formats import weight_correction

    kept, weight_correction.MAX_INPUTS = weight_correction.MAX_INPUTS, 0
    try:
        return weight_correction.correct(data, images)[0]
    finally:
        weight_correction.MAX_INPUTS = kept


def rounded_activations(data, found, chosen):
    """The float file with 8-bit rounding of the outputs of chosen operators, by position."""
    graph = Graph(data)
    main = graph.model.subgraphs[0]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FAKE_QUANT
    code.version = 1
    graph.model.operatorCodes.append(code)
    operators = []
    for position, operator in enumerate(main.operators):
        operators.append(operator)
        target = int(operator.outputs[0])
        if position not in chosen or target not in found:
            continue
        before = copy.copy(main.tensors[target])
        before.name, before.buffer = before.name + b"_before", 0
        main.tensors.append(before)
        operator.outputs = [len(main.tensors) - 1]
        rounding_operator = schema.OperatorT()
        rounding_operator.opcodeIndex = len(graph.model.operatorCodes) - 1
        rounding_operator.inputs, rounding_operator.outputs = list(operator.outputs), [target]
        options = schema.FakeQuantOptionsT()
        options.min, options.max = (min(found[target][0], 0.0), max(found[target][1], 0.0))
        options.numBits = 8
        rounding_operator.builtinOptionsType = schema.BuiltinOptions.FakeQuantOptions
        rounding_operator.builtinOptions = options
        operators.append(rounding_operator)
    main.operators = operators
    return graph.pack()


def measured(name, data, reference, images, labels, note=""):
    outputs = run(data, images)
    agreement = float(agreeing(reference, outputs).mean())
    accuracy = float((outputs.argmax(1) == labels).mean())
    difference = float(np.abs(outputs - reference).mean())
    print(
        f"| {name} | {agreement:.4f} | {difference:.4f} | {accuracy:.3f} | {len(data) / 1e6:.2f} "
        f"| {milliseconds(data, images[0]):.1f} | {note} |",
        flush=True,
    )


def causes(data, prepared, images, reference):
    print("\n| what is rounded to 8 bits | agreement | mean difference |\n|---|---|---|")

    def row(name, changed):
        outputs = run(changed, images)
        difference = np.abs(outputs - reference).mean()
        print(
            f"| {name} | {agreeing(reference, outputs).mean():.4f} | {difference:.4f} |", flush=True
        )

    row("weights, to the nearest", rounded_to_nearest(data))
    row(
        "weights, to the nearest, biases corrected", with_bias_corrected(data, prepared.calibration)
    )
    row("weights, compensated, biases corrected", prepared.data)
    found = ranges(data, prepared.calibration, 16)
    graph = Graph(data)
    count = len(graph.operators)
    starts = [layer.index for layer in graph.weighted()]
    eighth = starts[len(starts) // 8]
    row("activations", rounded_activations(data, found, range(count)))
    row("activations of the first eighth", rounded_activations(data, found, range(eighth)))
    row("activations of the rest", rounded_activations(data, found, range(eighth, count)))


def report(path, folder):
    model = kerastl.load(path)
    net, _ = network.in_float32(model.network)
    images, labels = np.stack(model.samples.sources), model.samples.labels["probabilities"]
    conversion = Conversion(
        net, model.task.input, model.task.outputs, bundle=folder, work=folder,
        formats=("saved_model", "litert"), quantize={}, metadata={}, gate=GATE, sources=images,
        calibration=np.stack(model.samples.calibration), batch_one=False, float_input=False,
        step=lambda _: contextlib.nullcontext(),
    )  # fmt: skip
    saved, size = conversion.saved_model[0], model.task.input.size[0]
    reference = net.predict(images.astype("float32"), verbose=0)
    backbone = model.provenance["backbone"]["name"]
    print(f"\n### {path.name}: {backbone} at {size} px, {len(images)} validation images\n")
    print("| file | agreement | mean difference | accuracy | MB | ms | in float |")
    print("|---|---|---|---|---|---|---|")

    data = litert_conversion.converted(saved, None)
    start = time.perf_counter()
    prepared = quantization.prepare(data, conversion)
    seconds = time.perf_counter() - start
    calibration = conversion.calibration
    given = reference, images, labels
    measured("float32", data, *given, "all")
    measured("float16", litert_conversion.converted(saved, "float16"), *given)
    measured("dynamic, plain", plain(saved, "dynamic", calibration), *given)
    dynamic, facts = quantization.quantize(prepared, "dynamic", conversion)
    measured("dynamic", dynamic, *given, described(facts))
    measured("int8, plain", plain(saved, "int8", calibration), *given)
    calibrated = Graph(prepared.data).with_ranges(prepared.ranges)
    measured("int8, corrected", quantization._int8(calibrated, False, ()), *given)
    int8, facts = quantization.quantize(prepared, "int8", conversion)
    measured("int8", int8, *given, described(facts))
    measured("int16x8", quantization.quantize(prepared, "int16x8", conversion)[0], *given)
    print(f"\nThe correction took {seconds:.0f} s.", flush=True)
    causes(data, prepared, images, reference)


def described(facts):
    count, share = len(facts["float_layers"]), facts["float_share_of_weights"]
    trials = len(facts["selection"]["trials"])
    return f"{count} layers, {share:.1%} of the weights; {trials} tried"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--fit", nargs=3, action="append", metavar=("BACKBONE", "SIZE", "WEIGHTS"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        runs = list(arguments.runs)
        for backbone, size, weights in arguments.fit or ():
            runs.append(folder / backbone)
            fit(arguments.data, backbone, size, weights, runs[-1])
        for index, path in enumerate(runs):
            work = folder / f"files_{index}"
            work.mkdir()
            report(path, work)


if __name__ == "__main__":
    main()
