"""Every backbone through all three float formats: ``make matrix``.

Each row is measured in a process of its own, or taken from benchmarks/results/export_matrix.json
where it was measured with the same versions and the same exporting code.
"""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import pytest

import kerastl

ROOT = Path(__file__).resolve().parents[2]
MATRIX = runpy.run_path(str(ROOT / "benchmarks" / "export_matrix.py"))
NAMES = [
    r.name for r in sorted(kerastl.list_backbones("image"), key=lambda record: record.parameters)
]

# What cannot pass, by backbone and format, with a part of the reason that the user is given.
IMPOSSIBLE: dict[tuple[str, str], str] = {}


@pytest.fixture(scope="module")
def photos():
    beside = ROOT.parent / "shared" / "data"
    folder = Path(os.environ.get("KERASTL_TEST_DATA", beside)) / "trashnet_small"
    if not folder.is_dir():
        pytest.skip(f"no photos at {folder}; set KERASTL_TEST_DATA to the folder that holds them")
    return folder


@pytest.mark.matrix
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", NAMES)
def test_every_float_format_passes(name, photos):
    row = MATRIX["ensure"](name, photos)
    assert set(row["cells"]) == set(MATRIX["FORMATS"]), row.get("reason")
    for format, cell in row["cells"].items():
        if (name, format) in IMPOSSIBLE:
            assert not cell["passed"], "it passes now: take it out of IMPOSSIBLE"
            assert IMPOSSIBLE[name, format] in cell["reason"]
        else:
            assert cell["passed"], cell
    # Labels must depend on the image, or their agreement would say nothing.
    assert row["labels"] >= 3
