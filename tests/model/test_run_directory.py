import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import kerastl
from kerastl.errors import RunError
from tests.conftest import CLASSES, coloured_images

# Runs of version 0.1.0 lack them.
EVIDENCE = {"baselines.json", "baselines.npz", "evaluation.json", "examples.npz"}
FILES = EVIDENCE | {
    "recipe.json",
    "task.json",
    "model.keras",
    "class_names.json",
    "history.json",
    "metrics.json",
    "provenance.json",
    "samples",
}


@pytest.fixture
def run(trained, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(trained[1], tmp_path / "run")


def read(run, name):
    return json.loads((run / f"{name}.json").read_text(encoding="utf-8"))


def test_exactly_the_files_of_the_contract(trained):
    assert {path.name for path in trained[1].iterdir()} == FILES


def test_what_the_documents_hold(trained, colour_folder, small_weights):
    model, run = trained
    assert read(run, "class_names") == list(CLASSES)
    assert kerastl.ImageClassification.from_config(read(run, "recipe")).get_config() == dict(
        model.recipe
    )
    assert [phase["name"] for phase in read(run, "history")] == ["head", "fine-tune"]
    assert {
        "name",
        "epochs",
        "seconds",
        "train_examples",
        "accuracy",
        "trainable_parameters",
    } <= set(read(run, "history")[0])
    assert set(read(run, "metrics")) == {
        "accuracy",
        "accuracy_low",
        "accuracy_high",
        "macro_f1",
        "loss",
        "calibration_error",
        "examples",
    }


def test_loading_gives_bit_identical_predictions(trained, tmp_path):
    model, run = trained
    images, _ = coloured_images(40, seed=8)
    expected = model.predict(images).probabilities
    loaded = kerastl.load(run)
    np.testing.assert_array_equal(loaded.predict(images).probabilities, expected)
    assert loaded.class_names == model.class_names
    for name in ("recipe", "metrics", "provenance"):
        assert getattr(loaded, name) == json.loads(json.dumps(getattr(model, name)))
    loaded.save(tmp_path / "again")
    again = kerastl.load(str(tmp_path / "again"))
    np.testing.assert_array_equal(again.predict(images).probabilities, expected)
    np.testing.assert_array_equal(again.samples.sources, model.samples.sources)
    assert again.samples.files == model.samples.files


def test_the_network_loads_in_plain_keras(trained):
    model, run = trained
    network = keras.saving.load_model(run / "model.keras", safe_mode=True)
    images, _ = coloured_images(4, size=32, seed=8)
    np.testing.assert_array_equal(
        np.asarray(network(images.astype("float32"))),
        np.asarray(model.network(images.astype("float32"))),
    )
    assert {layer.__module__.split(".")[0] for layer in network.layers} == {"keras"}


def test_samples_of_another_model_do_not_stay(trained, run):
    model, _ = trained
    kerastl.TrainedModel(model.network, model.task).save(run, overwrite=True)
    assert not (run / "samples").exists()
    assert kerastl.load(run).samples is None


def test_a_failed_save_leaves_no_mixture(trained, run, monkeypatch):
    model, _ = trained

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Model, "save", fail)
    with pytest.raises(RunError, match=r"cannot be written: .*No space left"):
        model.save(run, overwrite=True)
    with pytest.raises(RunError, match=r"provenance\.json is missing"):
        kerastl.load(run)
    assert {path.name for path in run.iterdir()} == FILES - {"provenance.json"}


def test_saving_onto_a_file(trained, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        trained[0].save(tmp_path / "file")


def test_no_run(tmp_path):
    with pytest.raises(RunError, match="There is no run directory"):
        kerastl.load(tmp_path / "missing")
    with pytest.raises(RunError, match="not a complete run directory"):
        kerastl.load(tmp_path)


@pytest.mark.parametrize("name", sorted(FILES - {"samples"}))
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "text"])
def test_damage_is_one_clear_error(run, name, damage):
    path = run / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
        if name in EVIDENCE - {"baselines.npz"}:
            assert kerastl.load(run).metrics
            return
    else:
        path.write_bytes(
            {"empty": b"", "truncated": content[: len(content) // 2], "text": b"\xff no"}[damage]
        )
    with pytest.raises(RunError, match="damaged|not a complete run"):
        kerastl.load(run)


@pytest.mark.parametrize("name", ["validation_pixels.npz", "calibration_pixels.npz", "labels.npz"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_damaged_samples(run, name, share):
    path = run / "samples" / name
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(RunError, match="samples.*damaged"):
        kerastl.load(run)


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "c", "d"], None, {}, 3])
def test_class_names_that_do_not_fit(run, names):
    (run / "class_names.json").write_text(json.dumps(names))
    with pytest.raises(RunError, match="damaged"):
        kerastl.load(run)


def test_a_flipped_byte_in_the_model(run):
    path = run / "model.keras"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(RunError, match="damaged"):
        kerastl.load(run)


def test_code_in_the_model_is_refused_and_not_run(run, tmp_path):
    ran = str(tmp_path / "ran")
    inputs = keras.Input((4,))
    code = keras.layers.Lambda(lambda x: (os.mkdir(ran), x)[1], output_shape=(4,))  # noqa: PTH102
    outputs = keras.layers.Dense(3)(code(inputs))
    model = keras.Model(inputs, outputs)
    model(np.zeros((1, 4)))
    model.save(run / "model.keras")
    (tmp_path / "ran").rmdir()
    with pytest.raises(RunError, match="damaged"):
        kerastl.load(run)
    assert not (tmp_path / "ran").exists()


def test_functions_named_in_the_model_are_not_called(run, tmp_path):
    """A layer of the file is renamed to a function of the standard library."""
    with zipfile.ZipFile(run / "model.keras") as file:
        parts = {name: file.read(name) for name in file.namelist()}
    config = json.loads(parts["config.json"])
    layer = config["config"]["layers"][-1]
    layer |= {"module": "os", "class_name": "system", "registered_name": None}
    layer["config"] = {"command": f"touch {tmp_path / 'ran'}"}
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(run / "model.keras", "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    with pytest.raises(RunError, match="damaged"):
        kerastl.load(run)
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_a_run_of_texts_is_read_by_a_process_that_built_none():
    """Classes that a network holds must be known, though the names of kerastl are lazy."""
    pytest.importorskip("keras_hub")
    run = Path(__file__).parents[1] / "pins" / "0.1.0" / "single_label" / "run"
    program = f"import kerastl; print(kerastl.load({str(run)!r}).class_names)"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300
    )
    assert (result.returncode, result.stdout) == (0, "('no', 'yes')\n"), result.stderr[-2000:]
