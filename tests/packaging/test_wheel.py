"""The wheel as others see it: what is in it, and the types of the public interface."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def run(*command, folder):
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=folder,
        # Nothing of this repository: the wheel is what counts.
        env={k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MYPYPATH")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check")
    done = run("pip", "wheel", *options, "--wheel-dir", folder, ROOT, folder=folder)
    assert done.returncode == 0, done.stderr
    [path] = folder.glob("kerastl-*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An empty environment that holds the wheel and nothing it depends on."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.glob("lib/python3.*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return folder, site


def test_what_is_in_it(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    folders = {name.split("/")[0] for name in names}
    assert folders == {"kerastl", f"{wheel.name.split('-py3')[0]}.dist-info"}
    assert "kerastl/py.typed" in names
    own = {str(path.relative_to(ROOT)) for path in (ROOT / "kerastl").rglob("*.py")}
    runners = {f"kerastl/_runners/{path.name}" for path in (ROOT / "export").glob("*.py")}
    assert {name for name in names if name.endswith(".py")} == own | runners
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_types_from_outside(environment, tmp_path):
    pytest.importorskip("mypy")
    folder, site = environment
    # Beside this file, it would find the package of this repository.
    script = shutil.copy(HERE / "use.py", tmp_path)
    python = folder / "bin" / "python"
    check = ("mypy", "--strict", "--config-file", "", "--python-executable", python, script)
    done = run(*check, folder=tmp_path)
    assert done.returncode == 0, done.stdout
    with Path(script).open("a") as file:
        file.write("assert_type(model, int)\n")
    done = run(*check, folder=tmp_path)
    assert 'Expression is of type "TrainedModel", not "int"' in done.stdout
    (site / "kerastl" / "py.typed").unlink()
    done = run(*check, folder=tmp_path)
    assert "py.typed" in done.stdout
