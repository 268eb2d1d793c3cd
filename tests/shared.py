"""Real data and weights, where they are: tests that need them skip without.

They lie in ``shared/`` beside the repository, or in the folders that ``KERASTL_TEST_DATA`` and
``KERASTL_TEST_WEIGHTS`` name.
"""

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[2] / "shared"


def real_data(name: str) -> Path:
    return _found("data", name)


def real_weights(name: str) -> Path:
    return _found("weights", name)


def _found(kind: str, name: str) -> Path:
    variable = f"KERASTL_TEST_{kind.upper()}"
    path = Path(os.environ.get(variable, _BESIDE / kind)) / name
    if not path.exists():
        pytest.skip(f"needs {kind}/{name}: set {variable} to the folder that holds it")
    return path
