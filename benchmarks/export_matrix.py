"""Every backbone through every float format and its parity gate, in processes of their own.

    python benchmarks/export_matrix.py ../shared/data/trashnet_small
    python benchmarks/export_matrix.py ../shared/data/trashnet_small --only resnet50 mit_b0

No pretrained weights are needed: weights are random, BatchNorm statistics are estimated on real
photos and a linear head is fitted on real features, so that labels depend on the image. Results go
to benchmarks/results/export_matrix.json and .md. A backbone that is in the file already, with the
same versions and the same exporting code, is kept; ``--again`` does it anew.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "export_matrix.json"
FORMATS = ("saved_model", "onnx", "litert")
PACKAGES = (
    *("keras", "keras-hub", "tensorflow", "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert"),
)
LEAST_SIZE = 96
TRAIN, VALIDATION = 150, 90
# Photos in one pass of the large: whole batches of them would not fit into memory.
BATCH = 16
RIDGE = 1.0
BRANCH = 0.25


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


def settle_batch_norm(model, images):
    """Sets moving statistics to those of one large batch, in one training-mode pass."""
    import keras

    layers = [x for x in model._flatten_layers() if isinstance(x, keras.layers.BatchNormalization)]
    kept = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    if layers:
        model(images, training=True)
    for layer, momentum in zip(layers, kept, strict=True):
        layer.momentum = momentum


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
        for tensor in node.input_tensors:
            made = makers.get(id(tensor))
            while made is not None and isinstance(made.operation, passing):
                made = makers.get(id(made.input_tensors[0]))
            layer = None if made is None else made.operation
            if isinstance(layer, keras.layers.BatchNormalization) and layer.scale:
                layer.gamma.assign(BRANCH * layer.gamma)


def build(name, train, labels, classes):
    """A random backbone as a recipe builds it, under a softmax head fitted by ridge regression."""
    import keras

    import kerastl
    from kerastl.heads import Head

    keras.utils.set_random_seed(0)
    size = train.shape[1]
    base = kerastl.ImageClassification(backbone=name, weights=None, image_size=size).build_base()
    calm_residuals(base.model)
    settle_batch_norm(base.model, train[::5].astype("float32"))
    pooled = Head(dropout=0.0).attach(base.model.output, 2, seed=0)
    pooled = pooled._keras_history.operation.input
    features = keras.Model(base.model.inputs[0], pooled)
    values = np.concatenate(
        [
            features.predict(train[i : i + BATCH].astype("float32"), verbose=0)
            for i in range(0, len(train), BATCH)
        ]
    )
    mean, spread = values.mean(0), values.std(0) + 1e-6
    standard = (values - mean) / spread
    targets = 6.0 * np.eye(classes)[labels]
    gram = standard @ standard.T + RIDGE * len(standard) * np.eye(len(standard))
    kernel = standard.T @ np.linalg.solve(gram, targets - targets.mean(0))
    x = keras.layers.Normalization(mean=mean, variance=spread**2)(pooled)
    head = keras.layers.Dense(classes, activation="softmax")
    network = keras.Model(base.model.inputs[0], head(x))
    head.set_weights([kernel, targets.mean(0)])
    return network


def figures(artifact):
    """What is kept of one artifact."""
    keys = ("passed", "max_abs_diff", "label_agreement", "bytes", "seconds")
    return {key: artifact[key] for key in keys}


def export_one(network, folder, formats, **options):
    """Exports, and says what came of each format."""
    from kerastl.errors import ExportError, ParityError
    from kerastl.exporting import export

    start = time.monotonic()
    try:
        bundle = export(network, folder, formats=formats, overwrite=True, **options)
        cells = {item.format: figures(vars(item)) for item in bundle.artifacts}
    except ParityError as error:
        cells = {item["format"]: figures(item) for item in error.results}
        for cell in cells.values():
            if not cell["passed"]:
                cell["reason"] = "the parity gate"
    except ExportError as error:
        if len(formats) > 1:
            cells = {}
            for format in formats:
                cells |= export_one(network, folder, (format,), **options)
            return cells
        cells = {formats[0]: {"passed": False, "reason": str(error)}}
    for cell in cells.values():
        cell["export_seconds"] = round(time.monotonic() - start, 1)
    return cells


def measure(name, folder):
    """One row of the matrix."""
    import kerastl

    record = kerastl.get_backbone(name)
    size = size_of(record)
    ((x_train, y_train), (x_val, y_val)), names = read_photos(folder, size)
    start = time.monotonic()
    network = build(name, x_train, y_train, len(names))
    built = round(time.monotonic() - start, 1)
    with tempfile.TemporaryDirectory() as scratch:
        cells = export_one(
            network, Path(scratch) / "bundle", FORMATS, class_names=names, examples=x_val,
            labels=y_val, details={"backbone": name},
        )  # fmt: skip
    answers = network.predict(x_val.astype("float32"), batch_size=BATCH, verbose=0).argmax(1)
    return {
        "source": record.source,
        "parameters": record.parameters,
        "size": size,
        "photos": len(x_val),
        "labels": len(np.unique(answers)),
        "build_seconds": built,
        "cells": cells,
    }


def state():
    """Versions and a hash of the exporting code: what a result depends on."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    digest = hashlib.sha256()
    import kerastl

    root = Path(kerastl.__file__).parent
    for file in sorted((root / "exporting").glob("*.py")):
        digest.update(file.read_bytes())
    return {
        "versions": versions,
        "code": digest.hexdigest()[:16],
        "python": platform.python_version(),
    }


def read(path=RESULTS):
    """The results that are there already."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def ensure(name, folder, *, again=False, path=RESULTS):
    """Takes a row out of the results, or measures it in a process of its own and writes it."""
    now = state()
    row = read(path).get(name)
    if row is not None and row["state"] == now and not again:
        return row
    command = [sys.executable, __file__, str(folder), "--measure", name]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode == 0:
        row = json.loads(process.stdout.splitlines()[-1])
    else:
        reason = (process.stderr.strip().splitlines() or ["no message"])[-1]
        row = {"cells": {}, "reason": f"status {process.returncode}: {reason}"}
    row["state"] = now
    results = read(path) | {name: row}
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(path)
    path.with_suffix(".md").write_text(table(results), encoding="utf-8")
    return row


def cell_text(row, format):
    """One cell of the table."""
    cell = row["cells"].get(format)
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
    cells = [cell for _, row in rows for cell in row["cells"].values()]
    lines = [
        "# Every backbone through every float format",
        "",
        "    make matrix",
        "",
        f"{sum(cell['passed'] for cell in cells)} of {3 * len(rows)} artifacts pass the gate "
        "(every label, and probabilities within 1e-3) in TensorFlow, ONNX Runtime and LiteRT, "
        "against the Keras model on real photos. Weights are random, BatchNorm statistics those of "
        "photos, and a linear head is fitted on the features. A cell: largest difference, share of "
        "equal labels, size. Seconds: the whole export, of all formats, on two shared CPU cores.",
        "",
        "| backbone | pixels | SavedModel | ONNX | LiteRT | seconds |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in rows:
        seconds = max((c.get("export_seconds", 0) for c in row["cells"].values()), default=0)
        text = " | ".join(cell_text(row, format) for format in FORMATS)
        took = f"{seconds:.0f}" if seconds else "-"
        lines.append(f"| {name} | {row.get('size', '')} | {text} | {took} |")
    reasons = [
        f"- {name}, {format}: {' '.join(str(cell.get('reason')).split())[:600]}"
        for name, row in rows
        for format, cell in row["cells"].items()
        if not cell["passed"]
    ]
    reasons += [f"- {name}: {row['reason']}" for name, row in rows if "reason" in row]
    if reasons:
        lines += ["", "What does not pass:", "", *reasons]
    versions = sorted({json.dumps(row["state"]["versions"], sort_keys=True) for _, row in rows})
    lines += ["", *(f"Versions: {', '.join(f'{k} {v}' for k, v in json.loads(item).items())}."
                    for item in versions), ""]  # fmt: skip
    return "\n".join(lines)


def main():
    import kerastl

    # The large ones last: what goes wrong with the small shows soon.
    names = [r.name for r in sorted(kerastl.list_backbones("image"), key=lambda r: r.parameters)]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="a folder with train/ and val/ of class folders")
    parser.add_argument("--only", nargs="*", choices=names, metavar="NAME")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--measure", choices=names, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        print(json.dumps(measure(arguments.measure, arguments.data)))
        return 0
    failed = 0
    for name in arguments.only or names:
        row = ensure(name, arguments.data, again=arguments.again)
        passed = len(row["cells"]) == len(FORMATS) and all(
            cell["passed"] for cell in row["cells"].values()
        )
        failed += not passed
        texts = ", ".join(f"{format} {cell_text(row, format)}" for format in FORMATS)
        print(f"{name}: {texts} {row.get('reason', '')}", flush=True)
    print(f"{failed} backbones have a format that does not pass")
    return 0


if __name__ == "__main__":
    sys.exit(main())
