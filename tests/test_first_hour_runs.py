"""What was silent or wrong about runs, models and recipes; each test is named after the fault."""

import dataclasses
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
            with pytest.raises(ConfigurationError, match=rf"running in .*process {other.pid} on"):
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


class TestRecipesAcceptWhatAKerasUserGives:
    def test_a_sequential_head(self, small_recipe, colours, tmp_path):
        layers = [
            keras.layers.Conv2D(8, 1, activation="relu"),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dropout(0.1, seed=1),
        ]
        recipe = small_recipe(head=keras.Sequential(layers), plan="head_only")
        plan = recipe.resolved_plan
        assert [phase.name for phase in plan] == ["head"]
        recipe = dataclasses.replace(recipe, plan=(dataclasses.replace(plan[0], epochs=1),))
        model = recipe.fit(colours, class_names=CLASSES, out=tmp_path / "run", **QUIET)
        names = [layer.name for layer in model.network.layers]
        assert names[-5:] == [
            "head_pooling",
            *(f"head_layer_{i}" for i in range(3)),
            "probabilities",
        ]
        # The head of a head phase is all of it.
        trainable = model.history[0]["trainable_parameters"]
        assert trainable == 256 * 8 + 8 + 8 * 3 + 3
        same = kerastl.ImageClassification.from_config(kerastl.load(tmp_path / "run").recipe)
        assert same.get_config() == recipe.get_config()
        again = dataclasses.replace(recipe, head=keras.Sequential(layers))
        assert again.get_config() == recipe.get_config()

    def test_a_head_of_texts(self, tiny_text):
        recipe = kerastl.TextClassification(
            backbone=str(tiny_text), head=[keras.layers.Dense(5, "relu")], max_length=16
        )
        network = recipe.build(["a", "b"])
        assert network.layers[-2].name == "head_layer_0"
        assert network.output_shape == (None, 2)

    @pytest.mark.parametrize(
        ("settings", "match"),
        [
            ({"head": [keras.layers.Dense(2, "softmax")]}, "Leave it out: kerastl"),
            ({"head": 5}, "head=5; give a kerastl.Head"),
            ({"plan": "two_fase"}, "no plan 'two_fase'. Did you mean 'two_phase'"),
            ({"preprocessing": "tf"}, "is for a backbone of your own"),
            ({"backbone": keras.Sequential()}, "preprocessing=None; say how"),
            ({"backbone": keras.Sequential(), "preprocessing": "tf"}, "of one input"),
        ],
    )
    def test_what_cannot_be_ends_at_once(self, small_recipe, settings, match):
        with pytest.raises(ConfigurationError, match=match):
            small_recipe(**settings).fit("no/such/data")

    def test_a_keras_model_as_backbone(self, colours, tmp_path):
        keras.utils.set_random_seed(1)
        own = keras.Sequential(
            [
                keras.Input((24, 24, 3)),
                keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
                keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            ],
            name="mine",
        )
        recipe = kerastl.ImageClassification(
            backbone=own, preprocessing="unit", plan=kerastl.head_only(epochs=1), augment=None
        )
        before = own.get_weights()
        model = recipe.fit(colours, class_names=CLASSES, out=tmp_path / "run", **QUIET)
        for one, other in zip(before, own.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
        assert model.task.input.size == (24, 24)
        assert model.provenance["backbone"]["name"] == "mine"
        assert model.recipe["backbone"]["name"] == "mine"
        images = colours[0][:3]
        np.testing.assert_array_equal(
            kerastl.load(tmp_path / "run").predict(images).probabilities,
            model.predict(images).probabilities,
        )
        with pytest.raises(ConfigurationError, match="do not hold the backbone 'mine'"):
            kerastl.ImageClassification.from_config(model.recipe)
        with pytest.raises(ConfigurationError, match=r"'mine' does not take images of 32 x 32"):
            dataclasses.replace(recipe, image_size=32).fit(colours, class_names=CLASSES)


class TestARunAsWeights:
    def test_new_classes_on_an_old_run(self, trained, small_recipe):
        model, run = trained
        recipe = small_recipe(weights=run)
        network = recipe.build(["left", "right"])
        old = {layer.name: layer.get_weights() for layer in model.network.layers}
        assert network.output_shape == (None, 2)
        # Fine-tuned weights too, and not those that the run started from.
        for layer in network.layers[:-1]:
            for one, other in zip(layer.get_weights(), old[layer.name], strict=True):
                np.testing.assert_array_equal(one, other)

    def test_of_another_backbone(self, trained, small_recipe):
        with pytest.raises(kerastl.WeightsError, match=r"has the backbone 'mobilenet_0.25', and"):
            small_recipe(weights=trained[1], backbone="mobilenet_0.5").build(["a", "b"])

    def test_of_texts_with_its_tokenizer(self, tiny_text, reviews, tmp_path):
        recipe = kerastl.TextClassification(
            backbone=str(tiny_text), max_length=48, plan=kerastl.full(1)
        )
        texts, labels = reviews
        model = recipe.fit((texts[:32], labels[:32]), False, out=tmp_path / "run", **QUIET)
        network = dataclasses.replace(recipe, weights=tmp_path / "run").build(["a", "b", "c"])
        for layer in network.layers[:-1]:
            for one, other in zip(
                layer.get_weights(), model.network.get_layer(layer.name).get_weights(), strict=True
            ):
                np.testing.assert_array_equal(one, other)


def test_image_size_of_two_numbers_on_the_command_line(call, colour_folder, tmp_path):
    code, _, err = call(
        "fit", "image", colour_folder, "--backbone", "mobilenet_v2@none", "--image-size",
        "100x1oo", "--out", tmp_path / "run",
    )  # fmt: skip
    assert code == 2
    assert "--image-size '100x1oo' cannot be read" in err
    from kerastl.cli.options import image_size_of

    assert (image_size_of("96"), image_size_of("100x120")) == (96, (100, 120))


@pytest.fixture(scope="module")
def bundle(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "bundle"
    return trained[0].export(path, formats=("onnx", "litert"))


class TestLoadingABundle:
    def test_load_reads_runs_and_bundles(self, trained, bundle, colour_folder):
        model = kerastl.load(bundle.path)
        images = coloured_images(5)[0]
        found, expected = model.predict(list(images)), trained[0].predict(images)
        assert found.labels == expected.labels
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)
        assert model.class_names == CLASSES
        measured = model.evaluate(colour_folder, split="validation")
        assert measured["accuracy"] == trained[0].metrics["accuracy"]
        assert model.metrics["accuracy"] == trained[0].metrics["accuracy"]
        other = kerastl.load(bundle.path, format="litert")
        assert other.predictor.path == "model.tflite"
        assert other.predict(list(images)).labels == expected.labels

    def test_their_repr_is_one_line(self, bundle):
        assert re.fullmatch(r"Bundle\('.*bundle': 2 artifacts, passed\)", repr(bundle))
        assert re.fullmatch(
            r"BundleModel\('.*bundle': image_classification: 3 classes, answered by model.onnx\)",
            repr(kerastl.load(bundle.path)),
        )

    def test_what_is_neither(self, trained, tmp_path):
        with pytest.raises(
            kerastl.RunError, match="not a complete run directory.*not a bundle either"
        ):
            kerastl.load(tmp_path)
        with pytest.raises(ConfigurationError, match="choose an artifact of a bundle"):
            kerastl.load(trained[1], format="onnx")

    def test_an_unfinished_run_is_said_to_be_one(self, small_recipe, colour_folder, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            small_recipe(plan=SHORT).fit(
                colour_folder, out=tmp_path, callbacks=[Interrupt()], **QUIET
            )
        with pytest.raises(kerastl.RunError, match="is an unfinished run.*--resume"):
            kerastl.load(tmp_path)
