"""The page of each output, of answers that are written down here."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from kerastl.evaluation import measure_answers
from kerastl.inputs import Image, Input
from kerastl.outputs import Classes, Labels, Number, Vector
from kerastl.reporting.content import content_of
from kerastl.reporting.facts import Facts
from kerastl.reporting.page import figure, page_of, pointer, resolve
from kerastl.reporting.thumbnails import thumbnails_of
from kerastl.task import Task
from tests.evaluation.test_outputs import answered
from tests.reporting.pages import checked
from tests.shared import real_data

HOSTILE = ("<script>alert(1)</script>", "a/b~c", '"><img src=x onerror=alert(2)>')
PHASES = [
    {
        "name": "head", "train_from": "head", "boundary": "pool", "epochs": 2, "seconds": 1.5,
        "best_epoch": 2, "learning_rate": 1e-3, "score": "accuracy", "value": 0.5,
        "history": {"accuracy": [0.3, 0.4], "val_accuracy": [0.2, 0.5], "loss": [2.0, 1.0]},
    },
    {
        "name": "<b>fine</b>", "train_from": -2, "boundary": "block", "epochs": 1, "seconds": 2,
        "best_epoch": 1, "learning_rate": 1e-5, "score": "accuracy", "value": 0.75,
        "history": {"accuracy": [0.7], "val_accuracy": [0.75], "loss": [0.5]},
    },
]  # fmt: skip


def facts_of(task, **changes):
    values = {
        "kind": "run", "name": "run", "task": task, "phases": PHASES, "counts": {}, "metrics": {},
        "origin": {"backbone": "<i>net</i>", "versions": {"keras": "3"}, "recipe": {"a": [1, 2]}},
        "evaluation": None, "files": [],
    }  # fmt: skip
    return Facts(**{**values, **changes})


def write(folder, given, *, input=None, latency=None, **changes):
    """Writes a page of answers; returns it and its JSON, checked."""
    task = Task(given.input, given.outputs)
    evaluation = measure_answers(given)
    content = content_of(
        facts_of(task, **changes), evaluation, source="<data>", latency=latency or {}
    )
    sources = dict(zip(given.names, given.sources, strict=True))
    shown, _ = thumbnails_of(input or given.input, evaluation, sources)
    path = folder / "report.html"
    path.write_text(page_of(content, shown), encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
    return checked(path)


def scores(labels, classes, seed=0):
    found = (
        np.random.default_rng(seed).random((len(labels), classes)) + 0.4 * np.eye(classes)[labels]
    )
    return (found / found.sum(axis=1, keepdims=True)).astype(np.float32)


def test_classes_with_hostile_names(tmp_path):
    labels = np.arange(60) % 3
    output = Classes(HOSTILE)
    given = answered({"y": output}, {"y": labels}, {"y": scores(labels, 3)})
    counts = {"train": {"y": dict(zip(HOSTILE, (4, 50, 50), strict=True))}}
    files = [
        {"bundle": "b", "path": "model.onnx", "format": "onnx", "quantization": None, "bytes": 123,
         "max_abs_diff": 3e-7, "label_agreement": 1.0, "n": 9, "accuracy": None},
    ]  # fmt: skip
    latency = {"model.onnx": {"ms_of_one": 3.25, "ms_of_32": 60.0, "peak_memory_bytes": None}}
    page, content = write(tmp_path, given, counts=counts, files=files, latency=latency)
    wrong = [row for row in content["evaluation"]["outputs"]["y"]["rows"] if not row["right"]]
    assert wrong
    assert len(page.of("img")) == len(wrong) + 12
    for name in HOSTILE:
        assert name in page.text
    assert "<b>fine</b>" in page.text
    assert content["verdicts"][0]["wrong"] == len(wrong)
    first = content["collect"]["y"][0]
    assert first["reasons"][0] == "few training examples" or first["class"] != HOSTILE[0]
    assert "ms of one" in page.text
    assert "3.00e-07" in page.text


def test_labels_numbers_and_vectors_have_a_section_each(tmp_path):
    labels = np.arange(30) % 3
    flags = np.eye(3, dtype=np.float32)[labels]
    outputs = {
        "tags": Labels(HOSTILE),
        "size": Number(),
        "kind": Classes(("a", "b", "c")),
        "place": Vector(dimensions=3, classes=("a", "b", "c")),
    }
    targets = {"tags": flags, "size": labels.astype(np.float32), "kind": labels, "place": labels}
    answers = {
        "tags": scores(labels, 3, 1), "size": labels[:, None] + 0.25, "kind": scores(labels, 3, 2),
        "place": scores(labels, 3, 3),
    }  # fmt: skip
    answers = {name: np.asarray(rows, np.float32) for name, rows in answers.items()}
    page, content = write(tmp_path, answered(outputs, targets, answers))
    assert list(content["evaluation"]["outputs"]) == list(outputs)
    assert "median abs error" in page.text
    assert len(content["verdicts"]) == 4
    assert {row["metric"] for row in content["verdicts"]} == {
        "micro_f1", "r2", "accuracy", "precision_at_1",
    }  # fmt: skip
    assert "Errors by size of the true number" in page.text


def test_texts_are_shown_shortened_and_escaped(tmp_path):
    labels = np.array([0, 1, 1])
    given = answered({"y": Classes(("a", "b"))}, {"y": labels}, {"y": scores(1 - labels, 2)})

    class Words(Image.__base__):
        kind = noun = "text"

        def excerpt(self, source):
            return f"<script>{len(source)}</script>"

    Words.__abstractmethods__ = frozenset()
    given = dataclasses.replace(given, input=Words(), paths=[None] * 3)
    page, _ = write(tmp_path, given)
    assert "<script>4</script>" in page.text
    assert not page.of("img")
    assert page.of("blockquote")


def test_an_output_of_your_own_gets_the_generic_parts(tmp_path):
    sys.path.insert(0, str(Path(__file__).parents[1] / "extension"))
    try:
        from scale import Scale
    finally:
        sys.path.pop(0)
    labels = np.arange(24) % 3
    answers = np.random.default_rng(0).random((24, 2)).astype(np.float32)
    page, content = write(
        tmp_path, answered({"mood": Scale()}, {"mood": labels}, {"mood": answers})
    )
    section = content["evaluation"]["outputs"]["mood"]
    assert section["confusion"]["classes"] == ["bad", "fair", "good"]
    assert content["verdicts"][0]["lower_is_better"]
    assert "Lower is better" in page.text
    assert "mean_error" in content["evaluation"]["intervals"]


def test_many_wrong_answers_do_not_make_a_page_too_long(tmp_path):
    labels = np.arange(900) % 3
    given = answered(
        {"y": Classes(("a", "b", "c"))}, {"y": labels}, {"y": scores((labels + 1) % 3, 3)}
    )
    page, content = write(tmp_path, given)
    wrong = len(content["evaluation"]["outputs"]["y"]["mistakes"])
    assert wrong > 300
    assert "The 300 worst; all are in the JSON" in page.text
    assert len(page.of("img")) == 312


def test_300_real_photos_fit_into_two_megabytes(tmp_path):
    files = sorted((real_data("trashnet_small") / "train").rglob("*.jpg"))[:300]
    assert len(files) == 300
    labels = np.arange(300) % 3
    given = answered(
        {"y": Classes(("a", "b", "c"))}, {"y": labels}, {"y": scores((labels + 1) % 3, 3, 5)}
    )
    wrong = np.tile(np.array([0.9, 0.05, 0.05], np.float32), (300, 1))
    given = dataclasses.replace(
        given, paths=list(map(str, files)), targets={"y": np.full(300, 1)}, answers={"y": wrong}
    )
    page, _ = write(tmp_path, given)
    assert len(page.of("img")) == 312
    assert (tmp_path / "report.html").stat().st_size < 2_000_000


def test_an_input_without_pictures_shows_none(tmp_path):
    labels = np.array([0, 1])
    given = answered({"y": Classes(("a", "b"))}, {"y": labels}, {"y": scores(labels, 2)})
    assert Input.thumbnail(given.input, None) is None
    given = dataclasses.replace(given, sources=[None, None])
    evaluation = measure_answers(given)
    shown, missing = thumbnails_of(given.input, evaluation, {})
    assert (shown, missing) == ({}, 2)


def test_pointers():
    content = {"a/b": [{"~c": 1.5}], "": None}
    place = pointer("a/b", 0, "~c")
    assert place == "/a~1b/0/~0c"
    assert resolve(content, place) == 1.5


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3, "3"), (12345, "12,345"), (0.62781, "0.628"), (0.0, "0.000"), (3e-7, "3.00e-07"),
     (1234.56, "1,234.6"), (-0.5, "-0.500"), (2.5e9, "2.50e+09")],
)  # fmt: skip
def test_figures(value, shown):
    assert figure(value) == shown
