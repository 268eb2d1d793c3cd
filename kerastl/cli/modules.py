"""Python modules of the user's own, which the command line is told to run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kerastl.errors import ConfigurationError


def import_all(names: Iterable[str] | None) -> None:
    """Runs modules, which may register inputs and outputs."""
    for name in names or ():
        import_module(name)


def import_module(name: str) -> Any:
    """A module by its name, looked for in the working directory too, or by its file."""
    path = Path(name)
    folder, module = Path.cwd(), name
    if path.suffix == ".py":
        # The worker that proves an export imports it by this name too.
        folder, module = path.resolve().parent, path.stem
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(f"The module {name!r} cannot be imported: {error}.") from error


def find(text: str) -> Any:
    """What ``MODULE:NAME`` or ``FILE.py:NAME`` names; ConfigurationError where there is none."""
    module, colon, name = text.rpartition(":")
    if not colon:
        raise ConfigurationError(f"{text!r} cannot be read: give MODULE:NAME or FILE.py:NAME.")
    found = import_module(module)
    if not hasattr(found, name):
        raise ConfigurationError(f"The module {module!r} has nothing that is called {name!r}.")
    return getattr(found, name)
