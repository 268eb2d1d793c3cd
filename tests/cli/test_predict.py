"""``kerastl predict`` on folders, patterns and lists of images, and its files of answers."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

import kerastl
from kerastl.bundles import answering
from kerastl.data import IgnoredFilesWarning, UnreadableWarning
from kerastl.errors import DataError, ImageError
from tests.odd_photos import noise

pytestmark = pytest.mark.filterwarnings("always::kerastl.data.IgnoredFilesWarning")


@pytest.fixture
def inbox(tmp_path):
    """Five photos in two folders, one of them damaged, and what is no photo."""
    root = tmp_path / "inbox"
    (root / "b").mkdir(parents=True)
    for index, name in enumerate(("c.png", "a.JPG", "b/2.png", "b/1.png")):
        noise(index).save(root / name)
    (root / "b" / "0.png").write_bytes(b"damaged")
    (root / "notes.txt").touch()
    return root


NAMES = ("a.JPG", "b/1.png", "b/2.png", "c.png")


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_a_folder_is_answered_but_for_what_cannot_be_read(call, trained, inbox):
    code, out, err = call("predict", trained[1], inbox, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert [row["input"] for row in found["predictions"]] == [str(inbox / n) for n in NAMES]
    assert set(found["predictions"][0]) == {"input", "label", "probability"}
    [skipped] = found["skipped"]
    assert skipped["input"] == str(inbox / "b" / "0.png")
    assert "not an image" in skipped["error"]
    assert found["ignored"] == {".txt": 1}
    assert "1 image was skipped" in err
    assert "1 file is not an image and was ignored: 1 .txt" in err.replace("\n", " ")
    code, out, err = call("predict", trained[1], inbox, "--on-error", "raise", "--json")
    assert (code, out) == (2, "")
    assert "0.png" in err


def test_nothing_that_could_be_read(call, trained, inbox):
    damaged = inbox / "b" / "0.png"
    code, out, err = call("predict", trained[1], damaged, inbox / "missing.png", "--json")
    assert (code, out) == (2, "")
    assert "Not a single image could be read" in err
    assert "1 other cannot be read either" in err
    (inbox / "empty").mkdir()
    code, _, err = call("predict", trained[1], inbox / "empty")
    assert code == 2
    assert "There are no images" in err


def test_patterns_that_the_shell_left_alone(call, trained, inbox):
    code, out, err = call("predict", trained[1], inbox / "**" / "*.png", inbox / "*.bmp", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert [row["input"] for row in found["predictions"]] == [str(inbox / n) for n in NAMES[1:]]
    assert [row["input"] for row in found["skipped"]] == [
        str(inbox / "*.bmp"), str(inbox / "b" / "0.png"),
    ]  # fmt: skip
    # A file that is called like a pattern is a file.
    noise(9).save(inbox / "[1].png")
    code, out, _ = call("predict", trained[1], inbox / "[1].png", "--json")
    assert len(json.loads(out)["predictions"]) == 1


def test_lines_name_their_blank_ones(call, trained, inbox, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text(f"{inbox / 'c.png'}\n\n{inbox / 'a.JPG'}\r\n", encoding="utf-16")
    code, out, err = call("predict", trained[1], "--lines", lines, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert [row["input"] for row in found["predictions"]] == [
        str(inbox / "c.png"), str(inbox / "a.JPG"),
    ]  # fmt: skip
    [blank] = found["skipped"]
    assert blank["error"] == f"Line 2 of {lines} is blank."


def test_a_column_of_a_table(call, trained, inbox):
    table = inbox / "table.csv"
    table.write_text("n~file\n1~a.JPG\n2~\n3~b/1.png\n", encoding="utf-16")
    options = ("--table", table, "--field-separator", "~", "--json")
    code, out, err = call("predict", trained[1], *options, "--column", "file")
    assert code == 0, err
    found = json.loads(out)
    assert [row["input"] for row in found["predictions"]] == ["a.JPG", "b/1.png"]
    assert found["skipped"] == [{"input": "", "error": f"Line 3 of {table} holds no image."}]
    code, _, err = call("predict", trained[1], *options)
    assert code == 2
    assert "--column" in err


def test_details_of_an_answer(call, trained, inbox):
    model, run = trained
    expected = model.predict([inbox / "c.png"])
    code, out, _ = call("predict", run, inbox / "c.png", "--top-k", 2, "--all", "--json")
    assert code == 0
    [row] = json.loads(out)["predictions"]
    assert list(row["probabilities"]) == list(model.class_names)
    assert list(row["probabilities"].values()) == pytest.approx(
        expected.probabilities[0].tolist(), abs=1e-5
    )
    assert [item["label"] for item in row["top"]] == [
        model.class_names[at] for at in np.argsort(-expected.probabilities[0])[:2]
    ]
    assert row["top"][0] == {"label": row["label"], "probability": row["probability"]}
    code, out, _ = call("predict", run, inbox / "c.png", "--top-k", 2)
    assert out.count(f"{row['label']} {row['probability']:.3f}") == 1
    code, _, err = call("predict", run, inbox / "c.png", "--top-k", 0)
    assert code == 2
    assert "--top-k" in err


def test_a_table_of_answers(call, trained, inbox, tmp_path):
    out_file = tmp_path / "answers.csv"
    code, out, err = call("predict", trained[1], inbox, "--out", out_file, "--all", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert (result["out"], result["rows"]) == (str(out_file), 4)
    rows = read_csv(out_file)
    assert list(rows[0]) == ["input", "label", "probability", "blue", "green", "red"]
    assert [row["input"] for row in rows] == [str(inbox / name) for name in NAMES]
    for row in rows:
        assert float(row[row["label"]]) == float(row["probability"])
    code, out, _ = call("predict", trained[1], inbox, "--out", tmp_path / "a.jsonl", "--top-k", 3)
    assert (code, out) == (0, f"{tmp_path / 'a.jsonl'}: 4 rows\n")
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["input"] for line in lines] == [row["input"] for row in rows]
    code, _, err = call("predict", trained[1], inbox, "--out", tmp_path / "a.parquet", "--top-k", 2)
    assert code == 0, err
    from pyarrow import parquet

    table = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert [row["label"] for row in table] == [row["label"] for row in rows]
    assert {"label_1", "probability_1", "label_2", "probability_2"} <= set(table[0])
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "a.jsonl", "a.jsonl.made_by.json", "a.parquet", "answers.csv", "answers.csv.made_by.json",
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_long_run_goes_on(call, trained, inbox, tmp_path, suffix):
    run, path = trained[1], tmp_path / f"answers{suffix}"
    options = (run, inbox, "--out", path, "--all")
    assert call("predict", *options)[0] == 0
    whole = path.read_bytes()
    code, _, err = call("predict", *options)
    assert code == 2
    assert "--resume" in err
    for keep in (len(whole) - 1, len(whole) // 2, 3):
        path.write_bytes(whole[:keep])
        code, out, err = call("predict", *options, "--resume", "--json")
        assert code == 0, err
        assert json.loads(out)["rows"] == 4
        assert path.read_bytes() == whole
    # What is there is kept, and not answered anew.
    marked = whole.replace(b"0.", b"9.")
    path.write_bytes(marked)
    assert call("predict", *options, "--resume")[0] == 0
    assert path.read_bytes() == marked
    code, _, err = call("predict", run, inbox, "--out", path, "--resume")
    assert code == 2
    assert "another details" in err
    assert call("predict", *options, "--overwrite")[0] == 0
    assert path.read_bytes() == whole


def test_another_model_does_not_go_on_with_a_file(call, trained, inbox, tmp_path):
    model, run = trained
    path, other = tmp_path / "answers.csv", tmp_path / "other"
    assert call("predict", run, inbox, "--out", path)[0] == 0
    moved = tmp_path / "moved"
    model.save(moved)
    changed = kerastl.load(run)
    weights = changed.network.get_weights()
    changed.network.set_weights([*weights[:-1], weights[-1] + 1])
    with pytest.warns(UserWarning, match="weights were changed"):
        changed.save(other)
    code, _, err = call("predict", other, inbox, "--out", path, "--resume")
    assert code == 2
    assert "made with another model" in err
    (tmp_path / "answers.csv.made_by.json").unlink()
    code, _, err = call("predict", run, inbox, "--out", path, "--resume")
    assert code == 2
    assert "is missing" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--out", "answers.xlsx"), ".csv, .jsonl, .parquet"),
        (("--out", "no/such/folder/answers.csv"), "there is no folder"),
        (("--out", "a.parquet", "--resume"), "Parquet file is written as a whole"),
        (("--out", "a.csv", "--resume", "--overwrite"), "exclude each other"),
        (("--resume",), "go with --out"),
        (("--on-error", "skip"), "must be 'warn' or 'raise'"),
        (("--encoding", "utf-99", "--lines", "lines.txt"), "not an encoding"),
    ],
)
def test_bad_usage(call, trained, inbox, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.txt").write_text("x")
    code, out, err = call("predict", trained[1], inbox, *options, "--json")
    assert (code, out) == (2, "")
    assert message in " ".join(err.split())
    assert "Traceback" not in err


def test_chunks_tell_their_progress_and_one_damaged_file_costs_no_other(
    call, trained, inbox, monkeypatch
):
    monkeypatch.setattr(answering, "CHUNK", 2)
    code, out, err = call("predict", trained[1], inbox, "--json")
    assert code == 0
    assert len(json.loads(out)["predictions"]) == 4
    assert "predicting" in err
    assert "5 images" in err


def test_a_folder_in_python(trained, inbox):
    model, _ = trained
    with (
        pytest.warns(IgnoredFilesWarning, match=r"1 \.txt"),
        pytest.warns(UnreadableWarning, match=r"1 unreadable image skipped: .*0\.png"),
    ):
        found = model.predict(str(inbox), on_error="warn")
    wanted = model.predict([inbox / name for name in NAMES])
    assert found.labels == wanted.labels
    with pytest.warns(IgnoredFilesWarning), pytest.raises(ImageError, match=r"0\.png"):
        model.predict(inbox)
    with pytest.warns(UnreadableWarning), pytest.raises(DataError, match="Not a single image"):
        model.predict(inbox / "b" / "0.png", on_error="warn")
