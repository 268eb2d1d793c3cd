"""Each fault is planted in a bundle of texts; verify, or the export, must name it."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest

from kerastl.bundles import exporter, load_bundle, verify
from kerastl.errors import BundleError, ConfigurationError, ExportError, ParityError
from kerastl.text import Tokenizer

from .planting import forge, permute_onnx, spoil_after_conversion
from .text_models import text_model, word_piece

pytest.importorskip("keras_hub")
pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture
def folder(text_case, tmp_path):
    """The shared bundle with its one ONNX file."""
    path = shutil.copytree(text_case.bundle.path, tmp_path / "bundle")
    forge(path, ["model.onnx"])
    return path


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
    with pytest.raises(BundleError, match="tokenizer.json is not what was exported"):
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
    with pytest.raises(BundleError, match="manifest.json says two things of its outputs"):
        verify(folder)
    [entry] = json.loads((folder / "manifest.json").read_text("utf-8"))["outputs"]
    forge(folder, outputs=[{**entry, "output": {**entry["output"], "class_names": names}}])
    with pytest.raises(ParityError) as caught:
        verify(folder)
    message = str(caught.value)
    assert "model.onnx holds the class names ['bad, or worse', 'gut'" in message
    # Of texts that are written down with the old names.
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


def test_a_fault_stops_the_export(tmp_path, monkeypatch):
    spoil_after_conversion(monkeypatch, lambda out: permute_onnx(out / "model.onnx"))
    with pytest.raises(ParityError) as caught:
        text_model().export(tmp_path / "b", formats=("onnx", "litert"))
    message = str(caught.value)
    assert "FAILED  model.onnx" in message
    assert "passed  model.tflite" in message
    assert "CAUSE   model.onnx: its outputs are in another order" in message
    assert [item["passed"] for item in caught.value.results] == [False, True]
    assert list(tmp_path.iterdir()) == []


def test_another_length_stops_the_export(tmp_path, monkeypatch):
    run_artifacts = exporter.run_artifacts

    def run(folder, planned, input, entries, *arguments):
        entries = {**entries, "tokenizer": {**entries["tokenizer"], "max_length": 12}}
        return run_artifacts(folder, planned, input, entries, *arguments)

    monkeypatch.setattr(exporter, "run_artifacts", run)
    with pytest.raises(ParityError, match="FAILED  model.onnx"):
        text_model().export(tmp_path / "b", formats=("onnx",))
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_answers_nan(tmp_path):
    model = text_model()
    head = model.network.layers[-1]
    head.bias.assign(np.full(head.bias.shape, np.nan))
    with pytest.raises(ExportError, match="not finite, on 8. of 8. texts"):
        model.export(tmp_path / "b", formats=("onnx",))
    wrong = dataclasses.replace(model.task.only, class_names=("a", "b"))
    task = dataclasses.replace(model.task, outputs={"probabilities": wrong})
    with pytest.raises(ConfigurationError, match=r"the task says: probabilities \(n, 2\)"):
        dataclasses.replace(model, task=task).export(tmp_path / "b", formats=("onnx",))
