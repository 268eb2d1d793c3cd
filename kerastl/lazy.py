"""Packages that import each of their names when it is first used.

Importing Keras takes seconds with some backends. What needs no Keras must not wait for it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Makes ``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: its ``__name__``.
        homes: by module the names that it holds, with spaces between. ``NAME=OTHER`` stands for
            what the module calls ``OTHER``.
    """
    found: dict[str, tuple[str, str]] = {}
    for module, names in homes.items():
        for entry in names.split():
            name, _, other = entry.partition("=")
            found[name] = (module, other or name)

    def get(name: str) -> Any:
        if name not in found:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, other = found[name]
        value = getattr(importlib.import_module(module), other)
        setattr(sys.modules[package], name, value)
        return value

    def listed() -> list[str]:
        return sorted(sys.modules[package].__all__)

    return get, listed
