"""What was silent or wrong about runs, models and recipes; each test is named after the fault."""

import json
import multiprocessing
import re
import shutil

import keras
import numpy as np
import pytest

import kerastl
from kerastl.errors import ConfigurationError
from kerastl.model.trained import ChangedWeightsWarning
from kerastl.recipes.run_lock import locked
from kerastl.training import SilentReporter
from tests.conftest import CLASSES, coloured_images

QUIET = {"reporter": SilentReporter()}
SHORT = kerastl.head_only(epochs=1)


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained[1], tmp_path / "run")


class Interrupt(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt


def _hold(out, held, done):
    with locked(out):
        held.set()
        done.wait(60)


class TestTwoFitsIntoOneRunDirectory:
    def test_the_second_says_who_trains_there(self, small_recipe, tmp_path):
        context = multiprocessing.get_context("spawn")
        held, done = context.Event(), context.Event()
        other = context.Process(target=_hold, args=(tmp_path / "run", held, done))
        other.start()
        try:
            assert held.wait(120)
            with pytest.raises(ConfigurationError, match=rf"trained in by process {other.pid} on"):
                # Found before the data are read, which may take long.
                small_recipe().fit("no/such/data", out=tmp_path / "run")
        finally:
            done.set()
            other.join()
        assert list((tmp_path / "run").iterdir()) == []

    def test_a_lock_that_a_killed_process_left_is_nobodys(self, small_recipe, colours, tmp_path):
        context = multiprocessing.get_context("spawn")
        held, done = context.Event(), context.Event()
        other = context.Process(target=_hold, args=(tmp_path / "run", held, done))
        other.start()
        assert held.wait(120)
        other.kill()
        other.join()
        assert (tmp_path / "run" / ".lock.json").exists()
        with locked(tmp_path / "run"):
            pass
        assert list((tmp_path / "run").iterdir()) == []


def test_saving_over_a_finished_run_needs_overwrite(trained, run):
    before = (run / "model.keras").stat().st_mtime_ns
    with pytest.raises(ConfigurationError, match="holds a finished run already.*overwrite=True"):
        trained[0].save(run)
    assert (run / "model.keras").stat().st_mtime_ns == before
    trained[0].save(run, overwrite=True)
    assert kerastl.load(run).metrics == trained[0].metrics


class TestResume:
    @pytest.fixture
    def options(self, colour_folder, small_weights, tmp_path):
        return [
            *("fit", "image", str(colour_folder), "--backbone", "mobilenet_0.25"),
            *("--weights", str(small_weights), "--image-size", "32", "--no-augment", "--seed", "3"),
            *("--plan", "head-only", "--epochs", "2", "--batch-size", "9", "--json"),
            *("--out", str(tmp_path / "run")),
        ]

    def test_resume_takes_the_settings_of_the_run(
        self, call, options, colour_folder, tmp_path, monkeypatch
    ):
        from kerastl.training import phase_run

        with monkeypatch.context() as patch:

            def killed(*_, **__):
                raise KeyboardInterrupt

            patch.setattr(phase_run.PhaseRun, "run", killed)
            assert call(*options)[0] == 130
        resume = ("fit", "image", str(colour_folder), "--out", str(tmp_path / "run"), "--resume")
        code, out, err = call(*resume, "--json")
        assert code == 0, err
        assert [phase["epochs"] for phase in json.loads(out)["phases"]] == [2]
        model = kerastl.load(tmp_path / "run")
        assert model.recipe["batch_size"] == 9
        assert model.provenance["seed"] == 3
        # Finished, the same command gives the same result.
        code, again, err = call(*resume, "--json")
        assert (code, again) == (0, out), err
        code, _, err = call(*resume, "--batch-size", "8")
        assert code == 2
        assert "batch_size: 9 in the run, 8 now" in err
        code, _, err = call(
            "fit", "text", str(colour_folder), "--out", str(tmp_path / "run"), "--resume"
        )
        assert code == 2
        assert "was started with `kerastl fit image`" in err

    def test_resuming_names_what_differs(self, small_recipe, colour_folder, tmp_path):
        recipe = small_recipe(plan=SHORT)
        with pytest.raises(KeyboardInterrupt):
            recipe.fit(colour_folder, out=tmp_path, callbacks=[Interrupt()], **QUIET)
        other = small_recipe(plan=kerastl.head_only(epochs=3), batch_size=4)
        with pytest.raises(
            ConfigurationError,
            match=re.escape("plan.1.epochs: 1 in the run, 3 now, batch_size: 8 in the run, 4 now"),
        ):
            other.fit(colour_folder, out=tmp_path, resume=True, **QUIET)


class TestTrainedFurtherWithPlainKeras:
    def test_stale_metrics_are_dropped_and_said(self, run, tmp_path, colours):
        model = kerastl.load(run)
        kerastl.unfreeze(model.network, from_stage=-1)
        model.network.compile("sgd", "sparse_categorical_crossentropy")
        images = np.stack([np.resize(image, (32, 32, 3)) for image in colours[0]])
        model.network.fit(images.astype("float32"), colours[1], verbose=0)
        with pytest.warns(ChangedWeightsWarning, match="were changed after its training"):
            model.save(tmp_path / "further")
        loaded = kerastl.load(tmp_path / "further")
        assert (loaded.metrics, list(loaded.history)) == ({}, [])
        assert loaded.provenance["weights_changed"] is True
        assert "data_fingerprint" not in loaded.provenance
        assert loaded.details()["metrics"] == {}
        assert loaded.details()["data_fingerprint"] is None
        # Nothing has changed since it was loaded.
        loaded.save(tmp_path / "again")

    def test_a_model_that_was_not_changed_keeps_them(self, run, tmp_path):
        model = kerastl.load(run)
        model.save(tmp_path / "same")
        assert kerastl.load(tmp_path / "same").metrics == model.metrics


def test_repr_is_one_line(trained):
    model = trained[0]
    assert re.fullmatch(
        r"TrainedModel\(image_classification: 3 classes on mobilenet_0.25, accuracy \d\.\d{3}\)",
        repr(model),
    )


class TestPredictions:
    def test_they_are_a_sequence(self, trained):
        found = trained[0].predict(coloured_images(5)[0])
        assert len(list(found)) == len(found) == 5
        assert found[1].label == found.labels[1]
        assert found[-1].confidence == pytest.approx(found.confidences[-1])
        assert found[1:3].labels == found.labels[1:3]
        assert len(repr(found)) < 120
        with pytest.raises(IndexError):
            found[5]

    def test_to_pandas(self, trained):
        pytest.importorskip("pandas")
        found = trained[0].predict(coloured_images(4)[0])
        frame = found.to_pandas()
        assert list(frame.columns) == ["label", "probability", *CLASSES]
        assert frame["label"].tolist() == list(found.labels)
        np.testing.assert_allclose(frame[list(CLASSES)].to_numpy(), found.probabilities)


def test_history_is_that_of_keras_too(trained):
    history = trained[0].history
    epochs = [record["epochs"] for record in history]
    assert history.history["phase"] == ["head"] * epochs[0] + ["fine-tune"] * epochs[1]
    assert history.epoch == list(range(sum(epochs)))
    assert len(history.history["loss"]) == len(history.history["val_loss"]) == sum(epochs)
    assert json.loads(json.dumps(history)) == [dict(record) for record in history]
