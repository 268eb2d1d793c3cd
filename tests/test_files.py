import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kerastl.errors import ConfigurationError
from kerastl.files import atomic_file, atomic_folder, read_json, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "below" / "model.weights.h5"
    for text in ("old", "new"):
        with atomic_file(path) as temporary:
            assert temporary.name.endswith("model.weights.h5")
            temporary.write_text(text)
        assert path.read_text() == text
    assert names(path.parent) == ["model.weights.h5"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_an_exception_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(type(error)), atomic_file(path) as temporary:
        temporary.write_text("half of the n")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.json"]


@pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX")
def test_files_have_the_permissions_of_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", 1)
        with atomic_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(old)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "bundle"
    with pytest.raises(RuntimeError), atomic_folder(target) as temporary:
        (temporary / "a").write_text("a")
        raise RuntimeError
    assert names(tmp_path) == []
    with atomic_folder(target) as temporary:
        (temporary / "a").write_text("a")
        assert not target.exists()
    assert names(tmp_path) == ["bundle"]
    assert names(target) == ["a"]


def test_a_folder_is_overwritten_only_when_asked(tmp_path):
    target = tmp_path / "bundle"
    for name in ("a", "b"):
        with atomic_folder(target, overwrite=name == "b") as temporary:
            (temporary / name).touch()
    assert names(target) == ["b"]
    with (
        pytest.raises(ConfigurationError, match=r"exists already.*overwriting"),
        atomic_folder(target),
    ):
        pass
    with pytest.raises(RuntimeError), atomic_folder(target, overwrite=True):
        raise RuntimeError
    assert names(target) == ["b"]
    assert names(tmp_path) == ["bundle"]


def test_what_appears_meanwhile_is_not_replaced(tmp_path):
    with pytest.raises(ConfigurationError, match="exists already"):  # noqa: SIM117
        with atomic_folder(tmp_path / "out"):
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "thesis.txt").write_text("mine")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"
    assert names(tmp_path) == ["out"]


def test_a_file_is_never_replaced_by_a_folder(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ConfigurationError, match="is no folder"):  # noqa: SIM117
        with atomic_folder(tmp_path / "out", overwrite=True):
            raise AssertionError
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_that_cannot_be_exchanged_stays(tmp_path, monkeypatch):
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "old").touch()
    replace = Path.replace

    def failing(self, other):
        if self.name.startswith(".tmp-"):
            raise OSError("no")
        return replace(self, other)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="no"), atomic_folder(target, overwrite=True):
        pass
    assert names(tmp_path) == ["bundle"]
    assert names(target) == ["old"]


def test_json_is_utf8_and_has_no_nan(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"classes": ["Bücher", "本"]})
    assert read_json(path) == {"classes": ["Bücher", "本"]}
    assert "Bücher" in path.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"loss": float("nan")})
    assert read_json(path) == {"classes": ["Bücher", "本"]}


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX")
def test_a_kill_in_the_middle_of_a_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, "old")
    program = (
        "import sys, time; from kerastl.files import atomic_file\n"
        "with atomic_file(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half'); print('writing', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)
    assert json.loads(path.read_text()) == "old"
