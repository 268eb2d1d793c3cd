"""The scripts that run a bundle without kerastl, and how they come into one."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from kerastl.formats import FORMATS

FOLDER: Final = "run"
"""Of a bundle: where its scripts lie."""

_SHARED: Final = "bundle_io.py"
# In an installed package, and beside the package in its repository.
_HOMES: Final = (
    Path(__file__).resolve().parents[1] / "_runners",
    Path(__file__).resolve().parents[2] / "export",
)


def write_runners(folder: Path, formats: Iterable[str]) -> list[str]:
    """Copies the scripts of some formats into a bundle.

    Returns:
        Their paths inside the bundle; none where a format is of the user's own, without a script.
    """
    home = next((home for home in _HOMES if (home / _SHARED).is_file()), None)
    scripts = [FORMATS[name].runner[0] for name in formats]
    found = [] if home is None else [name for name in scripts if (home / name).is_file()]
    if home is None or not found:
        return []
    (folder / FOLDER).mkdir()
    names = [_SHARED, *dict.fromkeys(found)]
    for name in names:
        shutil.copyfile(home / name, folder / FOLDER / name)
    return [f"{FOLDER}/{name}" for name in names]
