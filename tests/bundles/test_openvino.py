"""OpenVINO behind the same gate: what its files hold, how they run, what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerastl.bundles import export, jobs, load_bundle, verify
from kerastl.bundles.hashing import sha256_path
from kerastl.data import decode_full_size, decode_image
from kerastl.errors import BundleError, MissingExtraError, ParityError
from kerastl.formats import FORMATS

from .conftest import CLASS_NAMES, HEIGHT, WIDTH
from .planting import forge, spoil_after_conversion

openvino = pytest.importorskip("openvino", reason="needs pip install 'kerastl[openvino]'")

PATH = "model_openvino"
RUNNER = Path(__file__).resolve().parents[2] / "export" / "run_openvino.py"


@pytest.fixture(scope="module")
def bundle(trained, tmp_path_factory):
    return export(
        trained.network,
        tmp_path_factory.mktemp("openvino") / "bundle",
        class_names=CLASS_NAMES,
        formats=["openvino"],
        examples=trained.x_val,
        labels=trained.y_val,
        files=trained.files,
    )


def test_it_passes_and_is_described(bundle):
    (artifact,) = bundle.artifacts
    assert (artifact.format, artifact.path, artifact.passed) == ("openvino", PATH, True)
    assert artifact.max_abs_diff < 1e-4
    assert artifact.label_agreement == 1.0
    assert artifact.seconds > 0
    assert artifact.sha256 == sha256_path(bundle.path / PATH)
    (entry,) = bundle.manifest["artifacts"]
    assert entry["batch"] == "dynamic"
    assert entry["openvino"] == openvino.get_version()
    files = [item.name for item in (bundle.path / PATH).iterdir()]
    assert sorted(files) == ["model.bin", "model.xml"]
    assert not (bundle.path / "saved_model").exists()
    assert "OpenVINO" in (bundle.path / "README.md").read_text("utf-8")


def test_names_shapes_precision_and_metadata(bundle):
    model = openvino.Core().read_model(bundle.path / PATH / "model.xml")
    assert [value.get_names() for value in model.inputs] == [{"image"}]
    assert [value.get_names() for value in model.outputs] == [{"probabilities"}]
    shape = model.inputs[0].get_partial_shape()
    assert str(shape) == f"[?,{HEIGHT},{WIDTH},3]"
    constants = [op for op in model.get_ops() if op.get_type_name() == "Constant"]
    assert "f16" not in {str(op.get_element_type().get_type_name()) for op in constants}
    assert json.loads(model.get_rt_info(["kerastl", "class_names"]).value) == CLASS_NAMES
    assert json.loads(model.get_rt_info(["kerastl", "input"]).value)["color_order"] == "RGB"


def test_the_file_names_no_path_of_the_machine(bundle):
    text = (bundle.path / PATH / "model.xml").read_text("utf-8")
    assert 'name="kerastl"' in text
    assert "saved_model" not in text
    assert str(bundle.path.parent) not in text


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_batches_of_any_size(bundle, trained, batch):
    session = FORMATS["openvino"].open(bundle.path / PATH, threads=1)
    images = trained.x_val[10 : 10 + batch]
    found = session.run({"image": images.astype(np.float32)})["probabilities"]
    assert np.abs(found - trained.predict(images)).max() < 1e-4


def test_verify_and_predict(bundle, trained):
    again = verify(bundle.path)
    assert again.passed
    assert again.artifacts[0].n == 32
    predictor = load_bundle(bundle.path)
    assert (predictor.format, predictor.class_names) == ("openvino", tuple(CLASS_NAMES))
    rows = np.stack([decode_image(file, (HEIGHT, WIDTH)) for file in trained.files])
    assert np.abs(predictor.predict(trained.files) - trained.predict(rows)).max() < 1e-4


def test_the_runner_gives_the_networks_label(bundle, trained, tmp_path):
    command = [sys.executable, str(RUNNER), str(bundle.path), *map(str, trained.files), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    predictions = json.loads(done.stdout)["predictions"]
    for item, file in zip(predictions, trained.files, strict=True):
        row = trained.predict(decode_image(file, (HEIGHT, WIDTH))[None])[0]
        assert item["label"] == CLASS_NAMES[row.argmax()]
        assert item["probability"] == pytest.approx(row.max(), abs=1e-3)


def test_images_of_any_size(trained, tmp_path):
    made = export(
        trained.network,
        tmp_path / "bundle",
        class_names=CLASS_NAMES,
        formats=["openvino", "onnx"],
        examples=trained.x_val[:20],
        files=trained.files,
        any_size=True,
    )
    onnx, own = (FORMATS[item.format].open(made.path / item.path) for item in made.artifacts)
    for file in trained.files:
        feeds = {"image": decode_full_size(file)[None].astype(np.float32)}
        [expected], [found] = onnx.run(feeds).values(), own.run(feeds).values()
        np.testing.assert_allclose(found, expected, atol=1e-3)
    command = [sys.executable, str(RUNNER), str(made.path), str(trained.files[0])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.split("\t")[1] in CLASS_NAMES


def swap_outputs(folder):
    """Swaps the first two outputs of an OpenVINO model."""
    core, ops = openvino.Core(), openvino.opset13
    model = core.read_model(folder / "model.xml")
    result = model.get_results()[0]
    source = result.input_value(0)
    names = source.get_names()
    order, axis = (ops.constant(np.array(values)) for values in ([1, 0, 2], 1))
    swapped = ops.gather(source, order, axis)
    source.get_tensor().set_names(set())
    swapped.output(0).get_tensor().set_names(names)
    changed = openvino.Model([swapped], model.get_parameters())
    for key in ("class_names", "input"):
        changed.set_rt_info(model.get_rt_info(["kerastl", key]).value, ["kerastl", key])
    openvino.save_model(changed, folder / "other.xml", compress_to_fp16=False)
    del model
    (folder / "other.xml").replace(folder / "model.xml")
    (folder / "other.bin").replace(folder / "model.bin")


def test_swapped_outputs_fail_the_gate(trained, tmp_path, monkeypatch):
    spoil_after_conversion(monkeypatch, lambda out: swap_outputs(out / PATH))
    with pytest.raises(ParityError, match="its outputs are in another order"):
        export(
            trained.network,
            tmp_path / "bundle",
            class_names=CLASS_NAMES,
            formats=["openvino"],
            examples=trained.x_val[:30],
        )
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def copied(bundle, tmp_path):
    import shutil

    return Path(shutil.copytree(bundle.path, tmp_path / "bundle"))


@pytest.mark.parametrize("name", ["model.xml", "model.bin"])
def test_a_changed_or_missing_file(copied, name):
    file = copied / PATH / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(BundleError, match="damaged: model_openvino is not what was exported"):
        verify(copied)
    file.unlink()
    with pytest.raises(BundleError, match="damaged"):
        verify(copied)


def test_class_names_cut_out_of_the_file(copied):
    file = copied / PATH / "model.xml"
    text = file.read_text("utf-8")
    start, end = text.index("<class_names "), text.index("/>", text.index("<class_names ")) + 2
    file.write_text(text[:start] + text[end:], "utf-8")
    forge(copied)
    with pytest.raises(BundleError, match="holds no class names"):
        verify(copied)


def test_an_operator_that_openvino_lacks(tmp_path):
    import tensorflow as tf

    from kerastl.formats import openvino_conversion

    function = tf.function(
        lambda image: tf.math.igamma(image, image),
        input_signature=[tf.TensorSpec((None, 4), tf.float32, name="image")],
    ).get_concrete_function()
    names = {"inputs": {"image:0": "image"}, "outputs": {function.outputs[0].name: "scores"}}
    with pytest.raises(RuntimeError, match=r"(?s)cannot convert.*Igamma.*Leave 'openvino' out"):
        openvino_conversion.write(function, tmp_path / "o", {}, **names)
    assert not (tmp_path / "o").exists()


def test_where_openvino_is_missing(trained, bundle, tmp_path, monkeypatch):
    find = jobs.importlib.util.find_spec
    monkeypatch.delitem(sys.modules, "openvino")
    monkeypatch.setattr(
        jobs.importlib.util, "find_spec", lambda name: None if name == "openvino" else find(name)
    )
    match = r"'openvino', which is not installed.*pip install 'kerastl\[openvino\]'"
    with pytest.raises(MissingExtraError, match=match):
        export(trained.network, tmp_path / "b", class_names=CLASS_NAMES, formats=("openvino",))
    with pytest.raises(MissingExtraError, match=match):
        verify(bundle.path)
    assert list(tmp_path.iterdir()) == []
