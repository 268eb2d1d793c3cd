"""Where a result came from: versions, hashes, the command."""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_REPORTED = (
    *("kerastl", "keras", "keras-hub", "tokenizers", "tensorflow", "tensorflow-text", "jax"),
    *("torch", "numpy", "pillow", "grain", "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert"),
)


def versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that can change a result."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in _REPORTED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def sha256_file(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_arrays(arrays: Iterable[np.ndarray[Any, Any]]) -> str:
    """SHA-256 over dtypes, shapes and bytes of arrays, in order, as hexadecimal digits."""
    digest = hashlib.sha256()
    for array in arrays:
        contiguous = np.ascontiguousarray(array)
        digest.update(f"{contiguous.dtype.str}{contiguous.shape}".encode())
        digest.update(contiguous.tobytes())
    return digest.hexdigest()


_options: contextvars.ContextVar[Mapping[str, Any] | None] = contextvars.ContextVar(
    "options", default=None
)


@contextlib.contextmanager
def started_with(options: Mapping[str, Any]) -> Iterator[None]:
    """Says meanwhile with which options of the command line a run was started."""
    token = _options.set(options)
    try:
        yield
    finally:
        _options.reset(token)


def command_options() -> dict[str, Any]:
    """The options of the command line that started this, by name; empty where Python did."""
    return dict(_options.get() or {})


def command_line() -> list[str]:
    """The command that started this process."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]] if sys.argv else []
