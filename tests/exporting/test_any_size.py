"""Artifacts that take images of any size: resized in the graph as Pillow does it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerastl.data import decode_full_size
from kerastl.errors import ConfigurationError, ParityError
from kerastl.exporting import any_size, export, load_bundle, verify
from kerastl.exporting.runtimes import open_artifact
from tests import forked
from tests.exporting.conftest import CLASS_NAMES, HEIGHT, WIDTH

RUNNERS = Path(__file__).parents[2] / "export"
pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (40, 56), (41, 55), (480, 640), (33, 20)])
def test_resizing_is_within_a_level_of_pillow(size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    wanted = Image.fromarray(pixels).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    found = any_size.resize(pixels[None].astype("float32"), HEIGHT, WIDTH).numpy()[0]
    apart = np.abs(found - np.asarray(wanted, dtype="float32"))
    assert apart.max() <= 1
    # Exact halves round either way; where Pillow 13 filters columns first, the order shows.
    rows, columns = size[0] - HEIGHT, size[1] - WIDTH
    assert (apart > 0).mean() < (0.3 if 0 < rows > 2 * columns else 0.05)
    if size == (HEIGHT, WIDTH):
        assert apart.max() == 0


@pytest.fixture(scope="module")
def bundle(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "bundle"
    return export(
        trained.network, path, class_names=CLASS_NAMES, quantize=("float16",),
        examples=trained.x_val, labels=trained.y_val, files=trained.files, any_size=True,
    )  # fmt: skip


def test_every_artifact_takes_images_of_their_own_size(bundle, trained):
    verify(bundle.path)
    manifest = json.loads((bundle.path / "manifest.json").read_text())
    assert manifest["input"]["shape"] == [None, None, None, 3]
    assert manifest["input"]["resize"]["in_graph"]
    reference = load_bundle(bundle.path, "onnx").predict(trained.files)
    for artifact in bundle.artifacts:
        runtime = open_artifact(artifact.format, bundle.path / artifact.path)
        for file, row in zip(trained.files, reference, strict=True):
            pixels = decode_full_size(file)
            np.testing.assert_allclose(runtime.predict(pixels[None])[0], row, atol=0.02)


@pytest.mark.parametrize("runner", ["run_onnx.py", "run_litert.py", "run_saved_model.py"])
def test_runners_hand_over_images_as_they_are(bundle, trained, runner):
    command = [sys.executable, str(RUNNERS / runner), str(bundle.path), *map(str, trained.files)]
    done = subprocess.run([*command, "--json"], check=True, capture_output=True, text=True)
    labels = [row["label"] for row in json.loads(done.stdout)["predictions"]]
    golden = json.loads((bundle.path / "golden" / "labels.json").read_text())
    assert labels == [golden[file.name]["label"] for file in trained.files]


def test_resizing_in_another_way_is_caught(trained, tmp_path, monkeypatch):
    """The nearest pixel in place of the mean of many."""
    plain = Path(any_size.__file__).read_text()
    broken = plain.replace("support = tf.maximum(scale, 1.0)", "support = 0.5 + 0.0 * scale")
    assert broken != plain
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import sys, importlib.abc, importlib.util\n"
        f"SOURCE = {broken!r}\n"
        "class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'kerastl.exporting.any_size':\n"
        "            return importlib.util.spec_from_loader(name, self)\n"
        "    def create_module(self, spec): return None\n"
        "    def exec_module(self, module): exec(SOURCE, module.__dict__)\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    monkeypatch.syspath_prepend(folder)
    stripes = np.zeros((HEIGHT * 8, WIDTH * 8, 3), np.uint8)
    stripes[::2, :, 0] = 255
    stripes[1::2, :, 2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    # The planted module is found by a process as it starts.
    with (
        forked.fresh_workers(),
        pytest.raises(ParityError, match="resizes in another way than training"),
    ):
        export(
            trained.network, tmp_path / "bundle", class_names=CLASS_NAMES, formats=("onnx",),
            examples=trained.x_val, files=(tmp_path / "stripes.png",), any_size=True,
        )  # fmt: skip
    assert not (tmp_path / "bundle").exists()


def test_what_cannot_go_together(trained, tmp_path):
    options = {"class_names": CLASS_NAMES, "any_size": True}
    with pytest.raises(ConfigurationError, match="float16 goes with it"):
        export(
            trained.network, tmp_path / "b", quantize=("int8",), calibration=trained.x_train,
            files=trained.files, **options,
        )  # fmt: skip
    with pytest.raises(ConfigurationError, match="give a few as files="):
        export(trained.network, tmp_path / "b", **options)
