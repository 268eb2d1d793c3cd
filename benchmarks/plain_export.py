"""Plain ``keras.Model.export`` beside kerastl's export, on the same networks.

    python benchmarks/plain_export.py ../shared/data/trashnet_small --only resnet50_v2 convnext_tiny

Networks are those of ``export_matrix.py``, but for a head that plain exports can take. A file is
right where it gives the label of the Keras model on every photo and no probability differs by more
than 1e-3; it runs with float32 pixels through its own runtime. What kerastl's files do is read from
benchmarks/results/export_matrix.json.
"""

import argparse
import contextlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
FORMATS = {"saved_model": "tf_saved_model", "onnx": "onnx", "litert": "litert"}


def run_file(format, path, images):
    """Probabilities of a file in its own runtime, photo after photo."""
    if format == "saved_model":
        import tensorflow as tf

        model = tf.saved_model.load(str(path))
        return np.concatenate([np.asarray(model.serve(tf.constant(i[None]))) for i in images])
    if format == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return np.concatenate([session.run(None, {name: i[None]})[0] for i in images])
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    entry = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(entry, (1, *images.shape[1:]))
    interpreter.allocate_tensors()
    answers = []
    for image in images:
        interpreter.set_tensor(entry, image[None])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return np.concatenate(answers)


def measure(name, folder, formats):
    """Exports with Keras alone and compares; prints a line of JSON for each format."""
    sys.path.insert(0, str(HERE))
    import export_matrix

    import kerastl

    size = export_matrix.size_of(kerastl.get_backbone(name))
    ((x_train, y_train), (x_val, _)), names = export_matrix.read_photos(folder, size)
    network = without_constants(export_matrix.build(name, x_train, y_train, len(names)))
    images = x_val.astype("float32")
    reference = network.predict(images, batch_size=16, verbose=0)
    for format in formats:
        try:
            found = compare(network, format, images, reference)
        except Exception as error:  # Whatever a plain export raises is its result.
            # Without the folder of the moment, which is of no use to a reader.
            reason = re.sub(r"\S*/plain", "plain", f"{type(error).__name__}: {error}")
            found = {"fails": " ".join(reason.split())[:90]}
        print(json.dumps(found), flush=True)


def without_constants(network):
    """The same network with a head that holds all of its numbers as weights.

    A plain export to ONNX makes an input of each array that a layer captures, as Normalization
    does: every network would fail by the head of these measurements.
    """
    import keras

    *_, norm, squash, dense = network.layers
    fixed = keras.layers.BatchNormalization(center=False, scale=False, epsilon=1e-9)
    outputs = dense(squash(fixed(norm.input)))
    fixed.set_weights([np.ravel(norm.mean), np.ravel(norm.variance)])
    return keras.Model(network.inputs[0], outputs)


def compare(network, format, images, reference):
    with tempfile.TemporaryDirectory() as scratch:
        suffix = {"saved_model": "", "onnx": ".onnx", "litert": ".tflite"}[format]
        path = Path(scratch) / f"plain{suffix}"
        with contextlib.redirect_stdout(sys.stderr):
            network.export(str(path), format=FORMATS[format], verbose=False)
            answers = run_file(format, path, images)
    return {
        "agreement": float((answers.argmax(1) == reference.argmax(1)).mean()),
        "diff": float(np.abs(answers - reference).max()),
    }


def row(name, folder):
    """What came of each format; one that kills its process does not keep the others back."""
    found = []
    while len(found) < len(FORMATS):
        left = list(FORMATS)[len(found) :]
        command = [sys.executable, __file__, str(folder), "--one", name, *left]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found += [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode:
            lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
            found.append({"fails": f"status {done.returncode}: {(lines or ['-'])[-1][:90]}"})
    return [cell(entry) for entry in found]


def cell(found):
    if "fails" in found:
        return False, f"fails: {found['fails']}"
    right = found["agreement"] == 1 and found["diff"] <= 1e-3
    text = f"{found['diff']:.1e}, {found['agreement']:.3f}"
    return right, text if right else f"**wrong**: {text}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        name, *formats = arguments.one
        measure(name, arguments.data, formats)
        return
    matrix = json.loads((HERE / "results" / "export_matrix.json").read_text(encoding="utf-8"))
    names = arguments.only or sorted(matrix)
    print("| backbone | plain SavedModel | plain ONNX | plain LiteRT | kerastl's right |")
    print("|---|---|---|---|---|", flush=True)
    right = dict.fromkeys(FORMATS, 0)
    for name in names:
        cells = row(name, arguments.data)
        for format, (passed, _) in zip(FORMATS, cells, strict=True):
            right[format] += passed
        cells_of = matrix.get(name, {}).get("cells", {})
        ours = {key: cells_of[key] for key in FORMATS if key in cells_of}
        passed = f"{sum(c['passed'] for c in ours.values())} of {len(ours)}" if ours else "not run"
        print(f"| {name} | {' | '.join(text for _, text in cells)} | {passed} |", flush=True)
    counts = " | ".join(f"{right[format]} of {len(names)}" for format in FORMATS)
    print(f"| right | {counts} | |")


if __name__ == "__main__":
    main()
