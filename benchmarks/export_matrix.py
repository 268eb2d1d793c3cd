"""Every backbone through every format, quantisation and parity gate, in processes of their own.

    python benchmarks/export_matrix.py ../shared/data/trashnet_small
    python benchmarks/export_matrix.py ../shared/data/trashnet_small --only resnet50 mit_b0
    python benchmarks/export_matrix.py ../shared/data/trashnet_small --part float

No pretrained weights are needed: weights are random, BatchNorm statistics are estimated on real
photos and a linear head is fitted on real features, so that labels depend on the image. Results go
to benchmarks/results/export_matrix.json and .md. What is there already, with the same versions and
the same exporting code, is kept; ``--again`` does it anew. All float formats come first, the small
backbones before the large, and then what is quantised.
"""

import argparse
import hashlib
import importlib.metadata
import inspect
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import filelock
import numpy as np

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "export_matrix.json"
FORMATS = ("saved_model", "onnx", "litert")
QUANTIZATIONS = ("float16", "dynamic", "int8")
PARTS = {"float": FORMATS, "quantised": tuple(f"litert_{kind}" for kind in QUANTIZATIONS)}
PACKAGES = (
    *("keras", "keras-hub", "tensorflow", "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert"),
)
# What a file and its figures depend on: the modules that convert images' networks, run what came
# out, and compare.
CODE = (
    *("bundles/worker", "bundles/sessions", "formats/conversion", "formats/tracing"),
    *("formats/saved_model_conversion", "formats/saved_model", "formats/pairs/encoded_images"),
    *("formats/pairs/decoding", "formats/onnx_conversion", "formats/onnx", "formats/onnx_passes"),
    *("formats/graph_passes", "formats/litert_conversion", "formats/litert"),
    *("formats/litert_graph", "formats/pairs/mediapipe", "formats/quantization"),
    *("formats/float_layers", "formats/rounding", "formats/weight_correction"),
    *("inputs/image", "outputs/classes", "outputs/gate"),
)
LEAST_SIZE = 96
TRAIN, VALIDATION = 150, 90
CALIBRATION = 60
# Photos in one pass of the large: whole batches of them would not fit into memory.
BATCH = 16
# Strong, since what is fitted on so few photos would magnify rounding in the features.
RIDGE = 10.0
BRANCH = 0.25
# A network whose answers move by more than this when its input is off by as much as float32 rounds
# is chaotic: no two runtimes could agree on it.
STEADY, ROUNDING = 3e-5, 2e-7
FILTERS = {
    "red": (1.0, 0.3, 0.3),
    "green": (0.3, 1.0, 0.3),
    "blue": (0.3, 0.3, 1.0),
    "dark": (0.3, 0.3, 0.3),
}


def size_of(record):
    """The least size from 96 pixels on at which a backbone can be built."""
    side = max(LEAST_SIZE, record.minimum_size)
    return -(-side // record.size_step) * record.size_step


def read_photos(folder, size):
    """Photos, labels and class names of both splits, as many of each class as may be."""
    from kerastl.data import decode_image

    names = sorted(item.name for item in (folder / "train").iterdir())
    splits = []
    for split, count in (("train", TRAIN), ("val", VALIDATION)):
        files = [
            file
            for name in names
            for file in sorted((folder / split / name).iterdir())[: count // len(names)]
        ]
        labels = np.array([names.index(file.parent.name) for file in files])
        splits.append((np.stack([decode_image(file, (size, size)) for file in files]), labels))
    return splits, names


def through_filters(images):
    """Photos as seen through a red, a green, a blue and a dark filter, in turn, and which.

    What quantisation does to a random network is judged on these: kinds of litter it tells apart
    by hairs, and eight bits tip a tenth of its answers, whoever writes the file. Some networks tell
    even these apart no better: see ``correct`` and ``margin`` of the results.
    """
    which = np.arange(len(images)) % len(FILTERS)
    shares = np.array(list(FILTERS.values()))[which][:, None, None, :]
    return np.rint(images * shares).astype(images.dtype), which


def settle_batch_norm(model, images):
    """Sets moving statistics to those of one large batch, in one training-mode pass.

    Without dropout, stochastic depth above all: statistics of halved networks are not the whole's.
    """
    import keras

    norms = [x for x in model._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]
    drops = [x for x in model._flatten_layers() if hasattr(x, "rate")]
    momenta, rates = [x.momentum for x in norms], [x.rate for x in drops]
    for norm in norms:
        norm.momentum = 0.0
    for drop in drops:
        drop.rate = 0.0
    if norms:
        model(images, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    for drop, rate in zip(drops, rates, strict=True):
        drop.rate = rate


def calm_residuals(model):
    """Scales the branch of every residual join down, by the gamma of its last BatchNormalization.

    Deep random networks are chaotic: a difference in the last bit grows from join to join, which no
    trained network does, and which says nothing of an export.
    """
    import keras

    from kerastl.graph import inline, nodes_of

    nodes = nodes_of(inline(model))
    makers = {id(tensor): node for node in nodes for tensor in node.outputs}
    passing = (keras.layers.Dropout, keras.layers.Activation)
    for node in nodes:
        if not isinstance(node.operation, keras.layers.Add):
            continue
        branches = []
        for tensor in node.input_tensors:
            made = makers.get(id(tensor))
            while made is not None and isinstance(made.operation, passing):
                made = makers.get(id(made.input_tensors[0]))
            layer = None if made is None else made.operation
            if isinstance(layer, keras.layers.BatchNormalization) and layer.scale:
                branches.append(layer)
        # Where the shortcut has a normalisation too, one of the two stays as it is.
        for layer in branches[int(len(branches) == len(node.input_tensors)) :]:
            layer.gamma.assign(BRANCH * layer.gamma)


def build(name, train, labels, classes):
    """A random backbone as a recipe builds it, under a softmax head fitted by ridge regression."""
    import keras

    import kerastl
    from kerastl.heads import Head
    from kerastl.outputs import Classes

    keras.utils.set_random_seed(0)
    size = train.shape[1]
    base = kerastl.ImageClassification(backbone=name, weights=None, image_size=size).build_base()
    calm_residuals(base.model)
    settle_batch_norm(base.model, train[::2].astype("float32"))
    pooled = Head(dropout=0.0).attach(base.model.output, Classes(("a", "b")), seed=0)
    pooled = pooled._keras_history.operation.input
    features = keras.Model(base.model.inputs[0], pooled)
    values = np.concatenate(
        [
            features.predict(train[i : i + BATCH].astype("float32"), verbose=0)
            for i in range(0, len(train), BATCH)
        ]
    )
    mean, spread = values.mean(0), values.std(0) + 1e-6
    # Bounded: photos unlike those that the statistics are of have features of any size, and with
    # them rounding of any size.
    standard = np.tanh((values - mean) / spread)
    targets = 6.0 * np.eye(classes)[labels]
    gram = standard @ standard.T + RIDGE * len(standard) * np.eye(len(standard))
    kernel = standard.T @ np.linalg.solve(gram, targets - targets.mean(0))
    x = keras.layers.Normalization(mean=mean, variance=spread**2)(pooled)
    x = keras.layers.Activation("tanh")(x)
    head = keras.layers.Dense(classes, activation="softmax")
    network = keras.Model(base.model.inputs[0], head(x))
    head.set_weights([kernel, targets.mean(0)])
    return network


def build_steady(name, images, labels, classes):
    """``build``, with calmer joins until rounding of the input no longer moves the answers.

    Returns:
        The network, and what its joins were scaled by.
    """
    global BRANCH
    shaken = images[:BATCH].astype("float32")
    shaken *= 1 + ROUNDING * np.random.default_rng(0).choice([-1, 1], shaken.shape)
    usual = BRANCH
    try:
        for share in (1, 2, 4):
            BRANCH = usual / share
            network = build(name, images, labels, classes)
            pair = (images[:BATCH].astype("float32"), shaken.astype("float32"))
            first, second = (network.predict(x, verbose=0) for x in pair)
            if np.abs(first - second).max() < STEADY:
                break
        return network, usual / share
    finally:
        BRANCH = usual


def widen_margins(network, train, labels, classes):
    """The same network under another head, in which the widest differences decide.

    The ridge's head weighs every feature by its spread, small ones as much as large ones, so that
    any difference that an export makes shows. Eight bits keep large ones alone.
    """
    import keras
    from sklearn.linear_model import LogisticRegression

    # The last: a backbone may have one for its pixels.
    norm = [x for x in network.layers if isinstance(x, keras.layers.Normalization)][-1]
    features = keras.Model(network.inputs[0], norm.input)
    values = features.predict(train.astype("float32"), batch_size=BATCH, verbose=0)
    mean, spread = values.mean(0), values.std()
    fitted = LogisticRegression(max_iter=1000).fit((values - mean) / spread, labels)
    kernel = fitted.coef_.T / spread
    head = keras.layers.Dense(classes, activation="softmax")
    widened = keras.Model(network.inputs[0], head(norm.input))
    head.set_weights([kernel, fitted.intercept_ - mean @ kernel])
    return widened


def figures(artifact):
    """What is kept of one artifact."""
    keys = ("passed", "max_abs_diff", "label_agreement", "bytes", "seconds")
    return {key: artifact[key] for key in keys}


def column(artifact):
    """The matrix's column that an artifact belongs to."""
    kind = artifact["quantization"]
    return artifact["format"] if kind is None else f"{artifact['format']}_{kind}"


def export_all(network, folder, formats, quantize=(), **options):
    """Exports, and says what came of each artifact; one by one where not all can be converted."""
    from kerastl.bundles import export
    from kerastl.errors import ExportError, ParityError

    start = time.monotonic()
    try:
        bundle = export(
            network, folder, formats=formats, quantize=quantize, overwrite=True, **options
        )
        cells = {column(vars(item)): figures(vars(item)) for item in bundle.artifacts}
    except ParityError as error:
        cells = {column(item): figures(item) for item in error.results}
        for cell in cells.values():
            if not cell["passed"]:
                cell["reason"] = "the parity gate, so that no such file is written"
    except ExportError as error:
        pieces = [((name,), ()) for name in formats]
        if quantize:
            pieces = [(formats, (kind,)) for kind in quantize]
        if len(pieces) > 1:
            cells = {}
            for piece in pieces:
                cells |= export_all(network, folder, *piece, **options)
            return cells
        name = f"{formats[0]}_{quantize[0]}" if quantize else formats[0]
        cells = {name: {"passed": False, "reason": str(error)}}
    for cell in cells.values():
        cell["export_seconds"] = round(time.monotonic() - start, 1)
    return cells


def measure(name, folder, part):
    """One part of a row of the matrix."""
    import kerastl

    record = kerastl.get_backbone(name)
    size = size_of(record)
    ((x_train, y_train), (x_val, y_val)), names = read_photos(folder, size)
    if part == "quantised":
        names = list(FILTERS)
        (x_train, y_train), (x_val, y_val) = through_filters(x_train), through_filters(x_val)
    start = time.monotonic()
    network, branch = build_steady(name, x_train, y_train, len(names))
    if part == "quantised":
        network = widen_margins(network, x_train, y_train, len(names))
    built = round(time.monotonic() - start, 1)
    plan = {"formats": FORMATS}
    if part == "quantised":
        spread = np.linspace(0, len(x_train) - 1, CALIBRATION).astype(int)
        plan = {"formats": ("litert",), "quantize": QUANTIZATIONS, "calibration": x_train[spread]}
    with tempfile.TemporaryDirectory() as scratch:
        cells = export_all(
            network, Path(scratch) / "bundle", **plan, class_names=names, examples=x_val,
            labels=y_val, details={"backbone": name},
        )  # fmt: skip
    outputs = network.predict(x_val.astype("float32"), batch_size=BATCH, verbose=0)
    answers, ranked = outputs.argmax(1), np.sort(outputs, axis=1)
    known = {"labels": len(np.unique(answers))}
    if part == "quantised":
        share, margin = np.mean(answers == y_val), np.median(ranked[:, -1] - ranked[:, -2])
        known = {"correct": round(float(share), 3), "margin": round(float(margin), 3)}
        for cell in cells.values():
            if "gate" in cell.get("reason", ""):
                cell["reason"] += (
                    f" (random weights: the network itself is right on {share:.0%} of the photos, "
                    f"its answers {margin:.2f} ahead of its second ones)"
                )
    return {
        "source": record.source,
        "parameters": record.parameters,
        "size": size,
        "photos": len(x_val),
        **known,
        "build_seconds": built,
        "branch": branch,
        "cells": {key: cells[key] for key in PARTS[part] if key in cells},
    }


def state(part):
    """Versions and hashes of the exporting code and of the networks: what a result depends on."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    digest = hashlib.sha256()
    import kerastl

    root = Path(kerastl.__file__).parent
    for name in CODE:
        digest.update((root / f"{name}.py").read_bytes())
    makers = (settle_batch_norm, calm_residuals, build)
    made = "".join(map(inspect.getsource, makers)) + f"{BRANCH}{RIDGE}"
    if part == "quantised":
        made += "".join(map(inspect.getsource, (through_filters, widen_margins))) + f"{FILTERS}"
    return {
        "versions": versions,
        "code": digest.hexdigest()[:16],
        "networks": hashlib.sha256(made.encode()).hexdigest()[:16],
        "python": platform.python_version(),
    }


def read(path=RESULTS):
    """The results that are there already."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def ensure(name, folder, part="float", *, again=False, path=RESULTS):
    """Takes a part of a row out of the results, or measures it in a process of its own."""
    now, states = state(part), f"{part}_state"
    row = read(path).get(name, {"cells": {}})
    if row.get(states) == now and not again:
        return row
    command = [sys.executable, __file__, str(folder), "--measure", name, "--part", part]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    found = {"cells": {}}
    if process.returncode == 0:
        found = json.loads(process.stdout.splitlines()[-1])
    else:
        reason = (process.stderr.strip().splitlines() or ["no message"])[-1]
        reason = f"status {process.returncode}: {reason}"
        found["cells"] = {key: {"passed": False, "reason": reason} for key in PARTS[part]}
    found["cells"] = {**row["cells"], **found["cells"]}
    row = {**row, **found, states: now}
    # Two of these may run at once.
    with filelock.FileLock(path.with_suffix(".lock")):
        results = read(path) | {name: row}
        temporary = path.with_suffix(".tmp")
        text = json.dumps(results, indent=1, sort_keys=True) + "\n"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
        path.with_suffix(".md").write_text(table(results), encoding="utf-8")
    return row


def cell_text(row, key):
    """One cell of the table."""
    cell = row["cells"].get(key)
    if cell is None:
        return "not run"
    if not cell["passed"] and "max_abs_diff" not in cell:
        return "**no**"
    diff = cell["max_abs_diff"]
    diff = "not finite" if diff is None else f"{diff:.1e}"
    text = f"{diff}, {cell['label_agreement']:.3f}, {cell['bytes'] / 1e6:.1f} MB"
    return text if cell["passed"] else f"**no**: {text}"


def table(results):
    """The results as Markdown."""
    import kerastl

    order = [record.name for record in kerastl.list_backbones("image")]
    rows = [(name, results[name]) for name in order if name in results]
    counts = [
        f"{sum(cell['passed'] for cell in cells)} of {len(cells)} {part} artifacts"
        for part, keys in PARTS.items()
        if (cells := [row["cells"][key] for _, row in rows for key in keys if key in row["cells"]])
    ]
    lines = [
        "# Every backbone through every format",
        "",
        "    make matrix",
        "",
        f"{' and '.join(counts)} pass the gate, run in TensorFlow, ONNX Runtime and LiteRT, "
        "against the Keras model on real photos: float ones in every label and within 1e-3, "
        "quantised ones in 98 % of the labels. Weights are random, BatchNorm statistics those of "
        "photos, and a linear head is fitted on the features: six kinds of litter, and for the "
        "quantised files the filter that a photo was seen through (red, green, blue, dark), since "
        "random networks tell litter apart by hairs only (trained ones: README.md). A cell: "
        "largest difference, share of "
        "equal labels, size. Seconds: the whole export of a row's files, on two shared CPU cores. "
        "Joins of a deep network whose own answers move when its input is off by a rounding "
        "error are calmed until they do not (`branch` in the JSON). A star: measured before the "
        "last change of these networks or of the exporting code.",
        "",
    ]
    for part in PARTS:
        shown = [(name, row) for name, row in rows if f"{part}_state" in row]
        if shown:
            lines += [f"## {part.capitalize()}", "", *_rows(shown, part), ""]
    reasons = [
        f"- {name}, {key}: {' '.join(str(cell.get('reason')).split())[:600]}"
        for name, row in rows
        for key, cell in row["cells"].items()
        if not cell["passed"]
    ]
    if reasons:
        lines += ["What does not pass:", "", *reasons, ""]
    for part in PARTS:
        left = [name for name in order if f"{part}_state" not in results.get(name, {})]
        if left:
            lines += [f"Not run ({part}): {', '.join(left)}.", ""]
    versions = {
        json.dumps(row[key]["versions"], sort_keys=True)
        for _, row in rows
        for key in row
        if key.endswith("_state")
    }
    lines += [f"Versions: {', '.join(f'{k} {v}' for k, v in json.loads(item).items())}."
              for item in sorted(versions)]  # fmt: skip
    return "\n".join([*lines, ""])


def _rows(rows, part):
    keys, now = PARTS[part], state(part)
    titles = {"saved_model": "SavedModel", "onnx": "ONNX", "litert": "LiteRT"}
    heading = [titles.get(key, key.removeprefix("litert_")) for key in keys]
    lines = [f"| backbone | pixels | {' | '.join(heading)} | seconds |"]
    lines.append("|" + "---|" * (len(keys) + 3))
    for name, row in rows:
        seconds = max(row["cells"].get(key, {}).get("export_seconds", 0) for key in keys)
        text = " | ".join(cell_text(row, key) for key in keys)
        star = "" if row[f"{part}_state"] == now else "*"
        lines.append(f"| {name}{star} | {row.get('size', '')} | {text} | {seconds:.0f} |")
    return lines


def main():
    import kerastl

    # The large ones last: what goes wrong with the small shows soon.
    names = [r.name for r in sorted(kerastl.list_backbones("image"), key=lambda r: r.parameters)]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="a folder with train/ and val/ of class folders")
    parser.add_argument("--only", nargs="*", choices=names, metavar="NAME")
    parser.add_argument("--part", choices=tuple(PARTS), help="both, where this is left out")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--measure", choices=names, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        print(json.dumps(measure(arguments.measure, arguments.data, arguments.part)))
        return 0
    for part in (arguments.part,) if arguments.part else PARTS:
        failed = 0
        for name in arguments.only or names:
            row = ensure(name, arguments.data, part, again=arguments.again)
            cells = [row["cells"].get(key, {"passed": False}) for key in PARTS[part]]
            failed += not all(cell["passed"] for cell in cells)
            texts = ", ".join(f"{key} {cell_text(row, key)}" for key in PARTS[part])
            print(f"{name}: {texts}", flush=True)
        print(f"{part}: {failed} backbones have an artifact that does not pass", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
