"""``kerastl benchmark`` on bundles of every input and output."""

from __future__ import annotations

import json
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from kerastl.bundles import benchmark
from kerastl.bundles.benchmarking import as_markdown
from kerastl.cli.main import app
from kerastl.errors import BundleError, ConfigurationError, DataError, DataWarning
from kerastl.inputs import Image as ImageInput
from kerastl.outputs import Classes, Labels, Number, Vector
from kerastl.task import Task
from tests import forked

from .conftest import CLASS_NAMES
from .planting import forge
from .text_models import texts

pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture(scope="module")
def photos(trained, tmp_path_factory):
    """The validation images as PNG files, one folder per class."""
    folder = tmp_path_factory.mktemp("data")
    for name in CLASS_NAMES:
        (folder / name).mkdir()
    for index, (image, label) in enumerate(zip(trained.x_val[:40], trained.y_val, strict=False)):
        Image.fromarray(image).save(folder / CLASS_NAMES[label] / f"{index}.png")
    return folder


def labelled_texts(model):
    """Texts and labels, a fourth of which the model does not give."""
    given = list(texts(40, seed=3))
    labels = list(model.predict(given).labels)
    for index in range(0, 40, 4):
        others = [name for name in model.class_names if name != labels[index]]
        labels[index] = others[0]
    return given, labels


def data_of(case, trained):
    """Labelled data for the outputs of a case."""
    x = trained.x_val[:40] if case.task.input.kind == "image" else list(texts(40, seed=3))
    answers = case.model.outputs(list(x))
    y = {name: labels_like(output, answers[name]) for name, output in case.task.outputs.items()}
    return x, y if len(y) > 1 else next(iter(y.values()))


def labels_like(output, values):
    """What an output says, in a fourth of the examples something else."""
    if output.gives_vectors:
        return ["ab"[index % 2] for index in range(len(values))]
    if not output.class_names:
        return np.where(np.arange(len(values)) % 4, values[:, 0], values.mean())
    decided = output.decode(np.where(np.arange(len(values))[:, None] % 4, values, values[:, ::-1]))
    return [list(names) if isinstance(names, list) else names for names in decided]


@pytest.fixture(scope="module")
def fast(case, tmp_path_factory):
    """A case's bundle with its one ONNX file."""
    folder = tmp_path_factory.mktemp("fast") / "bundle"
    shutil.copytree(case.bundle.path, folder)
    forge(folder, ["model.onnx"])
    return folder


# What the model's own evaluation says of texts that it cuts.
@pytest.mark.filterwarnings("ignore:.*longer than max_length")
def test_every_task_is_measured_as_the_model_measures_itself(case, fast, trained):
    data = data_of(case, trained)
    result = benchmark(fast, data, threads=1)
    assert json.loads(json.dumps(result)) == result
    assert (result["threads"], result["examples"]) == (1, 40)
    assert result["cores"] >= 1
    assert (result["of"], result["metric"]) == (case.task.input.nouns, case.task.metric)
    [item] = result["artifacts"]
    [known] = [x for x in case.bundle.artifacts if x.path == "model.onnx"]
    assert (item["path"], item["bytes"]) == ("model.onnx", known.bytes)
    assert item["load_seconds"] > 0
    for size in ("1", "32"):
        figures = item["latency"][size]
        assert 0 < figures["median_ms"] <= figures["p95_ms"]
        assert figures["runs"] >= 10
    assert item["peak_memory_bytes"] > item["base_memory_bytes"] > 1e6
    expected = case.model.evaluate(data)
    assert set(item["metrics"]) == set(expected)
    assert item["metrics"] == pytest.approx(expected, abs=1e-3)
    text = as_markdown(result)
    assert f"on 40 {case.task.input.nouns}." in text
    assert ("From the text on." in text) == (case.task.input.kind == "text")
    if case.task.metric == "accuracy":
        assert item["accuracy_low"] < item["accuracy"] < item["accuracy_high"]
    else:
        assert item["accuracy"] is None or case.task.only.class_names


@pytest.mark.parametrize(
    ("output", "metric"),
    [
        (Classes(("a", "b")), "accuracy"),
        (Labels(("a", "b")), "micro_f1"),
        (Number(), "r2"),
        (Vector(dimensions=2), "precision_at_1"),
    ],
)
def test_the_metric_of_every_task(output, metric):
    assert Task.of_one(ImageInput((8, 8)), output).metric == metric
    assert Task(ImageInput((8, 8)), {"one": output, "two": output}).metric == f"one/{metric}"


@pytest.fixture(scope="module")
def measured(exported, photos):
    """Each file in a process of its own that imports what it needs, as outside these tests."""
    with forked.fresh_workers():
        return benchmark(exported.bundle.path, photos, threads=1)


def test_every_file_is_measured(measured, exported, trained):
    paths = [artifact.path for artifact in exported.bundle.artifacts]
    assert [artifact["path"] for artifact in measured["artifacts"]] == paths
    expected = (trained.predict(trained.x_val[:40]).argmax(1) == trained.y_val[:40]).mean()
    for artifact, known in zip(measured["artifacts"], exported.bundle.artifacts, strict=True):
        assert artifact["bytes"] == known.bytes
        assert artifact["metrics"]["accuracy"] == artifact["accuracy"]
        assert artifact["accuracy_low"] <= artifact["accuracy"] <= artifact["accuracy_high"]
        if known.quantization is None:
            assert artifact["accuracy"] == pytest.approx(expected)
    # TensorFlow alone is larger than any of the other runtimes with its model.
    memory = {item["path"]: item["peak_memory_bytes"] for item in measured["artifacts"]}
    assert memory["saved_model"] > memory["model.tflite"]


def test_markdown(measured, exported):
    text = as_markdown(measured)
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(exported.bundle.artifacts)
    assert all(line.count("|") == 8 for line in rows)
    assert "1 thread" in text
    assert "Accuracy on 40 images." in text


def test_the_table_of_the_terminal_fits_80_columns(measured):
    from rich.console import Console

    from kerastl.cli.benchmark import _show

    with (console := Console(width=80)).capture() as capture:
        _show(measured, console)
    text = capture.get()
    assert "model_int16x8.tflite" in text
    assert "…" not in text


def run(capfd, *arguments):
    """What the command prints; its exit status has to be 0."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as stop:
        app(["benchmark", *map(str, arguments)])
    out, err = capfd.readouterr()
    assert not stop.value.code, err
    return out, err


def test_the_command(exported, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    folder, table = tmp_path / "bundle", tmp_path / "table.md"
    shutil.copytree(exported.bundle.path, folder)
    forge(folder, ["model.onnx"])
    out, err = run(capfd, folder, "--markdown", table, "--json")
    result = json.loads(out)
    assert "measuring model.onnx" in err
    assert result["examples"] is None
    assert [item["accuracy"] for item in result["artifacts"]] == [None]
    assert [item["metrics"] for item in result["artifacts"]] == [None]
    assert "Accuracy" not in table.read_text("utf-8")
    with pytest.raises(SystemExit) as stop:
        app(["benchmark", str(folder), "--markdown", str(tmp_path / "no" / "table.md")])
    assert stop.value.code == 2
    assert "there is no folder" in capfd.readouterr()[1]


def test_the_command_on_a_table_of_texts(text_case, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    folder, table = tmp_path / "bundle", tmp_path / "texts.csv"
    shutil.copytree(text_case.bundle.path, folder)
    forge(folder, ["model.onnx", "model.tflite"])
    rows = [
        f'"{text}","{label}"' for text, label in zip(*labelled_texts(text_case.model), strict=True)
    ]
    table.write_text("\n".join(["said,kind", *rows]), encoding="utf-8")
    columns = ("--text-column", "said", "--label-column", "kind")
    out, _ = run(capfd, folder, "--data", table, *columns, "--json")
    assert [item["accuracy"] for item in json.loads(out)["artifacts"]] == [0.75] * 2


def test_what_is_refused(exported, text_case, tmp_path):
    path = exported.bundle.path
    with pytest.raises(ConfigurationError, match="threads must be 1 or more; received 0"):
        benchmark(path, threads=0)
    with pytest.raises(BundleError, match="not a bundle"):
        benchmark(tmp_path)
    (tmp_path / "other" / "x").mkdir(parents=True)
    (tmp_path / "other" / "y").mkdir()
    for name in "xy":
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "other" / name / "0.png")
    with pytest.raises(DataError):
        benchmark(path, tmp_path / "other")
    with pytest.raises(DataError):
        benchmark(text_case.bundle.path, (list(texts(40, seed=3)), ["another"] * 40))
    folder = tmp_path / "bundle"
    shutil.copytree(path, folder)
    with (folder / "model_int8.tflite").open("ab") as handle:
        handle.write(b"x")
    with pytest.raises(BundleError, match=r"model_int8\.tflite is not what was exported"):
        benchmark(folder)


def test_images_that_cannot_be_read_are_left_out(exported, photos, tmp_path):
    folder, data = tmp_path / "bundle", tmp_path / "photos"
    shutil.copytree(exported.bundle.path, folder)
    shutil.copytree(photos, data)
    forge(folder, ["model.onnx"])
    broken = sorted(data.rglob("*.png"))[0]
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.warns(DataWarning, match="1 of 40 images cannot be read"):
        result = benchmark(folder, data)
    assert result["examples"] == 39
