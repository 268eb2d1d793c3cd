"""A folder of odd photos through every command, with each file accounted for."""

import csv
import json
import re

import pytest

from tests import odd_photos

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forked_workers")]


def numbers(pattern, text):
    """The sum of the numbers that a pattern finds."""
    return sum(int(found) for found in re.findall(pattern, text))


@pytest.mark.filterwarnings("always")
def test_from_photos_to_the_report(call, small_weights, tmp_path):
    pytest.importorskip("pillow_heif")
    files = len(odd_photos.make(tmp_path / "photos"))
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    code, out, err = call(
        "fit", "image", tmp_path / "photos", "--backbone", "mobilenet_0.25", "--weights",
        small_weights, "--image-size", 32, "--batch-size", 8, "--no-augment", "--plan",
        "head-only", "--epochs", 2, "--out", run, "--report", "--json",
    )  # fmt: skip
    assert code == 0, err
    provenance = json.loads((run / "provenance.json").read_text())
    read = provenance["train_examples"] + provenance["validation_examples"]
    ignored = numbers(r"(\d+) files? (?:is|are) not (?:an image|images)", err)
    skipped = numbers(r"(\d+) unreadable images? skipped", err)
    assert files >= 60
    assert min(ignored, skipped) > 0
    assert read + ignored + skipped == files

    code, out, err = call("evaluate", run, tmp_path / "photos", "--json")
    assert code == 0, err
    assert json.loads(out)["metrics"]["examples"] == read
    assert numbers(r"(\d+) files? (?:is|are) not", err) == ignored
    assert re.search(r"\d+ of \d+ images were trained on", err + out)

    code, out, err = call("export", run, "--out", bundle, "--json")
    assert code == 0, err
    code, _, err = call("verify", bundle, "--json")
    assert code == 0, err

    for model in (run, bundle):
        table = tmp_path / f"{model.name}.csv"
        code, out, err = call("predict", model, tmp_path / "photos", "--out", table, "--json")
        assert code == 0, err
        told = json.loads(out)
        with table.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        assert len(rows) == told["rows"] == read
        assert len(rows) + len(told["skipped"]) + sum(told["ignored"].values()) == files

    code, _, err = call("report", bundle, tmp_path / "photos", "--out", tmp_path / "report.html")
    assert code == 0, err
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Verdict" in page
    assert (run / "report.html").stat().st_size < 2_000_000
