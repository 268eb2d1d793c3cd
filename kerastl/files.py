"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.errors import ConfigurationError, DataError, did_you_mean


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path beside ``path`` that is renamed onto it on success.

    The temporary name keeps the suffixes of ``path``, because Keras chooses a file format by
    them. At any kill there is either the old file or the new one.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".tmp-", suffix="-" + target.name, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        # mkstemp makes private files; users expect those of their umask.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    check: Callable[[Path], None] | None = None,
) -> Iterator[Path]:
    """Yields a temporary folder beside ``path`` that is renamed to it on success.

    A ``path`` that exists is a ConfigurationError without ``overwrite``. With it, ``check`` is
    called with ``path`` in the beginning and in the end, and raises where it holds what is not to
    be lost.
    """
    target = Path(path)
    _check_replaceable(target, overwrite, check)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".tmp-{target.name}-", dir=target.parent))
    try:
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        # Somebody may have made it, or put something into it, meanwhile.
        _check_replaceable(target, overwrite, check)
        if target.exists():
            # Folders cannot be exchanged in one step everywhere: move the old one aside first.
            aside = Path(tempfile.mkdtemp(prefix=f".old-{target.name}-", dir=target.parent))
            try:
                target.replace(aside / "old")
                try:
                    temporary.replace(target)
                except BaseException:
                    (aside / "old").replace(target)
                    raise
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        else:
            temporary.replace(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_replaceable(target: Path, overwrite: bool, check: Callable[[Path], None] | None) -> None:
    if not target.exists():
        return
    if not overwrite:
        raise ConfigurationError(
            f"{target} exists already. Choose another folder, or ask for overwriting."
        )
    if not target.is_dir():
        raise ConfigurationError(f"{target} is no folder, and is left as it is. Choose another.")
    if check is not None:
        check(target)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes ``value`` as indented JSON, atomically; NaN and infinity are refused."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Reads a JSON file written in UTF-8."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def existing_path(path: str | os.PathLike[str]) -> Path:
    """Returns a path that exists; a DataError suggests near misses of the name."""
    found = Path(path).expanduser()
    try:
        exists = found.exists()
    except (OSError, ValueError) as error:
        raise DataError(f"{path!r} cannot be read: {error}.") from error
    if exists:
        return found
    parent = found.parent
    hint = "" if parent.is_dir() else f" Its folder {parent} does not exist either."
    with contextlib.suppress(OSError):
        hint = hint or did_you_mean(found.name, [entry.name for entry in parent.iterdir()])
    raise DataError(f"There is no file or folder {str(path)!r}.{hint}")


def read_arrays(path: str | os.PathLike[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Reads the arrays of an .npz file, by name."""
    # Opened here, since np.load leaves a damaged file open.
    with Path(path).open("rb") as handle, np.load(handle) as archive:
        return dict(archive)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
