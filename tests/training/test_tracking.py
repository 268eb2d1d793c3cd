"""Runs that are written down in MLflow: real stores in SQLite files, nothing on the network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import kerastl
from kerastl.cli.main import app
from kerastl.training import SilentReporter, tracker_of

mlflow = pytest.importorskip("mlflow")
# MLflow 3.17 with SQLAlchemy 2.1.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The URI of a store; making its tables takes seconds, so there is one."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture(autouse=True)
def experiment(request, monkeypatch, tmp_path):
    """Each test has an experiment of its own, and a folder for MLflow's files."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", request.node.name)
    monkeypatch.chdir(tmp_path)
    return request.node.name


@pytest.fixture
def runs(store, experiment):
    """Reads what is in the store: the runs of this test's experiment."""

    def read():
        client = mlflow.MlflowClient(tracking_uri=store)
        found = client.get_experiment_by_name(experiment)
        return client, client.search_runs([found.experiment_id])

    return read


def history(client, run, name):
    metrics = client.get_metric_history(run.info.run_id, name)
    return [(metric.step, metric.value) for metric in metrics]


def told(model, name):
    """What a model's records say of a metric, epoch by epoch."""
    values = [value for record in model.history for value in record["history"][name]]
    return [(step, pytest.approx(value)) for step, value in enumerate(values, start=1)]


def test_the_report_of_a_run_from_the_command_line(
    small_weights, colour_folder, tmp_path, store, runs
):
    arguments = (
        "fit", "image", colour_folder, "--backbone", "mobilenet_0.25", "--weights", small_weights,
        "--image-size", 32, "--plan", "head-only", "--epochs", 1, "--no-augment", "--report",
        "--track", f"mlflow:{store}", "--out", tmp_path / "run",
    )  # fmt: skip
    with pytest.raises(SystemExit) as stop:
        app([str(argument) for argument in arguments])
    assert not stop.value.code
    client, [run] = runs()
    assert run.info.status == "FINISHED"
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert files == {"recipe.json", "metrics.json", "report.html"}


class Stop(keras.callbacks.Callback):
    """Interrupts in the middle of an epoch, counted over all phases, as Ctrl-C would."""

    def __init__(self, epoch):
        super().__init__()
        self.left = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.left -= 1

    def on_train_batch_end(self, batch, logs=None):
        if self.left < 0:
            raise KeyboardInterrupt


def test_a_run(small_recipe, colour_folder, tmp_path, store, runs):
    out = tmp_path / "run"
    model = small_recipe().fit(
        colour_folder, out=out, seed=3, track=f"mlflow:{store}", reporter=SilentReporter()
    )
    client, [run] = runs()
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "run"
    params = run.data.params
    assert params["backbone"] == "mobilenet_0.25"
    assert params["seed"] == "3"
    assert params["plan.2.train_from"] == "conv_12"
    assert params["head.dropout"] == str(model.recipe["head"]["dropout"])
    assert params["data_fingerprint"] == model.provenance["data_fingerprint"]
    assert params["weights_sha256"] == model.provenance["weights_sha256"]
    assert history(client, run, "phase") == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0), (5, 2.0)]
    for name in ("loss", "val_loss", "val_accuracy"):
        assert history(client, run, name) == told(model, name)
    assert run.data.metrics["validation/accuracy"] == pytest.approx(model.metrics["accuracy"])
    assert run.data.tags["kerastl.version"] == kerastl.__version__
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert files == {"recipe.json", "metrics.json"}
    kept = mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path="metrics.json", tracking_uri=store
    )
    assert json.loads(Path(kept).read_text()) == json.loads((out / "metrics.json").read_text())

    # A run that is finished is taken up too, so that its report can follow.
    (out / "report.html").write_text("<p>what came of it</p>")
    small_recipe().fit(
        colour_folder, out=out, seed=3, resume=True, track=f"mlflow:{store}",
        reporter=SilentReporter(),
    )  # fmt: skip
    client, [again] = runs()
    assert again.info.run_id == run.info.run_id
    assert "report.html" in {file.path for file in client.list_artifacts(run.info.run_id)}
    assert history(client, again, "loss") == told(model, "loss")


@pytest.mark.parametrize("epoch", [1, 4])
def test_a_run_that_is_resumed_goes_on_in_its_place(
    small_recipe, colour_folder, tmp_path, store, runs, epoch
):
    def fit(**options):
        return small_recipe().fit(
            colour_folder, out=tmp_path / "run", track=f"mlflow:{store}",
            reporter=SilentReporter(), **options,
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        fit(callbacks=[Stop(epoch)])
    _, [run] = runs()
    assert run.info.status == "KILLED"
    model = fit(resume=True)
    client, [again] = runs()
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "FINISHED")
    for name in ("loss", "val_accuracy"):
        assert history(client, again, name) == told(model, name)


def test_a_run_that_fails(small_recipe, colours, store, runs):
    class Fail(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise ValueError("full")

    with pytest.raises(ValueError, match="full"):
        small_recipe().fit(
            colours, class_names=("blue", "green", "red"), track=f"mlflow:{store}",
            callbacks=[Fail()], reporter=SilentReporter(),
        )  # fmt: skip
    _, [run] = runs()
    assert run.info.status == "FAILED"


def test_a_tracker_of_ones_own(small_recipe, colours):
    class Listed:
        name = "listed"

        def __init__(self):
            self.heard = []

        def check(self):
            self.heard.append("check")

        def start(self, run, identifier):
            self.heard.append(("start", run.parameters["backbone"], identifier))
            return "1"

        def epoch(self, step, phase, figures):
            self.heard.append((step, phase, sorted(figures)))

        def finish(self, metrics, files):
            self.heard.append(("finish", sorted(metrics)[:1], files))

        def stop(self, ending):
            self.heard.append(ending)

    tracker = Listed()
    plan = (kerastl.Phase("head", 1, 1e-2), kerastl.Phase("conv_12", 1, 1e-3))
    small_recipe(plan=plan).fit(
        colours, class_names=("blue", "green", "red"), track=tracker, reporter=SilentReporter()
    )
    figures = ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert tracker.heard == [
        "check",
        ("start", "mobilenet_0.25", None),
        (1, 1, figures),
        (2, 2, figures),
        ("finish", ["accuracy"], []),
    ]


@pytest.mark.parametrize(
    ("track", "message"),
    [
        ("mlfow", "Did you mean 'mlflow'"),
        ("mlflow:", "mlflow:URI"),
        ("mlflow:nonsense://x", "MLflow cannot open the store 'nonsense://x'"),
        ("mlflow:nonsense://me:secret@x", "cannot open the store 'nonsense://x'"),
    ],
)
def test_what_cannot_be_tracked(small_recipe, track, message):
    with pytest.raises(kerastl.ConfigurationError, match=message):
        small_recipe().fit("no/such/data", track=track)


def test_mlflow_that_is_not_installed(small_recipe, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(kerastl.MissingExtraError, match=r"kerastl\[mlflow\]"):
        small_recipe().fit("no/such/data", track="mlflow")


def test_a_store_that_breaks_while_training_costs_a_warning(store, experiment, monkeypatch):
    tracker = tracker_of(f"mlflow:{store}")
    tracker.check()
    from kerastl.training import TrackedRun

    run = tracker.start(TrackedRun("run", {"a": None, "b (mm)": "x" * 9000}, {}), None)
    kept = mlflow.MlflowClient(tracking_uri=store).get_run(run).data.params
    assert kept["a"] == "None"
    assert set(kept["b _mm_"]) == {"x"}
    # Of a run that was deleted, nothing more can be written.
    mlflow.MlflowClient(tracking_uri=store).delete_run(run)
    with pytest.warns(UserWarning, match="MLflow could not write"):
        tracker.epoch(1, 1, {"loss": np.float64(1.0)})


NOTHING_IS_SENT = """
import sys
from pathlib import Path
reached = []
def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        reached.append((event, str(arguments)))
sys.addaudithook(hook)
from kerastl.training import TrackedRun, tracker_of
tracker = tracker_of(sys.argv[1])
tracker.check()
tracker.start(TrackedRun("run", {"seed": 0}, {}), None)
tracker.epoch(1, 1, {"loss": 1.0})
tracker.finish({"accuracy": 1.0}, [])
import mlflow
from mlflow.telemetry.client import get_telemetry_client
assert get_telemetry_client() is None
print(reached)
"""


def test_nothing_is_sent(store, tmp_path):
    # MLflow is quiet by itself where it finds itself in a test or in CI.
    quiet = ("CI", "PYTEST_", "GITHUB_", "DO_NOT_TRACK", "MLFLOW_", "BUILDKITE", "TF_BUILD")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(quiet)}
    done = subprocess.run(
        [sys.executable, "-c", NOTHING_IS_SENT, f"mlflow:{store}"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "[]"
