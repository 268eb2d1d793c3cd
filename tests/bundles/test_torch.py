"""torch.export behind the same gate, and what a foreign file is not allowed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kerastl.bundles import benchmark, export, jobs, load_bundle, verify
from kerastl.bundles.hashing import sha256_path
from kerastl.data import decode_image
from kerastl.errors import BundleError, ConfigurationError, MissingExtraError, ParityError

from . import text_models
from .cases import drive
from .conftest import CLASS_NAMES, HEIGHT, WIDTH
from .planting import spoil_after_conversion
from .several import several_model
from .test_contract import numbers_in

# Not imported here, beside TensorFlow, but in the processes that convert and run.
if not jobs.importlib.util.find_spec("torch"):
    pytest.skip("needs pip install 'kerastl[torch]'", allow_module_level=True)

PATH = "model.pt2"
ROOT = Path(__file__).resolve().parents[2]
RUNNER = ROOT / "export" / "run_torch.py"


@pytest.fixture(scope="module")
def bundle(trained, tmp_path_factory):
    return export(
        trained.network,
        tmp_path_factory.mktemp("torch") / "bundle",
        class_names=CLASS_NAMES,
        formats=["torch"],
        examples=trained.x_val,
        labels=trained.y_val,
        files=trained.files,
    )


def test_it_passes_and_is_described(bundle):
    (artifact,) = bundle.artifacts
    assert (artifact.format, artifact.path, artifact.passed) == ("torch", PATH, True)
    assert artifact.max_abs_diff < 1e-4
    assert artifact.label_agreement == 1.0
    assert artifact.seconds > 0
    assert artifact.sha256 == sha256_path(bundle.path / PATH)
    (entry,) = bundle.manifest["artifacts"]
    assert entry["batch"] == "dynamic"
    assert entry["torch"]
    assert not (bundle.path / "saved_model").exists()
    assert "PyTorch" in (bundle.path / "README.md").read_text("utf-8")


def test_beside_the_other_formats(trained, tmp_path):
    made = export(
        trained.network,
        tmp_path / "bundle",
        class_names=CLASS_NAMES,
        formats=["torch", "saved_model", "onnx"],
        examples=trained.x_val[:20],
    )
    assert [item.path for item in made.artifacts] == ["saved_model", "model.onnx", PATH]
    assert all(item.seconds > 0 for item in made.artifacts)
    # What can run code is never taken where it was not asked for.
    assert load_bundle(made.path).format == "onnx"


def test_a_bundle_must_be_trusted(bundle, trained):
    match = r"can run any code that its maker put into it.*trusted=True, or --trusted"
    for use in (verify, load_bundle, benchmark):
        with pytest.raises(BundleError, match=match):
            use(bundle.path)
    assert verify(bundle.path, trusted=True).passed
    assert list(benchmark(bundle.path, trusted=True)["artifacts"][0]["latency"]) == ["1", "32"]


def test_predict_with_batches_of_any_size(bundle, trained):
    # In a process without TensorFlow, as a consumer has it.
    script = (
        "import sys, numpy as np\n"
        "from kerastl.bundles import load_bundle\n"
        "predictor = load_bundle(sys.argv[1], trusted=True)\n"
        "images = np.load(sys.argv[2])\n"
        "assert predictor.format == 'torch'\n"
        f"assert list(predictor.class_names) == {CLASS_NAMES!r}\n"
        "rows = [predictor.predict(images[:n]) for n in (1, 3, 40)]\n"
        "assert 'tensorflow' not in sys.modules\n"
        "np.savez(sys.argv[3], *rows)\n"
    )
    images, answers = bundle.path.parent / "images.npy", bundle.path.parent / "answers.npz"
    np.save(images, trained.x_val[:40])
    command = [sys.executable, "-c", script, bundle.path, images, answers]
    subprocess.run(command, check=True, cwd=ROOT)
    with np.load(answers) as rows:
        for name, count in zip(rows.files, (1, 3, 40), strict=True):
            assert rows[name].shape == (count, 3)
            assert np.abs(rows[name] - trained.predict(trained.x_val[:count])).max() < 1e-4


def test_the_command_line(bundle, trained):
    program = [sys.executable, "-c", "from kerastl.cli import main; main()"]
    command = [*program, "predict", bundle.path, trained.files[0]]
    done = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--trusted" in done.stderr
    done = subprocess.run([*command, "--json", "--trusted"], cwd=ROOT, capture_output=True)
    assert json.loads(done.stdout)["predictions"][0]["label"] in CLASS_NAMES


def test_the_runner_gives_the_networks_label(bundle, trained, tmp_path):
    command = [sys.executable, str(RUNNER), str(bundle.path), *map(str, trained.files), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    predictions = json.loads(done.stdout)["predictions"]
    for item, file in zip(predictions, trained.files, strict=True):
        row = trained.predict(decode_image(file, (HEIGHT, WIDTH))[None])[0]
        assert item["label"] == CLASS_NAMES[row.argmax()]
        assert item["probability"] == pytest.approx(row.max(), abs=1e-3)


@pytest.mark.parametrize("kind", ["text", "vector", "several"])
def test_other_inputs_and_outputs(kind, trained, tmp_path):
    if kind == "several":
        model, given = several_model(trained), list(trained.files)
    else:
        pytest.importorskip("keras_hub")
        made = {"text": text_models.text_model, "vector": text_models.embedding_model}[kind]
        model, given = made(), [*text_models.texts(4, seed=3), "", "x" * 1000]
    bundle = model.export(tmp_path / "bundle", formats=("torch",))
    [artifact] = bundle.artifacts
    assert artifact.max_abs_diff < 1e-3
    assert verify(bundle.path, trusted=True).passed
    # Texts one by one and without filling, as a consumer has them.
    [answers] = drive(bundle.path, given, ("torch", None))
    expected = model.task.answers(model.outputs(given))
    for answer, wanted in zip(answers, expected, strict=True):
        assert numbers_in(answer) == pytest.approx(numbers_in(wanted), abs=1e-3)


def change(path, name, edit):
    """Rewrites one extra file of an archive."""
    with zipfile.ZipFile(path) as archive:
        entries = {item.filename: archive.read(item) for item in archive.infolist()}
    (key,) = [item for item in entries if item.endswith(name)]
    entries[key] = edit(entries[key])
    # torch reads stored entries only, as it writes them.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for item, data in entries.items():
            archive.writestr(item, data)


def test_swapped_class_names_fail_the_export(trained, tmp_path, monkeypatch):
    names = [CLASS_NAMES[1], CLASS_NAMES[0], CLASS_NAMES[2]]

    def spoil(out):
        change(out / PATH, "class_names", lambda _: json.dumps(names).encode())

    spoil_after_conversion(monkeypatch, spoil)
    with pytest.raises(ParityError, match=r"model\.pt2 holds the class names"):
        export(
            trained.network,
            tmp_path / "bundle",
            class_names=CLASS_NAMES,
            formats=["torch"],
            examples=trained.x_val[:10],
        )
    assert list(tmp_path.iterdir()) == []


def test_a_changed_file(bundle, tmp_path):
    folder = Path(shutil.copytree(bundle.path, tmp_path / "bundle"))
    with (folder / PATH).open("ab") as handle:
        handle.write(b"x")
    with pytest.raises(BundleError, match=r"damaged: model\.pt2 is not what was exported"):
        verify(folder, trusted=True)
    with pytest.raises(BundleError, match="not what was exported"):
        load_bundle(folder, trusted=True)


def test_what_cannot_be(trained, tmp_path, monkeypatch):
    options = {"class_names": CLASS_NAMES, "formats": ["torch"]}
    with pytest.raises(ConfigurationError, match=r"formats=\['torch'\] cannot hold"):
        export(trained.network, tmp_path / "b", any_size=True, files=trained.files, **options)
    find = jobs.importlib.util.find_spec
    monkeypatch.setattr(
        jobs.importlib.util, "find_spec", lambda name: None if name == "torch" else find(name)
    )
    with pytest.raises(MissingExtraError, match=r"'torch'.*pip install 'kerastl\[torch\]'"):
        export(trained.network, tmp_path / "b", **options)
