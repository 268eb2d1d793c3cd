import csv
import hashlib
import json
import os
import shutil
import sys

import grain
import keras
import numpy as np
import pytest
from PIL import Image

import kerastl
from kerastl.errors import ConfigurationError, DataError
from kerastl.training import SilentReporter
from tests.conftest import CLASSES, coloured_images

QUIET = {"reporter": SilentReporter()}
SHORT = kerastl.head_only(2, learning_rate=1e-2)


class Batches(keras.utils.PyDataset):
    """Six batches of eight images."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return self.x[index * 8 : index * 8 + 8], self.y[index * 8 : index * 8 + 8]


class Interrupt(keras.callbacks.Callback):
    """Ctrl-C at the end of a batch."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            raise KeyboardInterrupt


def weights_of(model):
    return [np.asarray(w) for w in model.network.get_weights()]


def assert_same(one, other):
    for a, b in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def from_arrays(small_recipe, colours):
    return small_recipe(plan=SHORT).fit(colours, False, class_names=CLASSES, **QUIET)


class TestKindsOfData:
    """The same images in the same order train the same network, however they come."""

    def test_streams(self, small_recipe, colours, from_arrays):
        tf = pytest.importorskip("tensorflow")
        x, y = colours
        pairs = list(zip(x, y, strict=True))
        for stream in (
            tf.data.Dataset.from_tensor_slices((x, y)).batch(16),
            Batches(x, y),
            grain.MapDataset.source(pairs),
        ):
            model = small_recipe(plan=SHORT).fit(stream, class_names=CLASSES, **QUIET)
            assert_same(model, from_arrays)
            assert model.metrics == {}
            assert model.history[0]["accuracy"] is None
            assert len(model.provenance["data_fingerprint"]) == 64

    def test_streams_need_class_names(self, small_recipe, colours):
        with pytest.raises(DataError, match="does not name its classes"):
            small_recipe(plan=SHORT).fit(Batches(*colours), **QUIET)

    def test_a_table_and_its_folder(self, small_recipe, colour_folder, tmp_path):
        """Rows in the order of the folder; the columns have names of their own."""
        models = []
        for split in ("train", "val"):
            with (tmp_path / f"{split}.CSV").open("w", newline="") as handle:
                writer = csv.writer(handle)
                writer.writerow(["file", "colour"])
                for path in sorted((colour_folder / split).rglob("*.png")):
                    writer.writerow([path, path.parent.name])
        recipe = small_recipe(plan=SHORT)
        models.append(recipe.fit(colour_folder, **QUIET))
        models.append(
            recipe.fit(
                tmp_path / "train.CSV", tmp_path / "val.CSV", columns=("file", "colour"), **QUIET
            )
        )
        assert_same(*models)
        assert models[0].metrics == models[1].metrics

    def test_one_image_a_class(self, small_recipe, tmp_path):
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            Image.new("RGB", (50, 20), (name == "a" and "red") or "blue").save(
                tmp_path / name / "only.png"
            )
        recipe = small_recipe(plan=SHORT, batch_size=500, image_size=(32, 48))
        with pytest.raises(DataError, match="two examples or more.*validation data of its own"):
            recipe.fit(tmp_path, **QUIET)
        model = recipe.fit(tmp_path, False, **QUIET)
        assert model.class_names == ("a", "b")
        assert model.task.input.size == (32, 48)
        assert model.predict(tmp_path / "a" / "only.png").probabilities.shape == (1, 2)

    def test_unreadable_images_are_skipped_with_a_warning(
        self, small_recipe, colour_folder, tmp_path
    ):
        shutil.copytree(colour_folder, tmp_path / "data")
        content = next((colour_folder / "train" / "red").iterdir()).read_bytes()
        (tmp_path / "data" / "train" / "red" / "text.png").write_text("no image")
        (tmp_path / "data" / "train" / "red" / "zcut.png").write_bytes(content[:-900])
        recipe = small_recipe(plan=SHORT)
        with pytest.warns(UserWarning, match="unreadable image.*skipped") as caught:
            model = recipe.fit(tmp_path / "data", **QUIET)
        told = " ".join(str(warning.message) for warning in caught)
        assert "text.png" in told
        assert "zcut.png" in told
        assert model.history[0]["train_examples"] == 36
        with pytest.raises(DataError, match="text.png"):
            recipe.fit(tmp_path / "data", on_error="raise", **QUIET)


class TestSettings:
    def test_class_weights(self, small_recipe, colours, from_arrays):
        models = [
            small_recipe(plan=SHORT, class_weight=weight).fit(
                colours, False, class_names=CLASSES, **QUIET
            )
            for weight in ("balanced", {"blue": 50.0, "green": 1e-3, "red": 1e-3})
        ]
        # The classes are of one size: balanced weights are 1.
        assert_same(models[0], from_arrays)
        share = [np.mean(np.array(m.predict(colours[0]).labels) == "blue") for m in models]
        assert share[1] > share[0]

    def test_class_weights_of_other_classes_fail_before_training(self, small_recipe, colours):
        with pytest.raises(ConfigurationError, match="each of the classes blue, green, red"):
            small_recipe(plan=SHORT, class_weight={"cat": 1.0}).fit(
                colours, class_names=CLASSES, **QUIET
            )

    def test_tensorboard(self, small_recipe, colours, tmp_path):
        pytest.importorskip("tensorboard")
        options = {"class_names": CLASSES, **QUIET}
        small_recipe(plan=SHORT).fit(colours, out=tmp_path / "run", tensorboard=True, **options)
        assert list((tmp_path / "run" / "tensorboard").rglob("events.out.tfevents.*"))
        assert kerastl.load(tmp_path / "run").class_names == CLASSES

    def test_tensorboard_that_is_not_installed(self, small_recipe, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "tensorboard", None)
        with pytest.raises(kerastl.MissingExtraError, match=r"kerastl\[(report|tensorflow)\]"):
            small_recipe().fit("no/such/data", tensorboard=tmp_path)

    def test_random_weights(self, small_recipe, colours):
        recipe = small_recipe(backbone="mobilenet_0.25@none", plan=kerastl.full(1, batch_norm=True))
        model = recipe.fit(colours, class_names=CLASSES, **QUIET)
        assert model.provenance["weights_sha256"] is None
        assert model.history[0]["trainable_parameters"] > 200_000


def test_provenance(trained, small_weights, colour_folder):
    _, run = trained
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["seed"] == 0
    assert provenance["kind"] == "image_classification"
    assert provenance["backend"] == keras.backend.backend()
    assert provenance["backbone"]["name"] == "mobilenet_0.25"
    assert provenance["backbone"]["licence"] == "Apache-2.0"
    assert provenance["backbone"]["weights"] == str(small_weights)
    expected = hashlib.sha256(small_weights.read_bytes()).hexdigest()
    assert provenance["weights_sha256"] == expected
    assert provenance["versions"]["keras"] == keras.__version__
    assert {"python", "numpy", "pillow", "grain"} <= set(provenance["versions"])
    assert provenance["command"]
    assert (provenance["train_examples"], provenance["validation_examples"]) == (36, 18)
    from kerastl.data import load

    data = load(colour_folder, split="train")
    assert provenance["data_fingerprint"] == data.fingerprint
    assert provenance["validation_fingerprint"] != data.fingerprint


class TestRunDirectory:
    @pytest.fixture
    def run(self, trained, tmp_path):
        return shutil.copytree(trained[1], tmp_path / "run")

    def test_a_finished_run_is_not_replaced_by_mistake(self, small_recipe, colour_folder, run):
        with pytest.raises(ConfigurationError, match="holds a finished run.*overwrit"):
            small_recipe().fit(colour_folder, out=run)

    def test_a_finished_run_of_another_recipe_is_not_resumed(
        self, small_recipe, colour_folder, run
    ):
        for recipe, seed in ((small_recipe(batch_size=9), 0), (small_recipe(), 1)):
            with pytest.raises(ConfigurationError, match="finished run of another recipe or seed"):
                recipe.fit(colour_folder, out=run, resume=True, seed=seed)

    def test_a_failed_overwrite_leaves_the_old_run(self, small_recipe, run):
        with pytest.raises(DataError):
            small_recipe().fit("no/such/data", out=run, overwrite=True)
        assert kerastl.load(run).class_names == CLASSES

    def test_overwriting(self, small_recipe, colours, run):
        # What a killed run may have left.
        (run / ".tmp-1234-model.keras").write_bytes(b"half")
        (run / ".tmp-scratch").mkdir()
        model = small_recipe(plan=SHORT).fit(
            colours, False, class_names=CLASSES, out=run, overwrite=True, **QUIET
        )
        assert_same(kerastl.load(run), model)
        assert kerastl.load(run).samples.files == ()
        assert not [path for path in run.iterdir() if path.name.startswith(".")]

    def test_changed_data_are_not_resumed(self, small_recipe, colour_folder, tmp_path):
        data = shutil.copytree(colour_folder, tmp_path / "data")
        recipe = small_recipe(plan=SHORT)
        with pytest.raises(KeyboardInterrupt):
            recipe.fit(data, out=tmp_path / "run", callbacks=[Interrupt()], **QUIET)
        image = Image.fromarray(coloured_images(1, seed=77)[0][0])
        image.save(next((data / "train" / "blue").iterdir()))
        with pytest.raises(ConfigurationError, match="the training data have changed"):
            recipe.fit(data, out=tmp_path / "run", resume=True, **QUIET)

    def test_out_is_a_file_or_below_one(self, small_recipe, colour_folder, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(ConfigurationError, match="is a file; a run directory is wanted"):
            small_recipe().fit(colour_folder, out=tmp_path / "file")
        with pytest.raises(ConfigurationError, match="cannot be made.*not a folder to write into"):
            small_recipe().fit(colour_folder, out=tmp_path / "file" / "run")

    @pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write")
    def test_a_folder_that_may_not_be_written(self, small_recipe, colour_folder, tmp_path):
        tmp_path.chmod(0o555)
        try:
            with pytest.raises(ConfigurationError, match="not a folder to write into"):
                small_recipe().fit(colour_folder, out=tmp_path / "run")
        finally:
            tmp_path.chmod(0o755)
