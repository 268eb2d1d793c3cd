"""Four ways from a Keras network to ONNX, on the same networks and photos.

    python benchmarks/onnx_routes.py ../shared/data/trashnet_small --jax-python JAX/bin/python

- ours: kerastl's route, tf2onnx from the frozen graph between passes of its own;
- native: ``keras.Model.export(format="onnx")`` on TensorFlow;
- tf2onnx: ``tf2onnx.convert.from_keras``;
- jax2onnx: ``jax2onnx.to_onnx`` on Keras's JAX backend, with the interpreter of ``--jax-python``,
  which must have kerastl's dependencies, jax, jax2onnx, onnx and onnxruntime; left out without it.

Networks are those of ``export_matrix.py``: no pretrained weights are needed. Every route begins
with the same saved network, in a process of its own, and is judged by three questions: does it
convert, does ``onnx.checker`` pass the file, does ONNX Runtime give the network's answers (every
label, and probabilities within 1e-3) in batches of five. Results go to
benchmarks/results/onnx_routes.json and .md; with ``--only``, other rows stay as they were.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "onnx_routes.json"
BACKBONES = (
    *("mobilenet_v2", "resnet50_v2", "convnext_tiny", "efficientnet_v2_b0"),
    *("deit_tiny_distilled_patch16_224", "hgnetv2_b0", "swin_tiny_patch4_window7_224", "mit_b0"),
)
ROUTES = ("ours", "native", "tf2onnx", "jax2onnx")
PACKAGES = ("keras", "keras-hub", "tensorflow", "tf2onnx", "onnx", "onnxruntime")
JAX_PACKAGES = ("jax", "jax2onnx")
COMMAND = (
    "python benchmarks/onnx_routes.py ../shared/data/trashnet_small --jax-python JAX/bin/python"
)
OPSET = 17
BATCH = 5
TOLERANCE = 1e-3


def build(name, data, folder):
    """Saves a network, photos and its answers, and says which modules its layers need."""
    sys.path.insert(0, str(HERE))
    import export_matrix

    import kerastl
    from kerastl.bundles import network as networks

    size = export_matrix.size_of(kerastl.get_backbone(name))
    ((x_train, y_train), (x_val, _)), names = export_matrix.read_photos(data, size)
    network = export_matrix.build(name, x_train, y_train, len(names))
    images = x_val.astype("float32")
    networks.save_network(network, folder / "network.keras")
    np.save(folder / "images.npy", images)
    np.save(folder / "answers.npy", network.predict(images, batch_size=16, verbose=0))
    (folder / "modules.json").write_text(json.dumps(networks.modules_of(network)))


def load(folder):
    import importlib

    import keras

    for module in json.loads((folder / "modules.json").read_text()):
        importlib.import_module(module)
    return keras.saving.load_model(folder / "network.keras", compile=False)


def ours(network, shape, path):
    from kerastl.formats import onnx_conversion, tracing
    from kerastl.inputs import Image

    task_input = Image(shape[:2])
    frozen = tracing.constants_of(tracing.trace(network, task_input, task_input.specs()))
    names = {"inputs": "image", "outputs": "probabilities"}
    onnx_conversion.write(
        frozen,
        path,
        {},
        **{key: {getattr(frozen, key)[0].name: name} for key, name in names.items()},
    )


def native(network, shape, path):
    network(np.zeros((1, *shape), np.float32))
    network.export(str(path), format="onnx", verbose=False, opset_version=OPSET)


def tf2onnx(network, shape, path):
    import tensorflow as tf
    from tf2onnx import convert

    signature = [tf.TensorSpec((None, *shape), tf.float32, name="image")]
    convert.from_keras(network, signature, opset=OPSET, output_path=str(path))


def jax2onnx(network, shape, path):
    from jax2onnx import to_onnx

    def forward(image):
        return network(image, training=False)

    # Its own default opset: it knows no other as well.
    to_onnx(forward, [("batch", *shape)], return_mode="file", output_path=str(path))


def one(route, folder):
    """Converts with one route and judges the file."""
    import onnx
    import onnxruntime

    images, answers = np.load(folder / "images.npy"), np.load(folder / "answers.npy")
    path = folder / f"{route}.onnx"
    network = load(folder)
    start = time.monotonic()
    {"ours": ours, "native": native, "tf2onnx": tf2onnx, "jax2onnx": jax2onnx}[route](
        network, images.shape[1:], path
    )
    found = {"seconds": time.monotonic() - start}
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception as error:
        return {**found, "checker": " ".join(str(error).split())}
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = [item.name for item in session.get_inputs()]
    if len(inputs) != 1:
        return {**found, "inputs": len(inputs)}
    try:
        given = np.concatenate(
            [
                session.run(None, {inputs[0]: images[at : at + BATCH]})[0]
                for at in range(0, len(images), BATCH)
            ]
        )
    except Exception as error:
        return {**found, "runtime": " ".join(str(error).split())}
    return {
        **found,
        "agreement": float((given.argmax(1) == answers.argmax(1)).mean()),
        "diff": float(np.abs(given - answers).max()),
    }


def spawn(python, backend, *arguments):
    environment = {**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "-1"}
    environment["TF_CPP_MIN_LOG_LEVEL"] = "2"
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    )
    command = [str(python), __file__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def cell(route, folder, python):
    """Whether a route is right, and the text of its cell."""
    backend = "jax" if route == "jax2onnx" else "tensorflow"
    done = spawn(python, backend, "--one", route, folder)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        # The last line is the error itself; long ones begin with what matters.
        return False, f"does not convert: {escaped((lines or ['no message'])[-1])}"
    found = json.loads(done.stdout.splitlines()[-1])
    if "checker" in found:
        return False, f"invalid file: {escaped(found['checker'])}"
    if "inputs" in found:
        return False, f"invalid file: {found['inputs']} inputs in place of one"
    if "runtime" in found:
        return False, f"does not run: {escaped(found['runtime'])}"
    right = found["agreement"] == 1 and found["diff"] <= TOLERANCE
    text = f"{found['diff']:.1e}, {found['agreement']:.3f}"
    text += f", {found['seconds']:.0f} s"
    return right, text if right else f"**wrong**: {text}"


def escaped(text):
    home = str(HERE.parent)
    return text.replace(home, ".").replace("|", "/").replace("<", "&lt;")[:110]


def versions(python):
    names = PACKAGES if python == sys.executable else JAX_PACKAGES
    script = "import importlib.metadata as m; print(', '.join(f'{n} {m.version(n)}' for n in %r))"
    done = subprocess.run([str(python), "-c", script % (names,)], capture_output=True, text=True)
    return done.stdout.strip()


def write(name, cells, told):
    """Puts a row into the results, and the table beside them."""
    rows = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    rows[name] = {"routes": {**rows.get(name, {}).get("routes", {}), **cells}, "versions": told}
    RESULTS.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    RESULTS.with_suffix(".md").write_text(table(rows), encoding="utf-8")


def table(rows):
    names = [name for name in BACKBONES if name in rows]
    routes = [route for route in ROUTES if any(route in rows[name]["routes"] for name in names)]
    head = " | ".join(routes)
    cells = {name: [rows[name]["routes"].get(route) for route in routes] for name in names}
    right = [sum(bool(row[at]) and row[at]["right"] for row in cells.values())
             for at in range(len(routes))]  # fmt: skip
    told = sorted({rows[name]["versions"] for name in names})
    lines = [
        "# Ways from Keras to ONNX",
        "",
        f"    {COMMAND}",
        "",
        "Largest difference of a probability from the Keras network on 90 photos, share of equal "
        "labels, seconds of the conversion, in batches of five in ONNX Runtime, on two "
        "shared CPU cores. Weights are random, BatchNorm statistics those of photos, and a linear "
        f"head is fitted on the features. Right: every label, and within {TOLERANCE:g}.",
        "",
        f"| backbone | {head} |",
        f"|---|{'---|' * len(routes)}",
        *(
            f"| {name} | {' | '.join(c['text'] if c else 'not run' for c in row)} |"
            for name, row in cells.items()
        ),
        f"| right | {' | '.join(f'{count} of {len(names)}' for count in right)} |",
        "",
        f"Opset {OPSET}; jax2onnx with its default. Python {platform.python_version()}; "
        f"{'; '.join(told)}.",
        "",
    ]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", help="a folder with train/ and val/")
    parser.add_argument("--only", nargs="+", default=BACKBONES, metavar="NAME")
    parser.add_argument("--jax-python", type=Path, help="an interpreter with jax2onnx")
    parser.add_argument("--build", nargs=3, metavar=("NAME", "DATA", "FOLDER"))
    parser.add_argument("--one", nargs=2, metavar=("ROUTE", "FOLDER"))
    arguments = parser.parse_args()
    if arguments.build:
        name, data, folder = arguments.build
        build(name, Path(data), Path(folder))
        return
    if arguments.one:
        print(json.dumps(one(arguments.one[0], Path(arguments.one[1]))))
        return
    routes = [route for route in ROUTES if route != "jax2onnx" or arguments.jax_python]
    pythons = dict.fromkeys(routes, sys.executable)
    if arguments.jax_python:
        pythons["jax2onnx"] = arguments.jax_python.absolute()
    told = ", ".join(versions(python) for python in dict.fromkeys(pythons.values()))
    for name in arguments.only:
        folder = Path(tempfile.mkdtemp(prefix="onnx-routes-"))
        try:
            done = spawn(sys.executable, "tensorflow", "--build", name, arguments.data, folder)
            if done.returncode:
                sys.exit(f"{name} cannot be built: {done.stderr[-2000:]}")
            cells = {}
            for route in routes:
                right, text = cell(route, folder, pythons[route])
                cells[route] = {"right": right, "text": text}
                print(f"{name}, {route}: {text}", flush=True)
        finally:
            shutil.rmtree(folder)
        write(name, cells, told)
    print(RESULTS.with_suffix(".md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
