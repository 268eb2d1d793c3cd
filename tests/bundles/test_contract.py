"""What every bundle keeps, whatever goes in and comes out: input x output x format."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from kerastl.bundles import load_bundle, verify
from kerastl.bundles.hashing import sha256_path
from kerastl.bundles.manifest import read_manifest, task_of
from kerastl.bundles.sessions import run_sources
from kerastl.errors import BundleError
from kerastl.formats import FORMATS
from kerastl.formats.labels import label_files, names_held
from kerastl.formats.pairs import pair_of
from kerastl.outputs import Gate

from .cases import drive

pytestmark = pytest.mark.usefixtures("forked_workers")


def assert_close(found, expected, allowed):
    assert list(found) == list(expected) or sorted(found) == sorted(expected)
    for name, values in expected.items():
        assert found[name].shape == values.shape
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], values, atol=allowed, rtol=0, err_msg=name)


def test_every_artifact_passes_and_is_described(case):
    bundle = case.bundle
    assert bundle.passed
    assert case.steps[0] == "predicting with the network"
    assert case.steps[-1] == "writing the bundle"
    gate = Gate(**bundle.manifest["gate"])
    for artifact in bundle.artifacts:
        assert artifact.passed
        assert artifact.n == case.n
        assert artifact.seconds > 0
        assert artifact.sha256 == sha256_path(bundle.path / artifact.path)
        assert FORMATS[artifact.format].step(artifact.quantization) in case.steps
        assert f"running {artifact.path}" in case.steps
        if artifact.quantization is None:
            assert artifact.max_abs_diff <= case.close[None]
            assert artifact.label_agreement == 1.0
        else:
            assert artifact.max_abs_diff <= case.close[artifact.quantization]
            assert artifact.label_agreement >= gate.quantized_label_agreement
    data = json.loads(json.dumps(bundle.as_dict()))
    assert set(data) == {"bundle", "artifacts", "passed"}
    wanted = {"format", "path", "bytes", "max_abs_diff", "label_agreement", "passed"}
    assert wanted <= set(data["artifacts"][0])


def test_the_manifest_says_what_is_there(case):
    path, manifest, task = case.bundle.path, case.bundle.manifest, case.task
    assert json.loads((path / "manifest.json").read_text("utf-8")) == manifest
    assert task_of(read_manifest(path), path).outputs_config() == task.outputs_config()
    assert manifest["task"] == task.name
    assert manifest["class_names"] == list(task.class_names)
    assert [entry["name"] for entry in manifest["outputs"]] == list(task.outputs)
    for entry, output in zip(manifest["outputs"], task.outputs.values(), strict=True):
        assert entry["shape"] == [None, output.width]
        assert entry["dtype"] == "float32"
    assert manifest["parity_examples"]["kind"] == "validation"
    assert manifest["parity_examples"]["n"] == case.n
    gate = Gate(**manifest["gate"])
    for entry in case.entries:
        assert entry["parity"]["examples"] == "validation"
        assert gate.threshold(entry["quantization"]).items() <= (
            entry["parity"]["threshold"].items()
        )
    labels = label_files(task.outputs)
    for name, content in labels.items():
        assert (path / name).read_text("utf-8") == content
    own = [*(entry["path"] for entry in case.entries), *labels, *task.input.files]
    assert sorted(item.name for item in path.iterdir()) == sorted(
        [*own, "golden", "manifest.json", "README.md", "run"]
    )
    scripts = {FORMATS[entry["format"]].runner[0] for entry in case.entries}
    assert {item.name for item in (path / "run").iterdir()} == {"bundle_io.py", *scripts}
    inner = [item for name in ("golden", "run") for item in (path / name).rglob("*")]
    listed = {str(item.relative_to(path)) for item in inner if item.is_file()}
    listed |= {*labels, *task.input.files}
    assert set(manifest["files"]) == listed
    assert not list(path.rglob("sentencepiece.model"))


def test_artifacts_hold_names_and_take_batches_of_any_size(case):
    path, input = case.bundle.path, task_of(case.bundle.manifest, case.bundle.path).input
    given = list(case.given)[:7]
    expected = case.model.outputs(given)
    for entry in case.entries:
        # TensorFlow's threads are those of its process, which has begun.
        threads = None if entry["format"] == "saved_model" else 1
        session = FORMATS[entry["format"]].open(path / entry["path"], threads)
        assert session.class_names() == names_held(case.task.outputs)
        assert sorted(session.outputs) == sorted(case.task.outputs)
        assert sorted(session.inputs) == sorted(spec.name for spec in input.specs())
        alone = (entry["format"], entry["quantization"]) == ("onnx", "dynamic")
        assert session.batch == entry["batch"] == ("1" if alone else "dynamic")
        for count in (1, 3, len(given)):
            found = run_sources(session, input, given[:count])
            rows = {name: values[:count] for name, values in expected.items()}
            assert_close(found, rows, case.close[entry["quantization"]])


def test_onnx_files_say_what_they_are(case):
    import onnxruntime

    for entry in case.entries:
        if entry["format"] != "onnx":
            continue
        session = onnxruntime.InferenceSession(
            case.bundle.path / entry["path"], providers=["CPUExecutionProvider"]
        )
        assert {item.name: item.shape for item in session.get_inputs()} == {
            spec.name: ["batch", *(spec.axes.get(i + 1, n) for i, n in enumerate(spec.shape))]
            for spec in case.task.input.specs()
        }
        assert {item.name: item.shape for item in session.get_outputs()} == {
            name: ["batch", output.width] for name, output in case.task.outputs.items()
        }
        metadata = session.get_modelmeta().custom_metadata_map
        assert metadata["task"] == case.task.name
        assert json.loads(metadata["class_names"]) == names_held(case.task.outputs)
        assert list(json.loads(metadata["outputs"])) == list(case.task.outputs)
        assert json.loads(metadata["input"])["kind"] == case.task.input.kind


def test_saved_models_take_strings(case):
    pair = pair_of(case.task.input.kind, "saved_model")
    session = FORMATS["saved_model"].open(case.bundle.path / "saved_model")
    assert pair.is_held(session)
    items = pair.items(case.given)
    assert list(items) == list(range(len(case.given)))
    found = dict(pair.run(session, list(items.values())))
    one_class = len(case.task.outputs) == 1 and case.task.only.names_one_class
    assert ("label" in found) == one_class
    if one_class:
        assert found.pop("label") == case.task.decode(found)
    assert_close(found, case.model.outputs(case.given), 1e-3)


def test_a_bundle_is_verified(case):
    again = verify(case.bundle.path)
    assert again.passed
    assert [item.path for item in again.artifacts] == [item.path for item in case.bundle.artifacts]
    with np.load(case.bundle.path / "golden" / "outputs.npz") as archive:
        [golden] = {len(archive[key]) for key in archive.files}
    assert {item.n for item in again.artifacts} == {golden}


def test_a_predictor_answers_like_the_model(case):
    expected = case.model.outputs(case.given)
    for entry in case.entries:
        predictor = load_bundle(case.bundle.path, entry["format"], entry["quantization"])
        assert (predictor.format, predictor.path) == (entry["format"], entry["path"])
        assert predictor.class_names == case.task.class_names
        assert_close(predictor.outputs(case.given), expected, case.close[entry["quantization"]])
    predictor = load_bundle(case.bundle.path)
    assert predictor.format == "onnx"
    outputs = predictor.predict(case.given)
    assert isinstance(outputs, dict) == (len(case.task.outputs) > 1)
    answers, wanted = predictor.answers(outputs), case.task.answers(expected)
    assert [labels_in(answer) for answer in answers] == [labels_in(answer) for answer in wanted]
    assert {tuple(answer) for answer in answers} == {tuple(answer) for answer in wanted}
    assert len(predictor.labels(outputs)) == len(case.given)
    for none in (predictor.outputs([]), {n: x[:0] for n, x in predictor.outputs([]).items()}):
        assert {name: x.shape for name, x in none.items()} == {
            name: (0, output.width) for name, output in case.task.outputs.items()
        }
    one = predictor.outputs(case.given[0])
    assert_close(one, {name: x[:1] for name, x in expected.items()}, case.close[None])


def test_predicting_needs_the_artifact_the_manifest_and_what_the_input_is_made_of(case, tmp_path):
    needed = ("manifest.json", "model.onnx", *case.task.input.files)
    for name in needed:
        shutil.copyfile(case.bundle.path / name, tmp_path / name)
    found = load_bundle(tmp_path, "onnx").outputs(case.given[:2])
    expected = load_bundle(case.bundle.path, "onnx").outputs(case.given[:2])
    assert_close(found, expected, 1e-6)
    for name in needed[1:]:
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole + b" ")
        with pytest.raises(BundleError, match=f"{name} is not what was exported"):
            load_bundle(tmp_path, "onnx")
        (tmp_path / name).write_bytes(whole)


def labels_in(answer):
    """All labels of an answer, by output name where it has several."""
    nested = {key: value["label"] for key, value in answer.items() if isinstance(value, dict)}
    return nested or answer["label"]


def numbers_in(answer):
    """All other numbers of an answer."""
    if isinstance(answer, dict):
        return [x for key in sorted(answer) for x in numbers_in(answer[key])]
    if isinstance(answer, list):
        return [x for item in answer for x in numbers_in(item)]
    return [answer] if isinstance(answer, float) else []


def test_runners_answer_any_source_as_keras_does(case):
    expected = case.task.answers(case.model.outputs(case.given))
    scripts = [(entry["format"], entry["quantization"]) for entry in case.entries]
    for script, answers in zip(scripts, drive(case.bundle.path, case.given, *scripts), strict=True):
        for answer, wanted in zip(answers, expected, strict=True):
            assert sorted(answer) == sorted(wanted)
            if script[1] is None:
                assert labels_in(answer) == labels_in(wanted)
            if labels_in(answer) == labels_in(wanted):
                assert numbers_in(answer) == pytest.approx(
                    numbers_in(wanted), abs=case.close[script[1]]
                ), script


def test_the_card_names_every_file(case):
    card = (case.bundle.path / "README.md").read_text("utf-8")
    for entry in case.entries:
        assert f"`{entry['path']}`" in card
        assert FORMATS[entry["format"]].runner[0] in card
    for name, content in label_files(case.task.outputs).items():
        assert (f"`{name}`" in card) == bool(content)
    for name in case.task.outputs:
        assert f"`{name}`" in card
    assert ("pipeline_tag:" in card) == (len(case.task.outputs) == 1)
    assert case.task.input.nouns in card
