"""Bundles of texts: what they hold, and that every artifact answers like the network."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kerastl
from kerastl.bundles import Gate, TextPredictor, load_bundle, verify
from kerastl.bundles.hashing import sha256_path
from kerastl.errors import ConfigurationError, TextError
from kerastl.inputs.text_probes import PROBES
from kerastl.model import TextModel
from tests.text.conftest import bpe, spm  # noqa: F401
from tests.text.test_hub import UNIGRAM

from . import text_models
from .text_models import MAX_LENGTH, NAMES, text_model, texts

pytest.importorskip("keras_hub")
pytest.importorskip("tensorflow_text")
pytestmark = pytest.mark.usefixtures("forked_workers")

RUNNERS = Path(__file__).resolve().parents[2] / "export"
PATHS = [
    "saved_model",
    "model.onnx",
    "model.tflite",
    "model_dynamic.onnx",
    "model_dynamic.tflite",
]
# Of 32 random features 8 bits cost more labels than of a trained network.
TINY = Gate(quantized_label_agreement=0.8)
# Runs a runner's own class on texts that no command line takes, such as one with a NUL.
DRIVER = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("runner", sys.argv[1])
runner = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runner)
from pathlib import Path
classify = runner.Classifier(Path(sys.argv[2]), *sys.argv[3:])
answers = []
for text in json.load(sys.stdin):
    try:
        answers.append(classify(text))
    except ValueError as error:
        answers.append(str(error))
assert not any(name.split(".")[0] == "kerastl" for name in sys.modules)
json.dump(answers, sys.stdout)
"""


@pytest.fixture(scope="module")
def model():
    return text_model()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    steps = []
    path = tmp_path_factory.mktemp("texts") / "bundle"
    bundle = model.export(path, quantize=("dynamic",), gate=TINY, progress=steps.append)
    return bundle, steps


def drive(script, bundle, given, *options):
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(RUNNERS / script), str(bundle), *options],
        input=json.dumps(given),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout[done.stdout.index("[{") :])


def test_every_artifact_passes_and_is_described(exported, model):
    bundle, steps = exported
    assert bundle.passed
    assert [artifact.path for artifact in bundle.artifacts] == PATHS
    for artifact in bundle.artifacts:
        assert artifact.n == len(model.samples.texts)
        assert artifact.sha256 == sha256_path(bundle.path / artifact.path)
        if artifact.quantization is None:
            assert artifact.max_abs_diff <= 1e-5
            assert artifact.label_agreement == artifact.accuracy == 1
        else:
            assert 1e-5 < artifact.max_abs_diff < 0.2
    assert "comparing tokenizers" in steps
    assert len(set(model.predict(list(model.samples.texts)).labels)) == len(NAMES)


def test_manifest_and_files(exported, model):
    bundle = exported[0]
    manifest = json.loads((bundle.path / "manifest.json").read_text("utf-8"))
    assert manifest == bundle.manifest
    assert (manifest["task"], manifest["kind"]) == ("text_classification", "single_label")
    assert manifest["class_names"] == list(NAMES)
    tokenizer = manifest["tokenizer"]
    assert (tokenizer["max_length"], tokenizer["pad_id"]) == (MAX_LENGTH, 0)
    assert (tokenizer["start_ids"], tokenizer["end_ids"]) == ([2], [3])
    assert tokenizer["sha256"] == sha256_path(bundle.path / "tokenizer.json")
    assert tokenizer["equality"]["checked"] is True
    assert tokenizer["equality"]["texts"] == len(model.samples.texts) + len(PROBES)
    assert manifest["parity_examples"]["kind"] == "validation"
    saved = manifest["artifacts"][0]
    assert saved["signatures"] == ["serve_tokens", "serving_default"]
    batches = {entry["path"]: entry["batch"] for entry in manifest["artifacts"]}
    assert batches == {path: "1" if path == "model_dynamic.onnx" else "dynamic" for path in PATHS}
    assert manifest["artifacts"][2]["length"] == MAX_LENGTH
    golden = json.loads((bundle.path / "golden" / "texts.json").read_text("utf-8"))
    assert [entry["label"] for entry in golden] == list(
        model.predict([entry["text"] for entry in golden]).labels
    )
    card = (bundle.path / "README.md").read_text("utf-8")
    assert card.startswith("---\npipeline_tag: text-classification")
    assert "import tensorflow_text" in card
    assert all(path in card for path in PATHS)
    assert (bundle.path / "labels.txt").read_text("utf-8").split("\n") == [*NAMES, ""]


def test_the_onnx_file_says_what_it_is(exported):
    import onnxruntime

    for name in ("model.onnx", "model_dynamic.onnx"):
        session = onnxruntime.InferenceSession(
            exported[0].path / name, providers=["CPUExecutionProvider"]
        )
        assert {item.name: (item.type, item.shape) for item in session.get_inputs()} == {
            "token_ids": ("tensor(int32)", ["batch", "length"]),
            "padding_mask": ("tensor(int32)", ["batch", "length"]),
        }
        metadata = session.get_modelmeta().custom_metadata_map
        assert json.loads(metadata["class_names"]) == list(NAMES)
        assert json.loads(metadata["tokenizer"])["max_length"] == MAX_LENGTH
        # The mask counts, not what lies under it.
        ids = np.array([[2, 5, 11, 3, 0, 0], [2, 5, 11, 3, 13, 14]], np.int32)
        mask = np.array([[1, 1, 1, 1, 0, 0]] * 2, np.int32)
        first, second = session.run(None, {"token_ids": ids, "padding_mask": mask})[0]
        np.testing.assert_allclose(first, second, atol=1e-6 if name == "model.onnx" else 0.2)


def test_verify(exported):
    again = verify(exported[0].path)
    assert again.passed
    assert [artifact.path for artifact in again.artifacts] == PATHS


@pytest.mark.parametrize("format", ["saved_model", "onnx", "litert"])
def test_predictor(exported, model, format):
    predictor = load_bundle(exported[0].path, format)
    assert isinstance(predictor, TextPredictor)
    given = [*texts(5, seed=3), *PROBES]
    outputs = predictor.predict(given)
    expected = model.predict(given)
    np.testing.assert_allclose(outputs, expected.probabilities, atol=1e-5)
    assert tuple(predictor.labels(outputs)) == expected.labels
    assert predictor.predict([]).shape == (0, 3)
    assert predictor.predict("a film").shape == (1, 3)
    with pytest.raises(TextError, match="half of a surrogate pair"):
        predictor.predict(["ok", "a\ud800"])


@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("run_text_saved_model.py", ()),
        ("run_text_onnx.py", ()),
        ("run_text_onnx.py", ("dynamic",)),
        ("run_text_litert.py", ()),
        ("run_text_litert.py", ("dynamic",)),
    ],
)
def test_runners_answer_any_text_as_keras_does(exported, model, script, options):
    given = [*texts(6, seed=3), *PROBES]
    answers = drive(script, exported[0].path, [*given, "\ud83d half", "half \udc00"], *options)
    expected = model.predict(given)
    for answer, label, row in zip(answers, expected.labels, expected.probabilities, strict=False):
        assert answer["probability"] == pytest.approx(row.max(), abs=0.2 if options else 1e-5)
        if not options:
            assert answer["label"] == label
    # Refused in the words of check_text.
    for answer, code in zip(answers[-2:], ("U+D83D", "U+DC00"), strict=True):
        assert "cannot be written as UTF-8" in answer
        assert f"{code}, half of a surrogate pair" in answer
    with pytest.raises(TextError, match="U\\+D83D, half of a surrogate pair"):
        model.predict(["\ud83d half"])


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_8_bits_give_a_text_one_answer_in_any_company(exported, format):
    predictor = load_bundle(exported[0].path, format, "dynamic")
    given = list(texts(12, seed=8))
    together = predictor.predict(given)
    alone = np.concatenate([predictor.predict(text) for text in given])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    script = f"run_text_{format}.py"
    answers = drive(script, exported[0].path, given, "dynamic")
    assert [answer["probability"] for answer in answers] == pytest.approx(
        together.max(axis=1).tolist(), abs=1e-5
    )


def test_a_runner_from_the_command_line(exported, model, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("a good\u2028film\n\nGOOD\n", encoding="utf-8")
    command = [sys.executable, str(RUNNERS / "run_text_onnx.py"), str(exported[0].path)]
    done = subprocess.run(
        [*command, "bad train", "--lines", str(lines), "--json"], capture_output=True, text=True
    )
    found = json.loads(done.stdout)["predictions"]
    given = ["bad train", "a good\u2028film", "", "GOOD"]
    assert [item["input"] for item in found] == given
    assert [item["label"] for item in found] == list(model.predict(given).labels)
    refused = subprocess.run([*command, b"\xff"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert "half of a surrogate pair" in refused.stderr
    assert refused.stdout == ""


def test_strings_that_are_no_utf8_are_refused_in_the_graph(exported):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(exported[0].path / "saved_model"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid formatting"):
        loaded.signatures["serving_default"](text=tf.constant([b"a\xed\xa0\x80"]))
    found = loaded.signatures["serving_default"](text=tf.constant([], dtype=tf.string))
    assert found["probabilities"].shape == (0, 3)


def test_several_labels(tmp_path):
    model = text_model("multi_label", pooling="max", thresholds=(0.4, 0.5, 0.6))
    bundle = model.export(tmp_path / "b", quantize=("dynamic",), gate=TINY)
    assert bundle.manifest["thresholds"] == [0.4, 0.5, 0.6]
    assert bundle.manifest["agreement_of"].startswith("single decisions")
    given = list(texts(8, seed=5))
    expected = model.predict(given)
    assert len({len(names) for names in expected.labels}) > 1
    predictor = load_bundle(bundle.path, "onnx")
    assert [tuple(names) for names in predictor.labels(predictor.predict(given))] == list(
        expected.labels
    )
    answers = drive("run_text_onnx.py", bundle.path, given)
    assert [tuple(answer["label"]) for answer in answers] == list(expected.labels)
    assert verify(bundle.path).passed
    assert "any number a text" in (bundle.path / "README.md").read_text("utf-8")


def test_regression_without_samples(tmp_path):
    model = text_model("regression", (), pooling="attention", samples=False)
    bundle = model.export(tmp_path / "b", quantize=("dynamic",), gate=TINY)
    assert bundle.manifest["parity_examples"]["kind"] == "built-in"
    assert bundle.manifest["class_names"] == []
    assert "max_abs_diff_of_a_number" in bundle.manifest["artifacts"][0]["parity"]["threshold"]
    assert "sentences that kerastl holds" in (bundle.path / "README.md").read_text("utf-8")
    expected = model.predict(["a film"]).probabilities[0, 0]
    for script in ("run_text_saved_model.py", "run_text_litert.py"):
        (answer,) = drive(script, bundle.path, ["a film"])
        assert answer["label"] is None
        assert answer["value"] == pytest.approx(expected, abs=1e-4)
    assert verify(bundle.path).passed


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
    answers = drive("run_text_saved_model.py", bundle.path, given)
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
    dataclasses.replace(model, provenance={"kind": TextModel.KIND}).save(tmp_path / "run")
    # A run that was read back is proved as well as the model that was trained.
    model = kerastl.load(tmp_path / "run")
    bundle = model.export(tmp_path / "b", formats=("saved_model", "onnx"))
    entry = bundle.manifest["artifacts"][0]
    assert entry["signatures"] == ["serve_tokens", "serving_default"]
    assert bundle.manifest["tokenizer"]["equality"]["checked"] is True
    assert not list((tmp_path / "b").rglob("sentencepiece.model"))
    given = [*texts(4, seed=4), "", "\x00 a", "日本 😀"]
    expected = model.predict(given)
    for script in ("run_text_saved_model.py", "run_text_onnx.py"):
        answers = drive(script, bundle.path, given)
        assert [answer["label"] for answer in answers] == list(expected.labels)
        assert [answer["probability"] for answer in answers] == pytest.approx(
            expected.confidences.tolist(), abs=1e-4
        )
    assert verify(bundle.path).passed


def test_what_cannot_be_asked_for(model, tmp_path, exported):
    for options, message in (
        ({"formats": ("openvino",)}, "formats may hold"),
        ({"formats": ()}, "formats is empty"),
        ({"quantize": ("int8",)}, "quantize may hold"),
        ({"formats": ("saved_model",), "quantize": ("dynamic",)}, "neither 'onnx' nor 'litert'"),
        ({"gate": Gate(max_abs_diff=-1)}, "max_abs_diff must be 0 or more"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            model.export(tmp_path / "b", **options)
    with pytest.raises(ConfigurationError, match="exists already"):
        model.export(exported[0].path)
    assert not (tmp_path / "b").exists()
