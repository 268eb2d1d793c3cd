"""Hashes and sizes of artifacts, which are files or folders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerastl.errors import BundleError
from kerastl.provenance import sha256_file


def sha256_path(path: Path) -> str:
    """SHA-256 of a file's bytes, or of a folder's ``"<sha256>  <path>"`` lines.

    The lines, each with a line end, name every file below the folder, relative to it, with
    forward slashes, sorted by path: the output of ``sha256sum`` over the sorted files, hashed
    once more.
    """
    if not path.is_dir():
        return sha256_file(path)
    lines = [f"{sha256_file(path / name)}  {name}\n" for name in files_below(path)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def files_below(folder: Path) -> list[str]:
    """Paths of all files below a folder, relative to it, with forward slashes, sorted."""
    files = (item for item in folder.rglob("*") if item.is_file())
    return sorted(item.relative_to(folder).as_posix() for item in files)


def refuse_changed(folder: Path, hashes: Mapping[str, str]) -> None:
    """Raises BundleError where a file, given with its SHA-256, is missing or was changed."""
    for name, sha256 in hashes.items():
        if not (folder / name).exists():
            raise BundleError(f"{folder} is incomplete: {name} is missing. Export it again.")
        if sha256_path(folder / name) != sha256:
            raise BundleError(
                f"{folder} is damaged: {name} is not what was exported (its SHA-256 differs). "
                "Export it again."
            )


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = [path / name for name in files_below(path)] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def sha256_manifest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest without its own ``manifest_sha256``, as compact sorted JSON."""
    content = {key: value for key, value in manifest.items() if key != "manifest_sha256"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
