"""Each fault is planted in a bundle of texts; verify, or the export, must name it."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest

from kerastl.bundles import load_bundle, text_running, texts, verify
from kerastl.bundles.hashing import sha256_manifest, sha256_path
from kerastl.errors import BundleError, ExportError, ParityError
from kerastl.text import Tokenizer

from .test_failures import permute_onnx
from .text_models import text_model, word_piece

pytest.importorskip("keras_hub")
pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    path = tmp_path_factory.mktemp("faults") / "bundle"
    return text_model().export(path, formats=("onnx",)).path


@pytest.fixture
def folder(bundle, tmp_path):
    return shutil.copytree(bundle, tmp_path / "bundle")


def forge(folder, **changes):
    """Makes the hashes of a changed bundle right again."""
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text("utf-8"))
    for name, value in changes.items():
        if name in manifest:
            manifest[name] = value
        else:
            manifest["tokenizer"][name] = value
    manifest["files"] = {name: sha256_path(folder / name) for name in manifest["files"]}
    manifest["tokenizer"]["sha256"] = manifest["files"]["tokenizer.json"]
    for entry in manifest["artifacts"]:
        entry["sha256"] = sha256_path(folder / entry["path"])
    manifest["manifest_sha256"] = sha256_manifest(manifest)
    file.write_text(json.dumps(manifest), encoding="utf-8")


def swap_words(folder):
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text("utf-8"))
    words = content["model"]["vocab"]
    words["good"], words["bad"] = words["bad"], words["good"]
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("name", ["tokenizer.json", "golden/texts.json", "model.onnx"])
def test_a_changed_byte(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(BundleError, match=f"{name} is not what was exported"):
        verify(folder)


def test_a_changed_tokenizer(folder):
    swap_words(folder)
    with pytest.raises(BundleError, match="tokenizer.json is missing or was changed"):
        load_bundle(folder)
    forge(folder)
    with pytest.raises(BundleError, match="other ids than at export: its vocabulary, its rules"):
        verify(folder)


@pytest.mark.parametrize("length", [9, 24])
def test_another_length(folder, length):
    forge(folder, max_length=length)
    with pytest.raises(
        BundleError, match=rf"cut at {length} tokens \(max_length\), and were cut at 16"
    ):
        verify(folder)


def test_another_start_token(folder):
    forge(folder, start_ids=[4])
    with pytest.raises(BundleError, match=r"the tokenizer's start_ids are \[4\]; they are \[2\]"):
        verify(folder)


def test_the_case_is_kept(folder):
    word_piece(lowercase=False).save(folder / "tokenizer.json")
    forge(folder)
    with pytest.raises(BundleError, match=r"the case is kept \(lowercase\), and was folded"):
        verify(folder)


def test_the_case_is_folded(tmp_path):
    path = tmp_path / "cased"
    text_model(tokenizer=word_piece(lowercase=False)).export(path, formats=("onnx",))
    word_piece(lowercase=True).save(path / "tokenizer.json")
    forge(path)
    with pytest.raises(BundleError, match=r"the case is folded \(lowercase\), and was kept"):
        verify(path)


def test_swapped_labels(folder):
    names = ["gut", "bad, or worse", "très bien"]
    lines = "".join(f"{name}\n" for name in names)
    (folder / "labels.txt").write_text(lines, encoding="utf-8")
    with pytest.raises(BundleError, match="labels.txt is not what was exported"):
        verify(folder)
    forge(folder)
    with pytest.raises(BundleError, match=r"labels.txt and manifest.json name different classes"):
        verify(folder)
    forge(folder, class_names=names)
    with pytest.raises(ParityError) as caught:
        verify(folder)
    message = str(caught.value)
    assert "model.onnx holds the class names ['bad, or worse', 'gut'" in message
    assert "model.onnx calls the golden text" in message


def test_outputs_in_another_order(folder):
    permute_onnx(folder / "model.onnx")
    forge(folder)
    with pytest.raises(ParityError, match="its outputs are in another order: output 0 is") as error:
        verify(folder)
    assert "FAILED  model.onnx" in str(error.value)


def test_golden_texts_that_are_gone(folder):
    (folder / "golden" / "inputs.npz").write_bytes(b"nothing")
    forge(folder)
    with pytest.raises(BundleError, match="golden cannot be read"):
        verify(folder)


def test_a_tokenizer_that_is_not_what_it_says_stops_the_export(tmp_path):
    lies = Tokenizer(
        word_piece().content, pad_id=0, max_length=64, lowercase=False, rule="keras_hub"
    )
    with pytest.raises(ExportError, match=r"comparing tokenizers: TokenizerError: .*differ on"):
        text_model(tokenizer=lies).export(tmp_path / "b", formats=("onnx",))
    assert list(tmp_path.iterdir()) == []


def spoil(monkeypatch, plant):
    """Plants a fault after the conversion, before the artifacts are run."""

    def run(folder, *arguments):
        plant(folder)
        return text_running.run_text_artifacts(folder, *arguments)

    monkeypatch.setattr(texts, "run_text_artifacts", run)


def test_a_fault_stops_the_export(tmp_path, monkeypatch):
    spoil(monkeypatch, lambda folder: permute_onnx(folder / "model.onnx"))
    with pytest.raises(ParityError) as caught:
        text_model().export(tmp_path / "b", formats=("onnx", "litert"))
    message = str(caught.value)
    assert "FAILED  model.onnx" in message
    assert "passed  model.tflite" in message
    assert "CAUSE   model.onnx: its outputs are in another order" in message
    assert [item["passed"] for item in caught.value.results] == [False, True]
    assert list(tmp_path.iterdir()) == []


def test_another_length_stops_the_export(tmp_path, monkeypatch):
    def run(folder, planned, tokenizer, *arguments):
        return text_running.run_text_artifacts(
            folder, planned, {**tokenizer, "max_length": 12}, *arguments
        )

    monkeypatch.setattr(texts, "run_text_artifacts", run)
    with pytest.raises(ParityError, match="FAILED  model.onnx"):
        text_model().export(tmp_path / "b", formats=("onnx",))
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_answers_nan(tmp_path):
    model = text_model()
    head = model.network.layers[-1]
    head.bias.assign(np.full(head.bias.shape, np.nan))
    with pytest.raises(ExportError, match="not finite, on 8. of 8. texts"):
        model.export(tmp_path / "b", formats=("onnx",))
    wrong = dataclasses.replace(model, class_names=("a", "b"))
    with pytest.raises(ValueError, match="2 class names: one for each output"):
        wrong.export(tmp_path / "b", formats=("onnx",))
