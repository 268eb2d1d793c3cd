"""Optional dependencies, imported where they are used."""

from __future__ import annotations

import importlib
from typing import Any

from kerastl.errors import MissingExtraError


def require(module: str, *, extra: str, purpose: str) -> Any:
    """Imports an optional dependency.

    Args:
        module: dotted name of the module, as in ``"onnxruntime"``.
        extra: the extra of kerastl that installs it, as in ``"onnx"``.
        purpose: what needs it, as in ``"exporting to ONNX"``.

    Returns:
        The imported module.

    Raises:
        MissingExtraError: the module is not installed.
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
