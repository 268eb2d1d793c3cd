"""Sabotage: what must be caught, by whom, and with which words."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kerastl.bundles import export, jobs, load_bundle, verify
from kerastl.bundles.hashing import sha256_manifest, sha256_path
from kerastl.errors import (
    BundleError,
    ConfigurationError,
    ExportError,
    MissingExtraError,
    ParityError,
)

from .conftest import CLASS_NAMES
from .planting import permute_onnx, spoil_after_conversion

pytestmark = pytest.mark.usefixtures("forked_workers")


def swap_litert_labels(path: Path) -> None:
    """Swaps the first two class names inside a LiteRT file."""
    with zipfile.ZipFile(path) as archive:
        start = archive.infolist()[0].header_offset
    path.write_bytes(path.read_bytes()[:start])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "\n".join([CLASS_NAMES[1], CLASS_NAMES[0], "carton", ""]))


def export_quickly(trained, path, formats, **options):
    options = {"examples": trained.x_val[:30], "class_names": CLASS_NAMES, **options}
    return export(trained.network, path, formats=formats, **options)


def test_swapped_outputs_are_a_parity_error(trained, tmp_path, monkeypatch):
    spoil_after_conversion(monkeypatch, lambda out: permute_onnx(out / "model.onnx"))
    with pytest.raises(ParityError, match="does not answer like the network") as caught:
        export_quickly(trained, tmp_path / "b", ["onnx"])
    assert "FAILED  model.onnx" in str(caught.value)
    assert "the gate asks for an agreement of 1" in str(caught.value)
    assert caught.value.results[0]["passed"] is False
    assert list(tmp_path.iterdir()) == []


def test_swapped_labels_and_a_truncated_file(trained, tmp_path, monkeypatch):
    spoil_after_conversion(monkeypatch, lambda out: swap_litert_labels(out / "model.tflite"))
    with pytest.raises(ParityError, match="holds the class names"):
        export_quickly(trained, tmp_path / "b", ["litert"])

    def truncate(out):
        data = (out / "model.tflite").read_bytes()
        (out / "model.tflite").write_bytes(data[: len(data) // 2])

    spoil_after_conversion(monkeypatch, truncate)
    with pytest.raises(ExportError, match=r"running model\.tflite"):
        export_quickly(trained, tmp_path / "b", ["litert"])
    assert list(tmp_path.iterdir()) == []


def erase_last_kernel(path: Path) -> None:
    """Zeroes the kernel of a LiteRT file's last dense layer, so that it knows one answer."""
    from ai_edge_litert import schema_py_generated as schema

    data = bytearray(path.read_bytes())
    model = schema.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    dense = [
        operator
        for operator in map(graph.Operators, range(graph.OperatorsLength()))
        if model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()
        == schema.BuiltinOperator.FULLY_CONNECTED
    ]
    kernel = model.Buffers(graph.Tensors(dense[-1].Inputs(1)).Buffer()).DataAsNumpy().tobytes()
    path.write_bytes(bytes(data).replace(kernel, bytes(len(kernel))))


def test_a_quantised_artifact_below_the_gate(trained, tmp_path, monkeypatch):
    spoil_after_conversion(monkeypatch, lambda out: erase_last_kernel(out / "model_int8.tflite"))
    options = {"quantize": ["int8"], "calibration": trained.x_train[:20]}
    with pytest.raises(ParityError, match=r"lower Gate\.quantized_label_agreement") as caught:
        export_quickly(trained, tmp_path / "b", ["litert"], **options)
    message = str(caught.value)
    assert "FAILED  model_int8.tflite" in message
    assert "the gate asks for an agreement of 0.98" in message
    assert "passed  model.tflite" in message


def test_a_network_of_nan(trained, tmp_path):
    import keras

    network = keras.models.clone_model(trained.network)
    weights = network.get_weights()
    weights[-1][:] = np.nan
    network.set_weights(weights)
    with pytest.raises(ExportError, match="not finite, on 30 of 30 images"):
        export(network, tmp_path / "b", class_names=CLASS_NAMES, examples=trained.x_val[:30])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def workers(monkeypatch):
    """The worker processes that were started, last one last."""
    started = []

    class Recorded(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            started.append(self)

    monkeypatch.setattr(jobs.subprocess, "Popen", Recorded)
    return started


def test_a_crash_of_the_converter_names_the_step(trained, tmp_path, workers):
    def crash(step):
        if step == "converting to onnx":
            os.kill(workers[-1].pid, signal.SIGSEGV)

    with pytest.raises(ExportError, match=r"while converting to onnx: .*killed by SIGSEGV"):
        export_quickly(trained, tmp_path / "b", ["onnx"], progress=crash)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_no_worker_and_no_folder(trained, tmp_path, workers):
    def interrupt(step):
        if step == "loading the network":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_quickly(trained, tmp_path / "b", ["onnx"], progress=interrupt)
    assert list(tmp_path.iterdir()) == []
    assert [worker.returncode for worker in workers] == [-signal.SIGKILL]


def test_a_missing_package_is_named_before_any_work(trained, tmp_path, monkeypatch):
    find = jobs.importlib.util.find_spec
    monkeypatch.delitem(sys.modules, "tf2onnx", raising=False)
    monkeypatch.setattr(
        jobs.importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else find(name)
    )
    with pytest.raises(MissingExtraError, match=r"'tf2onnx'.*pip install 'kerastl\[onnx\]'"):
        export_quickly(trained, tmp_path / "b", ["onnx"])


def test_a_damaged_network_file_is_an_export_error(tmp_path):
    (tmp_path / "network.keras").write_bytes(b"PK\x03\x04 truncated")
    job = {"does": "convert", "modules": [], "bundle": str(tmp_path), "formats": []}
    with pytest.raises(ExportError, match="while loading the network"):
        jobs.run_worker(job, tmp_path)


def test_layers_of_the_main_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import keras, kerastl.bundles\n"
        "class Mine(keras.layers.Layer):\n"
        "    def call(self, x): return x\n"
        "i = keras.Input((8, 8, 3))\n"
        "m = keras.Model(i, keras.layers.GlobalAveragePooling2D()(Mine()(i)))\n"
        "try: kerastl.bundles.export(m, 'b', class_names=list('abc'))\n"
        "except ValueError as e: print(e)\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert "Mine is defined in the main script" in done.stdout


@pytest.fixture
def copied(exported, tmp_path):
    shutil.copytree(exported.bundle.path, tmp_path / "bundle")
    return tmp_path / "bundle"


def rewrite_manifest(folder, change):
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text("utf-8"))
    change(manifest)
    file.write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "model.onnx",
        "model_int8.tflite",
        "labels.txt",
        "golden/outputs.npz",
        "golden/inputs.npz",
        "golden/files/turned.jpg",
        "saved_model/saved_model.pb",
        "saved_model/assets/labels.txt",
    ],
)
def test_a_changed_byte_or_a_missing_or_truncated_file(copied, name):
    file, shown = copied / name, name.split("/saved")[0].split("/assets")[0]
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(BundleError, match=f"damaged: {shown} is not what was exported"):
        verify(copied)
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(BundleError, match="damaged"):
        verify(copied)
    file.unlink()
    with pytest.raises(BundleError, match=r"missing|damaged"):
        verify(copied)


def test_swapped_labels_txt(copied):
    lines = (copied / "labels.txt").read_text("utf-8").split("\n")
    (copied / "labels.txt").write_text("\n".join([lines[1], lines[0], *lines[2:]]), "utf-8")
    with pytest.raises(BundleError, match=r"labels\.txt is not what was exported"):
        verify(copied)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda m: m["metrics"].update(accuracy=1.0), "was changed after the export"),
        (lambda m: m["class_names"].reverse(), "was changed after the export"),
        (lambda m: m.pop("artifacts"), "no valid 'artifacts'"),
        (lambda m: m.update(schema_version=99), "schema_version 99"),
        (lambda m: m["artifacts"][0].update(path="../../x"), "outside the bundle"),
        (lambda m: m["artifacts"][0].update(format="exe"), "invalid artifact entry"),
    ],
)
def test_an_altered_manifest(copied, change, match):
    rewrite_manifest(copied, change)
    with pytest.raises(BundleError, match=match):
        verify(copied)
    with pytest.raises(BundleError, match=match):
        load_bundle(copied)


def test_no_bundle_at_all(tmp_path, copied):
    with pytest.raises(BundleError, match="not a bundle"):
        verify(tmp_path / "nothing")
    (copied / "manifest.json").write_text("{", "utf-8")
    with pytest.raises(BundleError, match="damaged"):
        verify(copied)


def test_load_bundle_checks_the_artifact(copied):
    with (copied / "model.onnx").open("ab") as handle:
        handle.write(b"x")
    with pytest.raises(BundleError, match="not what was exported"):
        load_bundle(copied, "onnx")
    with pytest.raises(ConfigurationError, match="no artifact"):
        load_bundle(copied, "saved_model", "int8")


def test_answers_are_checked_where_every_hash_was_forged(copied):
    permute_onnx(copied / "model.onnx")
    swap_litert_labels(copied / "model.tflite")

    def forge(manifest):
        for entry in manifest["artifacts"]:
            entry["sha256"] = sha256_path(copied / entry["path"])
        manifest["manifest_sha256"] = sha256_manifest(manifest)

    rewrite_manifest(copied, forge)
    with pytest.raises(ParityError, match="does not give its golden answers") as caught:
        verify(copied)
    message = str(caught.value)
    assert "FAILED  model.onnx" in message
    assert "model.tflite holds the class names" in message
    assert "passed  saved_model" in message
