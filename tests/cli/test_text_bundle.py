"""``predict``, ``verify``, ``export`` and ``benchmark`` on models of texts."""

from __future__ import annotations

import dataclasses
import json

import pytest

import kerastl
from tests.bundles.text_models import embedding_model, text_model, texts

pytest.importorskip("keras_hub")
pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("text_run") / "run"
    model = dataclasses.replace(text_model(), provenance={"kind": "text_classification"})
    model.save(path)
    return path


@pytest.fixture(scope="module")
def bundle(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("text_bundle") / "bundle"
    kerastl.load(run).export(path, formats=("onnx",))
    return path


def test_predict_texts(call, run, bundle, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("good\u2028film\n\n", encoding="utf-8")
    given = ["a film//", "bad", "good\u2028film", ""]
    expected = kerastl.load(run).predict(given)
    for model in (run, bundle):
        code, out, err = call("predict", model, *given[:2], "--lines", lines, "--json")
        assert code == 0, err
        found = json.loads(out)["predictions"]
        assert [row["input"] for row in found] == given
        assert [row["label"] for row in found] == list(expected.labels)
        assert [row["probability"] for row in found] == pytest.approx(
            expected.confidences.tolist(), abs=1e-4
        )
        code, out, _ = call("predict", model, "bad")
        assert code == 0
        assert out.startswith(f"bad  {expected.labels[1]}  ")


@pytest.mark.filterwarnings("always::kerastl.data.DataWarning")
@pytest.mark.filterwarnings("always::kerastl.data.IgnoredFilesWarning")
def test_predict_folders_of_texts(call, bundle, tmp_path):
    mails = tmp_path / "mails"
    (mails / "b").mkdir(parents=True)
    (mails / "b" / "2.txt").write_bytes("a film caf\xe9\n".encode("cp1252"))
    (mails / "a.TXT").write_text("bad\n", encoding="utf-16")
    (mails / "broken.txt").write_bytes(b"\xff\xfe\x00")
    (mails / "photo.jpg").touch()
    code, out, err = call("predict", bundle, mails, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert [row["input"] for row in found["predictions"]] == [
        str(mails / "a.TXT"), str(mails / "b" / "2.txt"),
    ]  # fmt: skip
    assert [row["input"] for row in found["skipped"]] == [str(mails / "broken.txt")]
    assert found["ignored"] == {".jpg": 1}
    one = kerastl.bundles.load_bundle(bundle)
    assert one.predict(mails / "b").shape == (1, 3)
    # A text may hold what a pattern holds, and a name of a file is one as well.
    code, out, err = call("predict", bundle, "bad [*]?", mails / "a.TXT", "--json")
    assert [row["input"] for row in json.loads(out)["predictions"]] == [
        "bad [*]?", str(mails / "a.TXT"),
    ]  # fmt: skip
    assert "is a file, and is answered as a text all the same" in " ".join(err.split())
    lines = tmp_path / "lines.txt"
    lines.write_bytes("caf\xe9\n\nbad\n".encode("cp1252"))
    code, out, err = call("predict", bundle, "--lines", lines, "--encoding", "cp1252", "--json")
    assert [row["input"] for row in json.loads(out)["predictions"]] == ["caf\xe9", "", "bad"]


def test_what_cannot_be_predicted(call, bundle, tmp_path):
    assert call("predict", bundle, "a\udc80")[0] == 2
    for arguments, message in (
        ((bundle,), "nothing to predict"),
        ((bundle, "--lines", tmp_path / "none.txt"), "none.txt cannot be read"),
    ):
        code, out, err = call("predict", *arguments)
        assert (code, out) == (2, "")
        assert message in err


def test_export_and_verify(call, run, bundle, tmp_path):
    code, out, err = call("export", run, "--out", tmp_path / "b", "--format", "onnx", "--json")
    assert code == 0, err
    assert [item["path"] for item in json.loads(out)["artifacts"]] == ["model.onnx"]
    code, out, err = call("verify", tmp_path / "b", "--json")
    assert code == 0, err
    assert json.loads(out)["passed"] is True
    code, _, err = call("export", run, "--out", tmp_path / "c", "--any-size")
    assert code == 2
    assert "any_size is for images" in err


@pytest.fixture(scope="module")
def embedding(tmp_path_factory):
    path = tmp_path_factory.mktemp("embedding_run") / "run"
    embedding_model(dimensions=8).save(path)
    return path


def test_an_embedding(call, embedding, tmp_path):
    expected = kerastl.load(embedding).embed(["a film", "bad"])
    code, out, err = call(
        "export", embedding, "--out", tmp_path / "b", "--format", "onnx", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["artifacts"][0]["label_agreement"] == 1
    assert call("verify", tmp_path / "b")[0] == 0
    for model in (embedding, tmp_path / "b"):
        code, out, err = call("predict", model, "a film", "bad", "--json")
        assert code == 0, err
        for row, text, vector in zip(
            json.loads(out)["predictions"], ("a film", "bad"), expected, strict=True
        ):
            assert set(row) == {"input", "label", "probability", "embedding"}
            assert (row["input"], row["label"], row["probability"]) == (text, None, None)
            assert row["embedding"] == pytest.approx(vector.tolist(), abs=1e-5)
        code, out, _ = call("predict", model, "bad")
        assert code == 0
        assert out.startswith("bad  ")
        assert len(out.split()) == 8
        assert out.rstrip().endswith("...")


@pytest.mark.filterwarnings("ignore:.*longer than max_length")
def test_texts_are_evaluated(call, run, embedding, tmp_path):
    table = tmp_path / "texts.csv"
    given = texts(12, seed=4)
    labels = kerastl.load(run).predict(list(given)).labels
    rows = [f'"{text}","{label}"' for text, label in zip(given, labels, strict=True)]
    table.write_text("\n".join(["said,kind", *rows]), encoding="utf-8")
    options = ("--text-column", "said", "--label-column", "kind", "--json")
    code, out, err = call("evaluate", embedding, table, *options)
    assert code == 0, err
    assert set(json.loads(out)["metrics"]) == {"precision_at_1", "pair_auc", "examples"}
    code, out, err = call("evaluate", run, table, *options)
    assert code == 0, err
    assert json.loads(out)["metrics"]["accuracy"] == 1
