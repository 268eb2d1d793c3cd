"""Optional dependencies, imported where they are used."""

from __future__ import annotations

import importlib
from typing import Any

from kerastl.errors import MissingExtraError


def require(module: str, *, extra: str, purpose: str) -> Any:
    """Imports an optional dependency; raises MissingExtraError where it is not installed.

    ``extra`` is the extra of kerastl that installs it, as in ``"onnx"``; ``purpose`` is what needs
    it, as in ``"exporting to ONNX"``.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingExtraError(
            f"{purpose} needs the package that provides {module!r}, which is not installed. "
            f"Install it with: pip install 'kerastl[{extra}]'"
        ) from error
