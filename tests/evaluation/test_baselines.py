import numpy as np
import pytest

from kerastl.evaluation import Baselines, fit_baselines
from kerastl.inputs import ArrayExamples, Image
from kerastl.inputs.token_examples import sort_tokens
from kerastl.outputs import Classes, Labels, Number, Vector
from kerastl.outputs.linear import logistic, logistic_of_each, ridge
from tests.conftest import CLASSES, coloured_images

IMAGE = Image((16, 16))


def colours(count, seed):
    images, labels = coloured_images(count, size=16, seed=seed)
    return images, labels


@pytest.fixture(scope="module")
def fitted():
    images, labels = colours(30, 0)
    targets = {
        "colour": labels,
        "flags": np.eye(3, dtype=np.float32)[labels],
        "size": labels.astype(np.float32) * 100,
    }
    outputs = {"colour": Classes(CLASSES), "flags": Labels(CLASSES), "size": Number()}
    return fit_baselines(IMAGE, outputs, ArrayExamples(images, targets), seed=0)


def test_constants_are_what_fits_the_training_labels_best(fitted):
    np.testing.assert_allclose(fitted.constants["colour"], [1 / 3] * 3)
    np.testing.assert_allclose(fitted.constants["size"], [100.0])
    labels = np.array([2, 2, 1, 2])
    row = Classes(CLASSES).constant(labels)
    assert Classes(CLASSES).decode(row[None]) == ["red"]
    assert Vector(dimensions=3, classes=CLASSES).constant(labels) is None


def test_a_linear_model_of_colours_tells_colours_apart(fitted):
    images, labels = colours(30, 1)
    found = fitted.answers(IMAGE, list(images))
    assert set(found) == {"constant", "linear"}
    assert (found["linear"]["colour"].argmax(axis=1) == labels).all()
    np.testing.assert_allclose(found["linear"]["colour"].sum(axis=1), 1, rtol=1e-5)
    assert ((found["linear"]["flags"] > 0.5) == (np.eye(3)[labels] > 0)).all()
    assert np.abs(found["linear"]["size"][:, 0] - 100 * labels).mean() < 25
    assert found["constant"]["colour"].shape == (30, 3)
    assert "colour histograms" in fitted.titles["linear"]


def test_they_are_read_back_without_pickle(fitted, tmp_path):
    fitted.save(tmp_path)
    with np.load(tmp_path / "baselines.npz", allow_pickle=False) as archive:
        assert set(archive) >= {"constant/colour", "weights/size", "bias/flags"}
    again = Baselines.load(tmp_path)
    images, _ = colours(5, 2)
    for kind, answers in fitted.answers(IMAGE, list(images)).items():
        for name, rows in again.answers(IMAGE, list(images))[kind].items():
            np.testing.assert_array_equal(rows, answers[name])
    assert Baselines.load(tmp_path / "elsewhere") is None


def test_without_scikit_learn_the_constant_is_left_and_a_note_says_so(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    images, labels = colours(9, 0)
    examples = ArrayExamples(images, {"colour": labels})
    found = fit_baselines(IMAGE, {"colour": Classes(CLASSES)}, examples, seed=0)
    assert list(found.constants) == ["colour"]
    assert not found.linear
    assert "pip install 'kerastl[report]'" in found.notes[0]


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_logistic_regression_is_that_of_scikit_learn(classes):
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(classes)
    features = random.normal(size=(80, 4))
    features /= features.std()
    labels = random.integers(0, classes, 80)
    reference = LogisticRegression(max_iter=100).fit(features, labels)
    found = logistic(features, labels, classes).answers(features)
    np.testing.assert_allclose(found, reference.predict_proba(features), atol=1e-4)


def test_classes_without_examples_are_never_answered():
    features = np.array([[0.0], [1.0], [0.1], [0.9]])
    found = logistic(features, np.array([0, 2, 0, 2]), 4).answers(features)
    assert found.argmax(axis=1).tolist() == [0, 2, 0, 2]
    assert (found[:, [1, 3]] < 1e-6).all()
    alone = logistic(features, np.array([1, 1, 1, 1]), 3).answers(features)
    assert (alone.argmax(axis=1) == 1).all()
    flags = np.array([[1.0, 0, 1], [0, 0, 1], [1, 0, 1], [0, 0, 1]])
    each = logistic_of_each(1 - features, flags).answers(1 - features)
    assert ((each > 0.5) == (flags > 0)).all()


def test_ridge_finds_a_line():
    features = np.linspace(-1, 1, 50)[:, None]
    found = ridge(features, 3 * features[:, 0] + 7).answers(features)
    assert np.abs(found[:, 0] - 3 * features[:, 0] - 7).max() < 0.2


@pytest.mark.parametrize("texts", [["good film", "bad plot"] * 5, ["", " "] * 3, ["?!", "..."] * 3])
def test_tfidf_learns_once_and_is_read_back(texts):
    from kerastl.inputs.text_features import tfidf

    matrix, state = tfidf(texts)
    again, _ = tfidf([*texts, "unknown words"], state)
    np.testing.assert_allclose(again.toarray()[:-1], matrix.toarray(), atol=1e-5)
    assert matrix.shape[1] == len(state["words"]) == len(state["idf"])


def test_names_follow_the_order_of_the_data():
    ids = [np.arange(3), np.arange(1), np.arange(2)]
    examples = sort_tokens(ids, {}, pad_id=0, texts=["aaa", "a", "aa"])
    assert examples.order.tolist() == [1, 2, 0]
    back = np.argsort(examples.order)
    assert examples.sources(back) == ["aaa", "a", "aa"]
