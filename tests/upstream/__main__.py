"""Which workarounds upstream still needs: ``make upstream``.

Prints a table and ends with 0, whatever upstream has mended meanwhile; with 1 where kerastl's own
route gives a wrong answer. A workaround that the newest versions no longer need may still be needed
by the oldest ones that pyproject.toml allows, and by older runtimes that run a bundle.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import os
import platform
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from rich.console import Console
from rich.table import Table

from tests.upstream.workarounds import WORKAROUNDS, Workaround


def _asked(question, workaround: Workaround):
    """The answer, or the error; what libraries print meanwhile is dropped."""
    quiet = io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(quiet),
        contextlib.redirect_stderr(quiet),
    ):
        try:
            return question(Path(folder)), None
        except Exception as error:
            return None, error


def _version(package: str) -> str:
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{package} (not installed)"


def main() -> int:
    table = Table("workaround", "upstream", "fault", "kerastl's route")
    failed = []
    for workaround in WORKAROUNDS:
        fault, error = _asked(workaround.fault, workaround)
        if isinstance(error, ModuleNotFoundError):
            needed = f"not asked: {error.name} is not installed"
        elif error is not None:
            needed = f"cannot tell: {type(error).__name__}"
        else:
            needed = "still there" if fault else "mended"
        _, error = _asked(workaround.check, workaround)
        if isinstance(error, ModuleNotFoundError):
            route = f"not run: {error.name} is not installed"
        elif error is not None:
            failed.append(f"{workaround.name}: {error}")
            route = "WRONG"
        else:
            route = "right"
        table.add_row(workaround.name, workaround.reference, needed, route)
    console = Console(width=None if sys.stdout.isatty() else 140)
    packages = sorted({package for item in WORKAROUNDS for package in item.packages})
    versions = [f"Python {platform.python_version()} on {platform.machine()}"]
    console.print(", ".join([*versions, *map(_version, packages)]))
    console.print(table)
    for line in failed:
        console.print(line, style="red", markup=False)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
