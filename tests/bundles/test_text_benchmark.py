"""``kerastl benchmark`` on bundles of texts."""

from __future__ import annotations

import json

import pytest

from kerastl.bundles import benchmark
from kerastl.bundles.benchmarking import as_markdown
from kerastl.cli.main import app
from kerastl.errors import BundleError, DataError

from .text_models import embedding_model, text_model, texts

pytest.importorskip("keras_hub")
pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture(scope="module")
def model():
    return text_model()


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("text_benchmark") / "bundle"
    return model.export(path)


@pytest.fixture(scope="module")
def labelled(model):
    """Texts and labels, a fourth of which the model does not give."""
    given = list(texts(40, seed=3))
    labels = list(model.predict(given).labels)
    for index in range(0, 40, 4):
        others = [name for name in model.class_names if name != labels[index]]
        labels[index] = others[0]
    return given, labels


@pytest.fixture(scope="module")
def measured(bundle, labelled):
    return benchmark(bundle.path, labelled, threads=1)


def test_every_file_is_measured(measured, bundle, model, labelled):
    assert json.loads(json.dumps(measured)) == measured
    assert (measured["of"], measured["metric"], measured["examples"]) == ("texts", "accuracy", 40)
    assert [item["path"] for item in measured["artifacts"]] == [
        artifact.path for artifact in bundle.artifacts
    ]
    expected = model.evaluate(labelled)
    assert expected["accuracy"] == 0.75
    for item, known in zip(measured["artifacts"], bundle.artifacts, strict=True):
        assert item["bytes"] == known.bytes
        assert item["load_seconds"] > 0
        for size in ("1", "32"):
            figures = item["latency"][size]
            assert 0 < figures["median_ms"] <= figures["p95_ms"]
        assert item["peak_memory_bytes"] > item["base_memory_bytes"] > 1e6
        assert set(item["metrics"]) == set(expected)
        assert item["metrics"] == pytest.approx(expected, abs=1e-4)
        assert item["accuracy_low"] < item["accuracy"] < item["accuracy_high"]


def test_the_tables(measured, bundle):
    from rich.console import Console

    from kerastl.cli.benchmark import _show

    text = as_markdown(measured)
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(bundle.artifacts)
    assert "A text from the string on. Accuracy on 40 texts." in text
    with (console := Console(width=80)).capture() as capture:
        _show(measured, console)
    assert "…" not in capture.get()


def test_the_command(bundle, labelled, tmp_path, capfd):
    table = tmp_path / "texts.csv"
    rows = [f'"{text}","{label}"' for text, label in zip(*labelled, strict=True)]
    table.write_text("\n".join(["said,kind", *rows]), encoding="utf-8")
    columns = ("--text-column", "said", "--label-column", "kind")
    with pytest.raises(SystemExit) as stop:
        app(["benchmark", str(bundle.path), "--data", str(table), *columns, "--json"])
    assert not stop.value.code
    result = json.loads(capfd.readouterr()[0])
    assert [item["accuracy"] for item in result["artifacts"]] == [0.75] * 3


def test_what_is_refused(bundle, labelled):
    with pytest.raises(DataError):
        benchmark(bundle.path, (labelled[0], ["another"] * 40))
    with pytest.raises(BundleError, match="no bundle"):
        benchmark(bundle.path.parent)


@pytest.mark.parametrize("kind", ["multi_label", "regression", "embedding"])
def test_the_metric_of_every_task(kind, tmp_path):
    given = list(texts(24, seed=5))
    if kind == "embedding":
        made, metric = embedding_model(), "precision_at_1"
        data = (given, ["ab"[index % 2] for index in range(24)])
    elif kind == "regression":
        made, metric = text_model("regression", ()), "r2"
        data = (given, [index / 10 for index in range(24)])
    else:
        made, metric = text_model("multi_label"), "micro_f1"
        data = (given, [[made.class_names[index % 3]] for index in range(24)])
    made.export(tmp_path / "bundle", formats=("onnx",))
    result = benchmark(tmp_path / "bundle", data, threads=1)
    assert result["metric"] == metric
    assert result["artifacts"][0]["metrics"] == pytest.approx(made.evaluate(data), abs=1e-3)
    if kind != "multi_label":
        assert result["artifacts"][0]["accuracy"] is None
