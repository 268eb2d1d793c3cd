"""Bundles of texts: what of them no other bundle has. See test_contract.py."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

import kerastl
from kerastl.bundles import Gate, LiteRTOptions, load_bundle, verify
from kerastl.bundles.hashing import sha256_path
from kerastl.errors import ConfigurationError, MissingExtraError, TextError
from kerastl.inputs.text_probes import PROBES
from tests.text.conftest import bpe, spm  # noqa: F401
from tests.text.test_hub import UNIGRAM

from . import text_models
from .cases import OPENVINO, RUNNERS, drive
from .text_models import MAX_LENGTH, NAMES, OUTPUTS, text_model, texts

pytest.importorskip("keras_hub")
pytest.importorskip("tensorflow_text")
pytestmark = pytest.mark.usefixtures("forked_workers")

PATHS = [
    "saved_model",
    "model.onnx",
    "model.tflite",
    *(f"model_{name}" for name in OPENVINO),
    "model_float16.tflite",
    "model_dynamic.onnx",
    "model_dynamic.tflite",
]


def test_artifacts_and_their_accuracy(text_case):
    assert [artifact.path for artifact in text_case.bundle.artifacts] == PATHS
    for artifact in text_case.bundle.artifacts:
        if artifact.quantization is None:
            assert artifact.accuracy == 1
        else:
            assert artifact.max_abs_diff > 1e-5
    assert "comparing tokenizers" in text_case.steps
    model = text_case.model
    assert len(set(model.predict(list(model.samples.sources)).labels)) == len(NAMES)


def test_manifest_and_files(text_case):
    bundle, model = text_case.bundle, text_case.model
    manifest = bundle.manifest
    assert (manifest["task"], manifest["kind"]) == ("text_classification", "single_label")
    assert manifest["class_names"] == list(NAMES)
    tokenizer = manifest["tokenizer"]
    assert (tokenizer["max_length"], tokenizer["pad_id"]) == (MAX_LENGTH, 0)
    assert (tokenizer["start_ids"], tokenizer["end_ids"]) == ([2], [3])
    assert tokenizer["sha256"] == sha256_path(bundle.path / "tokenizer.json")
    assert tokenizer["equality"]["checked"] is True
    assert tokenizer["equality"]["texts"] == len(model.samples.sources) + len(PROBES)
    saved = manifest["artifacts"][0]
    assert saved["signatures"] == ["serve_tokens", "serving_default"]
    lengths = {entry["path"]: entry.get("length") for entry in manifest["artifacts"]}
    assert lengths == {path: MAX_LENGTH if path.endswith("tflite") else None for path in PATHS}
    golden = json.loads((bundle.path / "golden" / "texts.json").read_text("utf-8"))
    assert [entry["label"] for entry in golden] == list(
        model.predict([entry["text"] for entry in golden]).labels
    )
    card = (bundle.path / "README.md").read_text("utf-8")
    assert card.startswith("---\npipeline_tag: text-classification")
    assert "import tensorflow_text" in card
    assert "into `probabilities` and `label`; `serve_tokens`" in card
    assert "pip install tensorflow tensorflow-text tokenizers numpy" in card
    assert f"LiteRT files take texts of exactly {MAX_LENGTH} tokens" in card
    assert (bundle.path / "labels.txt").read_text("utf-8").split("\n") == [*NAMES, ""]


def test_the_mask_counts_and_not_what_lies_under_it(text_case):
    import onnxruntime

    for name in ("model.onnx", "model_dynamic.onnx"):
        session = onnxruntime.InferenceSession(
            text_case.bundle.path / name, providers=["CPUExecutionProvider"]
        )
        assert {item.type for item in session.get_inputs()} == {"tensor(int32)"}
        metadata = session.get_modelmeta().custom_metadata_map
        assert json.loads(metadata["tokenizer"])["max_length"] == MAX_LENGTH
        assert metadata["kind"] == "single_label"
        ids = np.array([[2, 5, 11, 3, 0, 0], [2, 5, 11, 3, 13, 14]], np.int32)
        mask = np.array([[1, 1, 1, 1, 0, 0]] * 2, np.int32)
        first, second = session.run(None, {"token_ids": ids, "padding_mask": mask})[0]
        np.testing.assert_allclose(first, second, atol=1e-6 if name == "model.onnx" else 0.2)


@pytest.mark.parametrize("format", ["saved_model", "onnx", "litert", *OPENVINO])
def test_halves_of_surrogate_pairs_are_refused(text_case, format):
    predictor = load_bundle(text_case.bundle.path, format)
    assert predictor.predict([]).shape == (0, 3)
    assert predictor.predict("a film").shape == (1, 3)
    with pytest.raises(TextError, match="half of a surrogate pair"):
        predictor.predict(["ok", "a\ud800"])


def test_runners_refuse_them_in_the_same_words(text_case):
    formats = ("saved_model", "onnx", "litert", *OPENVINO)
    given = ["good", "\ud83d half", "half \udc00"]
    for answers in drive(text_case.bundle.path, given, *((name, None) for name in formats)):
        assert answers[0]["label"] in NAMES
        for answer, code in zip(answers[1:], ("U+D83D", "U+DC00"), strict=True):
            assert "cannot be written as UTF-8" in answer
            assert f"{code}, half of a surrogate pair" in answer
    with pytest.raises(TextError, match="U\\+D83D, half of a surrogate pair"):
        text_case.model.predict(["\ud83d half"])


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_8_bits_give_a_text_one_answer_whatever_its_batch(text_case, format):
    predictor = load_bundle(text_case.bundle.path, format, "dynamic")
    given = list(texts(12, seed=8))
    together = predictor.predict(given)
    alone = np.concatenate([predictor.predict(text) for text in given])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    [answers] = drive(text_case.bundle.path, given, (format, "dynamic"))
    assert [answer["probability"] for answer in answers] == pytest.approx(
        together.max(axis=1).tolist(), abs=1e-5
    )


def test_a_runner_from_the_command_line(text_case, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("a good\u2028film\n\nGOOD\n", encoding="utf-8")
    command = [sys.executable, str(RUNNERS / "run_onnx.py"), str(text_case.bundle.path)]
    done = subprocess.run(
        [*command, "bad train", "--lines", str(lines), "--json"], capture_output=True, text=True
    )
    found = json.loads(done.stdout)["predictions"]
    given = ["bad train", "a good\u2028film", "", "GOOD"]
    assert [item["input"] for item in found] == given
    assert [item["label"] for item in found] == list(text_case.model.predict(given).labels)
    # What has line ends in it stays on one line.
    done = subprocess.run([*command, "a\nfilm\t!"], capture_output=True, text=True)
    text, label, probability = done.stdout.rstrip("\n").split("\t")
    assert text == repr("a\nfilm\t!")
    assert label in NAMES
    assert 0 < float(probability) < 1
    refused = subprocess.run([*command, b"\xff"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert "half of a surrogate pair" in refused.stderr
    assert refused.stdout == ""


def test_strings_that_are_no_utf8_are_refused_in_the_graph(text_case):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(text_case.bundle.path / "saved_model"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid formatting"):
        loaded.signatures["serving_default"](text=tf.constant([b"a\xed\xa0\x80"]))
    found = loaded.signatures["serving_default"](text=tf.constant([], dtype=tf.string))
    assert found["probabilities"].shape == (0, 3)


def test_several_labels(tmp_path):
    model = text_model(OUTPUTS["multi_label"], pooling="max")
    bundle = model.export(tmp_path / "b", formats=("onnx",))
    # Thresholds that were not chosen are written out.
    assert bundle.manifest["thresholds"] == [0.5, 0.5, 0.5]
    assert bundle.manifest["outputs"][0]["output"]["thresholds"] == [0.5, 0.5, 0.5]
    assert bundle.manifest["agreement_of"].startswith("single decisions, one for each text")
    given = list(texts(8, seed=5))
    expected = model.predict(given)
    assert len({len(names) for names in expected.labels}) > 1
    predictor = load_bundle(bundle.path, "onnx")
    assert [tuple(names) for names in predictor.labels(predictor.predict(given))] == list(
        expected.labels
    )
    [answers] = drive(bundle.path, given, ("onnx", None))
    assert [tuple(answer["label"]) for answer in answers] == list(expected.labels)
    assert verify(bundle.path).passed
    assert "any number per text" in (bundle.path / "README.md").read_text("utf-8")


def test_regression_without_samples(tmp_path):
    model = text_model(OUTPUTS["regression"], pooling="attention", samples=False)
    bundle = model.export(tmp_path / "b", formats=("onnx",))
    assert bundle.manifest["parity_examples"]["kind"] == "built-in"
    assert bundle.manifest["class_names"] == []
    assert "max_abs_diff_of_a_number" in bundle.manifest["artifacts"][0]["parity"]["threshold"]
    card = (bundle.path / "README.md").read_text("utf-8")
    assert "measured on built-in texts, since none were given" in card
    [[answer]] = drive(bundle.path, ["a film"], ("onnx", None))
    assert answer["label"] is None
    expected = model.predict(["a film"]).probabilities[0, 0]
    assert answer["value"] == pytest.approx(expected, abs=1e-4)
    assert verify(bundle.path).passed


def test_litert_files_for_one_text_at_a_time(tmp_path):
    model = text_model()
    bundle = model.export(tmp_path / "b", formats=("litert",), litert=LiteRTOptions(batch=1))
    [entry] = bundle.manifest["artifacts"]
    assert entry["batch"] == "1"
    assert verify(bundle.path).passed
    given = [*texts(3, seed=4), ""]
    [answers] = drive(bundle.path, given, ("litert", None))
    assert [answer["label"] for answer in answers] == list(model.predict(given).labels)
    predictor = load_bundle(bundle.path)
    [expected] = model.outputs(given).values()
    np.testing.assert_allclose(predictor.predict(given), expected, atol=1e-5)


def test_a_published_tokenizer_stays_outside_the_graph(tmp_path):
    from kerastl.text import Tokenizer

    published = Tokenizer(text_models.word_piece().content, pad_id=0, max_length=64)
    model = text_model(tokenizer=published)
    bundle = model.export(tmp_path / "b", formats=("saved_model",))
    entry = bundle.manifest["artifacts"][0]
    assert entry["signatures"] == ["serve_tokens"]
    assert "follows the rule 'published'" in entry["no_strings_because"]
    assert bundle.manifest["tokenizer"]["equality"]["checked"] is False
    assert "It takes no strings" in (bundle.path / "README.md").read_text("utf-8")
    given = list(texts(3, seed=4))
    [answers] = drive(bundle.path, given, ("saved_model", None))
    assert [answer["label"] for answer in answers] == list(model.predict(given).labels)


def test_byte_pairs_stay_outside_the_graph_and_are_proved(bpe, tmp_path):  # noqa: F811
    import keras_hub

    from kerastl.text import from_hub

    theirs = keras_hub.models.RobertaTokenizer(*bpe)
    model = text_model(tokenizer=from_hub(theirs, max_length=64))
    bundle = model.export(tmp_path / "b", formats=("saved_model",))
    entry = bundle.manifest["artifacts"][0]
    assert entry["signatures"] == ["serve_tokens"]
    assert "byte pairs give other ids" in entry["no_strings_because"]
    assert bundle.manifest["tokenizer"]["kind"] == "byte_pair"
    assert bundle.manifest["tokenizer"]["equality"]["checked"] is True
    assert verify(bundle.path).passed


@pytest.mark.parametrize("tokenizer", ["XLMRobertaTokenizer", "T5Tokenizer"])
def test_sentence_pieces_are_proved_and_stand_in_the_graph(tokenizer, spm, tmp_path):  # noqa: F811
    import keras_hub

    from kerastl.text import from_hub

    theirs = getattr(keras_hub.models, tokenizer)(spm(**UNIGRAM[tokenizer]))
    model = text_model(tokenizer=from_hub(theirs, max_length=64))
    model.save(tmp_path / "run")
    # A run that was read back is proved as well as the model that was trained.
    model = kerastl.load(tmp_path / "run")
    bundle = model.export(tmp_path / "b", formats=("saved_model", "onnx"))
    entry = bundle.manifest["artifacts"][0]
    assert entry["signatures"] == ["serve_tokens", "serving_default"]
    assert bundle.manifest["tokenizer"]["equality"]["checked"] is True
    assert not list((tmp_path / "b").rglob("sentencepiece.model"))
    given = [*texts(4, seed=4), "", "\x00 a", "日本 😀"]
    expected = model.predict(given)
    for answers in drive(bundle.path, given, ("saved_model", None), ("onnx", None)):
        assert [answer["label"] for answer in answers] == list(expected.labels)
        assert [answer["probability"] for answer in answers] == pytest.approx(
            expected.confidences.tolist(), abs=1e-4
        )
    assert verify(bundle.path).passed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formats": ()}, "formats is empty"),
        ({"quantize": ("int8",)}, "quantize has 'int8'.* not done for texts"),
        ({"quantize": ("litert:int16x8",)}, "quantize has 'int16x8'.* not done for texts"),
        ({"formats": ("saved_model",), "quantize": ("dynamic",)}, "no 'onnx' and no 'litert'"),
        ({"gate": Gate(max_abs_diff=-1)}, "max_abs_diff must be 0 or more"),
        ({"any_size": True}, "any_size is for images.* texts have none"),
    ],
)
def test_what_cannot_be_asked_for(options, message, tmp_path):
    with pytest.raises(ConfigurationError, match=message):
        text_model(samples=False).export(tmp_path / "b", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_that_exists_is_not_replaced(text_case):
    with pytest.raises(ConfigurationError, match="exists already"):
        text_case.model.export(text_case.bundle.path)


@pytest.mark.parametrize("names", [("a", "b", "b"), ("a", "b", "c\nd"), ("a", "b", "\udce9")])
def test_class_names_that_no_file_can_hold(names, tmp_path):
    model = text_model(samples=False)
    output = dataclasses.replace(model.task.only, class_names=names)
    task = dataclasses.replace(model.task, outputs={"probabilities": output})
    with pytest.raises(ConfigurationError, match=r"[Cc]lass.name"):
        dataclasses.replace(model, task=task).export(tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "extra"), [("tensorflow_text", "text-serving"), ("tokenizers", "text")]
)
def test_a_missing_package_of_texts_is_named_before_any_work(
    text_case, tmp_path, monkeypatch, module, extra
):
    from kerastl.bundles import jobs

    find = jobs.importlib.util.find_spec
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(
        jobs.importlib.util, "find_spec", lambda name: None if name == module else find(name)
    )
    match = rf"texts needs '{module}'.*pip install 'kerastl\[{extra}\]'"
    with pytest.raises(MissingExtraError, match=match):
        text_case.model.export(tmp_path / "b", formats=("saved_model",))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_of_texts_is_named_by_verify(text_case, monkeypatch):
    from kerastl.bundles import jobs

    find = jobs.importlib.util.find_spec
    monkeypatch.delitem(sys.modules, "tensorflow_text")
    monkeypatch.setattr(
        jobs.importlib.util,
        "find_spec",
        lambda name: None if name == "tensorflow_text" else find(name),
    )
    with pytest.raises(MissingExtraError, match=r"'kerastl\[text-serving\]'"):
        verify(text_case.bundle.path)
