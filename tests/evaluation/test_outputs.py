"""What is told of each output, on labels and answers written down here."""

import itertools
import json

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from kerastl.evaluation import Answered, Evaluation, Evidence, Seen, measure_answers
from kerastl.inputs import Image
from kerastl.outputs import Classes, Labels, Number, Vector

NAMES = ("cat", "dog", "<b>owl</b>")


def answered(outputs, targets, answers):
    count = len(next(iter(targets.values())))
    return Answered(
        Image((4, 4)),
        outputs,
        targets,
        answers,
        [np.zeros((4, 4, 3), np.uint8)] * count,
        [f"{i}.png" for i in range(count)],
        [f"/photos/{i}.png" for i in range(count)],
        [],
    )


def evaluation_of(output, labels, answers):
    name = output.tensor
    return measure_answers(answered({name: output}, {name: labels}, {name: answers}))


@pytest.fixture(scope="module")
def classes():
    random = np.random.default_rng(4)
    labels = random.integers(0, 3, 90)
    scores = random.random((90, 3)) + 0.7 * np.eye(3)[labels]
    answers = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    return labels, answers, evaluation_of(Classes(NAMES), labels, answers)


def test_classes_are_those_of_scikit_learn(classes):
    labels, answers, found = classes
    [section] = found.sections.values()
    predicted = answers.argmax(axis=1)
    wanted = precision_recall_fscore_support(labels, predicted, labels=range(3))
    for key, column in zip(("precision", "recall", "f1", "examples"), wanted, strict=True):
        rows = [row[key] for row in section.tables["classes"].rows]
        np.testing.assert_allclose(rows, column)
    assert section.confusion.classes == NAMES
    np.testing.assert_array_equal(section.confusion.matrix, confusion_matrix(labels, predicted))
    first = section.tables["confused"].rows[0]
    matrix = np.array(section.confusion.matrix)
    assert first["count"] == (matrix - np.diag(np.diag(matrix))).max()
    assert section.counts == dict(zip(NAMES, np.bincount(labels).tolist(), strict=True))


def test_intervals_of_shares_are_those_of_wilson(classes):
    *_, found = classes
    low, high = found.intervals["accuracy"]
    assert low == found.metrics["accuracy_low"]
    assert high == found.metrics["accuracy_high"]
    for name in ("macro_f1", "loss"):
        low, high = found.intervals[name]
        assert low < found.metrics[name] < high
    assert set(found.intervals) == {"accuracy", "macro_f1", "loss"}


def test_rows_mistakes_and_what_is_uncertain(classes):
    labels, answers, found = classes
    [section] = found.sections.values()
    assert len(section.rows) == 90
    assert [row.right for row in section.rows] == (answers.argmax(axis=1) == labels).tolist()
    wrong = section.mistakes(None)
    assert len(wrong) == sum(not row.right for row in section.rows)
    assert all(a.confidence >= b.confidence for a, b in itertools.pairwise(wrong))
    assert section.mistakes(2) == wrong[:2]
    assert section.uncertain(1)[0].confidence == pytest.approx(answers.max(axis=1).min())
    row = section.rows[7]
    assert (row.name, row.path, row.text) == ("7.png", "/photos/7.png", None)


def test_an_evaluation_is_json_and_back(classes):
    *_, found = classes
    text = json.dumps(found.as_dict(), allow_nan=False)
    again = Evaluation.from_dict(json.loads(text))
    assert json.loads(json.dumps(again.as_dict())) == json.loads(text)
    assert again.sections["probabilities"].rows == found.sections["probabilities"].rows


def test_a_class_that_is_missing_has_no_recall():
    answers = np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3]], np.float32)
    found = evaluation_of(Classes(NAMES), np.array([0, 0]), answers)
    rows = {row["class"]: row for row in found.sections["probabilities"].tables["classes"].rows}
    assert rows["dog"] == {
        "class": "dog", "precision": 0.0, "recall": None, "f1": 0.0, "examples": 0,
    }  # fmt: skip
    assert rows["<b>owl</b>"]["precision"] is rows["<b>owl</b>"]["f1"] is None


def test_scores_have_no_calibration():
    answers = np.array([[8.0, -3.0, 1.0], [0.0, 4.0, 2.0]], np.float32)
    section = evaluation_of(Classes(NAMES), np.array([0, 1]), answers).sections["probabilities"]
    assert "calibration" not in section.tables
    assert not section.figures


def test_labels():
    output = Labels(NAMES, thresholds=(0.5, 0.2, 0.9))
    labels = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]], np.float32)
    answers = np.array(
        [[0.9, 0.1, 0.0], [0.4, 0.3, 0.95], [0.1, 0.25, 0.8], [0.0, 0.0, 0.0]], np.float32
    )
    found = evaluation_of(output, labels, answers)
    section = found.sections["probabilities"]
    wanted = precision_recall_fscore_support(labels, answers >= output.limits, zero_division=np.nan)
    rows = section.tables["classes"].rows
    np.testing.assert_allclose([row["recall"] for row in rows], wanted[1])
    np.testing.assert_allclose([row["f1"] for row in rows], wanted[2])
    assert [row["threshold"] for row in rows] == [0.5, 0.2, 0.9]
    pairs = {(row["true"], row["answer"]) for row in section.tables["confused"].rows}
    assert pairs == {("cat", "<b>owl</b>"), ("<b>owl</b>", "dog")}
    assert [row.right for row in section.rows] == [True, False, False, True]
    assert section.rows[1].label == ["cat", "dog"]
    # Nothing above 0 for any class: wholly sure that there is none.
    assert section.rows[3].confidence == pytest.approx(1.0)
    # The second decision of the first row is half way between 0 and its threshold.
    assert section.rows[0].confidence == pytest.approx(0.75)
    assert found.intervals["exact_match"][0] < 0.5 < found.intervals["exact_match"][1]
    assert "micro_f1" in found.intervals


def test_numbers():
    random = np.random.default_rng(0)
    labels = random.normal(50, 9, 70).astype(np.float32)
    answers = (labels + random.normal(0, 3, 70)).astype(np.float32)[:, None]
    answers[3] += 40
    found = evaluation_of(Number(), labels, answers)
    section = found.sections["probabilities"]
    assert section.mistakes(1)[0].name == "3.png"
    assert section.mistakes(1)[0].error > 30
    assert section.rows[0].right is None
    assert section.figures["max_abs_error"] == pytest.approx(np.abs(answers[:, 0] - labels).max())
    for name in ("r2", "mae", "rmse"):
        low, high = found.intervals[name]
        assert low <= found.metrics[name] <= high
    assert section.uncertain() == []


def test_vectors():
    vectors = np.array([[1, 0], [0.99, 0.1], [0, 1], [0.1, 0.99], [0.9, 0.2]], np.float32)
    output = Vector(dimensions=2, classes=("a", "b"))
    found = evaluation_of(output, np.array([0, 0, 1, 1, 1]), vectors)
    section = found.sections["embedding"]
    assert found.metrics["precision_at_1"] == pytest.approx(0.8)
    rows = {row["class"]: row["precision_at_1"] for row in section.tables["classes"].rows}
    assert rows == {"a": 1.0, "b": pytest.approx(2 / 3)}
    assert (section.rows[4].answer, section.rows[4].right) == ("a", False)
    assert found.intervals["precision_at_1"][0] < 0.8 < found.intervals["precision_at_1"][1]
    assert "pair_auc" not in found.intervals


def test_several_outputs_have_a_section_each_and_labels_may_be_missing():
    outputs = {"animal": Classes(NAMES), "size": Number(), "mood": Classes(("good", "bad"))}
    targets = {
        "animal": np.array([0, 1, -1]),
        "size": np.array([np.nan, 2.0, 3.0], np.float32),
        "mood": np.array([-1, -1, -1]),
    }
    answers = {
        "animal": np.eye(3, dtype=np.float32),
        "size": np.array([[1.0], [2.5], [3.0]], np.float32),
        "mood": np.eye(3, 2, dtype=np.float32),
    }
    found = measure_answers(answered(outputs, targets, answers))
    assert list(found.sections) == ["animal", "size"]
    assert [row.name for row in found.sections["size"].rows] == ["1.png", "2.png"]
    assert found.metrics["animal/accuracy"] == 1.0
    assert "size/mae" in found.intervals


def test_csv_has_one_line_for_each_example(tmp_path):
    import csv

    outputs = {"animal": Classes(NAMES), "tags": Labels(("x", "y"))}
    targets = {"animal": np.array([2, 1]), "tags": np.array([[1, 1], [0, 0]], np.float32)}
    answers = {"animal": np.eye(2, 3, dtype=np.float32), "tags": np.ones((2, 2), np.float32)}
    found = measure_answers(answered(outputs, targets, answers))
    found.write_csv(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert rows[0]["animal/label"] == "<b>owl</b>"
    assert (rows[0]["animal/answer"], rows[0]["animal/right"]) == ("cat", "false")
    assert (rows[1]["tags/label"], rows[1]["tags/answer"]) == ("", "x, y")
    assert rows[1]["path"] == "/photos/1.png"


def test_examples_that_were_seen_are_counted_and_told():
    digests = [f"{i:016x}" + "0" * 48 for i in range(60)]
    seen = Seen(np.arange(37, dtype=np.uint64), np.arange(30, 40, dtype=np.uint64))
    assert seen.count(digests) == {"trained_on": 37, "validated_on": 3}
    output = Classes(("a", "b"))
    one = answered(
        {"probabilities": output},
        {"probabilities": np.arange(60) % 2},
        {"probabilities": np.eye(2, dtype=np.float32)[np.arange(60) % 2]},
    )
    from dataclasses import replace

    with pytest.warns(UserWarning, match="37 of 60 images were trained on"):
        found = measure_answers(replace(one, digests=digests), Evidence(seen=seen))
    assert found.shared == {"trained_on": 37, "validated_on": 3}
    assert "3 of 60 images were used for validation" in found.notes[1]
    none = replace(one, digests=["f" * 64] * 60)
    assert measure_answers(none, Evidence(seen=seen)).notes == ()


def test_what_is_not_finite_is_null_in_json():
    answers = np.array([[np.nan, np.nan, np.nan], [0.2, 0.5, 0.3]], np.float32)
    found = evaluation_of(Classes(NAMES), np.array([0, 1]), answers).as_dict()
    json.dumps(found, allow_nan=False)
    assert found["outputs"]["probabilities"]["rows"][0]["confidence"] is None


def test_the_defaults_serve_an_output_whose_targets_are_no_answers():
    class Odd(Number.__base__):
        kind, score, metric, class_names = "odd", "mae", "mae", ()
        width = 2

        def decode(self, outputs):
            return [float(row.sum()) for row in outputs]

        def targets(self, labels):
            return labels.reshape(len(labels), 3)

        def measure(self, labels, outputs):
            return {"mae": 1.0, "never": float("nan"), "examples": len(labels)}

    Odd.__abstractmethods__ = frozenset()
    marks = Odd().marks(np.zeros((2, 3)), np.ones((2, 2)))
    assert (marks.labels, marks.right) == ([None, None], None)
    assert Odd().constant(np.zeros((2, 3))) is None
    assert Odd().details(np.zeros((2, 3)), np.ones((2, 2)), marks).tables == {}
    from kerastl.evaluation.intervals import intervals_of

    assert intervals_of(Odd(), np.zeros((2, 3)), np.ones((2, 2))) == {"mae": (1.0, 1.0)}
