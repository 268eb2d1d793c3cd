"""A lock on a run directory: two trainings into one would overwrite each other."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

import filelock

from kerastl.errors import ConfigurationError

_LOCK = ".lock"
_HOLDER = ".lock.json"


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Makes a run directory and holds its lock.

    The operating system releases it when the process ends, however it ends.

    Raises:
        ConfigurationError: another process holds it, and the message says which; or the folder
            cannot be made.
    """
    lock = filelock.FileLock(out / _LOCK, timeout=0)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout as error:
        raise ConfigurationError(
            f"Another training is running in {out} ({_holder(out)}). Wait until it is done, or "
            "choose another folder."
        ) from error
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error.strerror}.") from error
    try:
        holder = {"process": os.getpid(), "host": platform.node(), "since": time.time()}
        (out / _HOLDER).write_text(json.dumps(holder), encoding="utf-8")
        yield
    finally:
        (out / _HOLDER).unlink(missing_ok=True)
        (out / _LOCK).unlink(missing_ok=True)
        lock.release()


def refuse_locked(out: Path) -> None:
    """Raises ConfigurationError where another process trains in a run directory."""
    if (out / _LOCK).exists():
        with locked(out):
            pass


def _holder(out: Path) -> str:
    try:
        holder = json.loads((out / _HOLDER).read_text(encoding="utf-8"))
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder["since"]))
        return f"process {holder['process']} on {holder['host']} since {since}"
    except (OSError, ValueError, KeyError, TypeError):
        # It has only just begun, or the folder is on a disk that others cannot read.
        return "its process is not known"
