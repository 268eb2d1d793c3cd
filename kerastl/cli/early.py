"""What can be refused before Keras is imported, which takes seconds.

What a command does checks all of it again: these functions only say so sooner.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from kerastl.errors import BundleError, RunError, did_you_mean
from kerastl.files import existing_path

_BUNDLE_FILE = "manifest.json"


def check_data(*named: str | None) -> None:
    """Raises DataError where data on disk are named that are not there."""
    for text in named:
        if text is not None and not text.startswith("tfds:"):
            existing_path(text)


def check_run(path: Path) -> None:
    """Raises RunError where there is no run directory."""
    if not path.is_dir():
        raise RunError(f"There is no run directory {path}.{_near(path)}")


def check_bundle(path: Path) -> None:
    """Raises BundleError where there is no bundle."""
    if not (path / _BUNDLE_FILE).is_file():
        raise BundleError(
            f"{path} is not a bundle: it has no {_BUNDLE_FILE}. Pass the folder that "
            f"`kerastl export` wrote.{_near(path)}"
        )


def check_run_or_bundle(path: Path) -> None:
    """Raises RunError where there is neither a run directory nor a bundle."""
    if not path.is_dir():
        raise RunError(f"There is no run directory {path}, and no bundle.{_near(path)}")


def _near(path: Path) -> str:
    with contextlib.suppress(OSError):
        return did_you_mean(path.name, [entry.name for entry in path.parent.iterdir()])
    return ""
