import json

import numpy as np
import pytest

import kerastl
from kerastl.model import embeddings
from kerastl.text import TOKENIZER_FILE
from tests.bundles.text_models import embedding_model, texts

pytest.importorskip("keras_hub")


@pytest.fixture(scope="module")
def model():
    return embedding_model()


@pytest.fixture(scope="module")
def corpus():
    return list(dict.fromkeys(texts(60, seed=1)))


def test_vectors_of_length_1(model, corpus):
    vectors = model.embed(corpus)
    assert vectors.shape == (len(corpus), 32)
    assert vectors.dtype == np.float32
    assert model.dimensions == 32
    assert model.class_names == ()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(model.predict(corpus), vectors)


def test_a_text_gets_the_same_vector_in_any_company(model, corpus):
    alone = np.concatenate([model.embed(text) for text in corpus[:9]])
    np.testing.assert_allclose(alone, model.embed(corpus)[:9], atol=1e-5)


def test_no_texts_and_empty_texts(model):
    assert model.embed([]).shape == (0, 32)
    assert model.search([], ["a film"]) == []
    assert model.search(["a film"], []) == [[]]
    assert model.similarity([], ["a film"]).shape == (0, 1)
    empty = model.embed(["", " \t", "\0"])
    assert np.isfinite(empty).all()
    np.testing.assert_allclose(np.linalg.norm(empty, axis=1), 1, atol=1e-5)


def test_similarity_of_texts_and_of_vectors(model, corpus):
    vectors = model.embed(corpus)
    cosines = model.similarity(corpus, corpus[:5])
    assert cosines.shape == (len(corpus), 5)
    assert cosines.dtype == np.float32
    np.testing.assert_allclose(cosines, vectors @ vectors[:5].T, atol=1e-5)
    assert np.abs(cosines).max() <= 1
    # Vectors of any length, and whole numbers too.
    np.testing.assert_allclose(model.similarity(vectors * 7, corpus[:5]), cosines, atol=1e-5)
    whole = np.zeros((1, 32), np.int64)
    assert not model.similarity(whole, corpus[:5]).any()


def test_search_is_exact_and_in_order(model, corpus):
    vectors = model.embed(corpus)
    found = model.search(corpus[:7], corpus, top=4)
    assert [len(row) for row in found] == [4] * 7
    for query, row in enumerate(found):
        cosines = vectors[query] @ vectors.T
        best = np.argsort(-cosines, kind="stable")[:4]
        assert row[0][0] == query
        assert {position for position, _ in row} == set(best.tolist())
        assert [cosine for _, cosine in row] == sorted((c for _, c in row), reverse=True)
        assert [cosine for _, cosine in row] == pytest.approx(cosines[best].tolist(), abs=1e-5)
        assert all(type(p) is int and type(c) is float for p, c in row)
    assert model.search(corpus[3], vectors, top=1)[0][0][0] == 3
    assert len(model.search("a film", corpus[:3], top=9)[0]) == 3


def test_equal_ones_come_in_the_order_of_the_corpus(model):
    vectors = model.embed(["a good film", "bad bad train"])
    held = np.repeat(vectors, 4, axis=0)
    [row] = model.search(vectors[1:], held, top=3)
    assert [position for position, _ in row] == [4, 5, 6]


def test_a_large_corpus_is_searched_in_chunks(model, corpus, monkeypatch):
    vectors = model.embed(corpus)
    whole = model.search(vectors, vectors, top=3)
    monkeypatch.setattr(embeddings, "_CHUNK", 5 * len(corpus))
    chunked = model.search(vectors, vectors, top=3)
    assert [[p for p, _ in row] for row in chunked] == [[p for p, _ in row] for row in whole]


def test_what_cannot_be_compared(model):
    vectors = model.embed(["a film"])
    with pytest.raises(kerastl.ConfigurationError, match=r"shape \(1, 31\) are not of this model"):
        model.similarity(vectors[:, :31], ["a film"])
    with pytest.raises(kerastl.ConfigurationError, match="give examples, or"):
        model.similarity(vectors[0], ["a film"])
    with pytest.raises(kerastl.ConfigurationError, match="1 of 1 vectors hold NaN"):
        model.search("a film", vectors * np.nan)
    for top in (0, 1.5, True):
        with pytest.raises(kerastl.ConfigurationError, match=f"top={top}"):
            model.search("a film", ["a film"], top=top)
    with pytest.raises(kerastl.ConfigurationError, match="Texts cannot be read from int"):
        model.embed(3)
    with pytest.raises(kerastl.TextError):
        model.embed(["fine", "bad \ud800"])


@pytest.mark.filterwarnings("ignore:.*longer than max_length")
def test_evaluate(model, corpus):
    labels = ["even" if len(text) % 2 else "odd" for text in corpus]
    found = model.evaluate((corpus, labels))
    assert list(found) == ["precision_at_1", "pair_auc", "examples"]
    assert found["examples"] == len(corpus)
    given = ["a good film", "A good film", "a  good film", *["bad train"] * 3]
    grouped = model.evaluate((given, ["one"] * 3 + ["two"] * 3))
    assert (grouped["precision_at_1"], grouped["pair_auc"]) == (1.0, 1.0)


def test_a_run_is_read_back(model, corpus, tmp_path):
    model.save(tmp_path / "run")
    again = kerastl.load(tmp_path / "run")
    assert isinstance(again, kerastl.EmbeddingModel)
    np.testing.assert_array_equal(again.embed(corpus), model.embed(corpus))
    assert again.samples.sources == list(model.samples.sources)
    assert again.samples.labels is None
    assert again.task.input.tokenizer.sha256 == model.task.input.tokenizer.sha256
    assert again.task.input.max_length == model.task.input.max_length


def test_a_damaged_run_is_noticed(model, tmp_path):
    model.save(tmp_path / "run")
    file = tmp_path / "run" / TOKENIZER_FILE
    content = json.loads(file.read_text("utf-8"))
    words = content["model"]["vocab"]
    words["good"], words["bad"] = words["bad"], words["good"]
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(kerastl.RunError, match=r"tokenizer.json was changed"):
        kerastl.load(tmp_path / "run")
    (tmp_path / "run" / "text.json").write_text("{}", encoding="utf-8")
    with pytest.raises(kerastl.RunError, match="is damaged"):
        kerastl.load(tmp_path / "run")
