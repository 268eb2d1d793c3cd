import numpy as np
import pytest
import sklearn.metrics
from hypothesis import assume, given
from hypothesis import strategies as st

from kerastl.metrics import embedding_metrics, embeddings, pair_auc, precision_at_1, unit_rows


@st.composite
def spaces(draw):
    """Classes (n,) and vectors (n, d) without ties."""
    n, classes = draw(st.integers(2, 30)), draw(st.integers(1, 5))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return random.integers(0, classes, n), random.normal(size=(n, draw(st.integers(2, 6))))


def cosine(one, other):
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def pairs(labels, vectors):
    """(cosine, of one class) of all pairs, in plain loops."""
    found = []
    for i in range(len(labels)):
        for j in range(i):
            found.append((cosine(vectors[i], vectors[j]), labels[i] == labels[j]))
    return found


@given(spaces())
def test_precision_at_1_by_hand(space):
    labels, vectors = space
    hits = []
    for i in range(len(labels)):
        if (labels == labels[i]).sum() in (1, len(labels)):
            continue
        best = {True: -2.0, False: -2.0}
        for j in set(range(len(labels))) - {i}:
            same = bool(labels[j] == labels[i])
            best[same] = max(best[same], cosine(vectors[i], vectors[j]))
        # A tie within 1e-6 is a miss, and float32 may decide it either way.
        assume(abs(best[True] - best[False]) > 1e-5)
        hits.append(best[True] > best[False])
    assert precision_at_1(labels, vectors) == pytest.approx(np.mean(hits) if hits else 0.0)


@given(spaces())
def test_pair_auc_against_scikit_learn(space):
    labels, vectors = space
    cosines, same = zip(*pairs(labels, vectors), strict=True)
    if len(set(same)) == 1:
        assert pair_auc(labels, vectors) == 0.5
    else:
        # Vectors are brought to length 1 in float32, in which nearer ones may change places.
        assume(np.diff(np.sort(cosines), prepend=-2).min() > 1e-6)
        expected = sklearn.metrics.roc_auc_score(same, cosines)
        assert pair_auc(labels, vectors) == pytest.approx(expected, abs=1e-6)


@given(spaces(), st.floats(0.01, 100))
def test_order_length_and_names_do_not_matter(space, factor):
    labels, vectors = space
    whole = embedding_metrics(labels, vectors)
    assert list(whole) == ["precision_at_1", "pair_auc", "examples"]
    backwards = embedding_metrics(9 - labels[::-1], vectors[::-1] * factor)
    assert backwards == pytest.approx(whole, abs=1e-6)


def test_separate_classes_are_perfect_and_vectors_all_alike_are_worthless():
    labels = np.repeat([0, 1, 2], 4)
    perfect = embedding_metrics(labels, np.eye(3)[labels] + 0.01)
    assert (perfect["precision_at_1"], perfect["pair_auc"]) == (1.0, 1.0)
    alike = embedding_metrics(labels, np.ones((12, 3)))
    assert (alike["precision_at_1"], alike["pair_auc"]) == (0.0, 0.5)
    assert embedding_metrics(labels, np.zeros((12, 3)))["pair_auc"] == 0.5
    rounded = np.ones((12, 3)) + np.random.default_rng(0).normal(size=(12, 3)) * 1e-7
    assert precision_at_1(labels, rounded) == 0.0


def test_classes_of_one_text_do_not_count():
    vectors = np.array([[1.0, 0], [0.9, 0.1], [0.95, 0.0], [-1, 0.1]])
    assert precision_at_1(np.array([0, 0, 1, 2]), vectors) == 0.0
    assert precision_at_1(np.array([0, 1, 0, 2]), vectors) == 1.0
    assert precision_at_1(np.arange(4), vectors) == 0.0
    assert precision_at_1(np.zeros(4, int), vectors) == 0.0


def test_many_rows_are_counted_in_chunks(monkeypatch):
    random = np.random.default_rng(0)
    labels, vectors = random.integers(0, 7, 301), random.normal(size=(301, 8))
    whole = precision_at_1(labels, vectors)
    monkeypatch.setattr(embeddings, "_CHUNK", 301 * 13)
    assert precision_at_1(labels, vectors) == whole


def test_of_many_texts_the_pairs_are_a_sample():
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 2500)
    vectors = np.eye(3)[labels] + random.normal(size=(2500, 3)) * 0.7
    found = pair_auc(labels, vectors)
    assert found == pair_auc(labels, vectors)
    assert found != pair_auc(labels, vectors, seed=1)
    assert found == pytest.approx(pair_auc(labels[:2000], vectors[:2000]), abs=0.02)


def test_rows_of_length_1():
    rows = unit_rows(np.array([[3, 4], [1e-30, 0], [0, 0]], np.float32))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [1, 0], [0, 0]], rtol=1e-6)
    assert rows.dtype == np.float32
