"""Every backbone through all three float formats: ``make matrix``.

Each row is measured in a process of its own, or taken from benchmarks/results/export_matrix.json
where it was measured with the same versions and the same exporting code.
"""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

import kerastl
from tests.shared import real_data

ROOT = Path(__file__).resolve().parents[2]
MATRIX = runpy.run_path(str(ROOT / "benchmarks" / "export_matrix.py"))
NAMES = [
    r.name for r in sorted(kerastl.list_backbones("image"), key=lambda record: record.parameters)
]


@pytest.mark.parametrize("part", ["float", "quantised"])
def test_the_code_that_results_depend_on_is_there(part):
    for package in MATRIX["PACKAGES"]:
        pytest.importorskip(package.replace("-", "_"))
    assert set(MATRIX["state"](part)) == {"versions", "code", "networks", "python"}


@pytest.fixture(scope="module")
def photos():
    return real_data("trashnet_small")


@pytest.mark.matrix
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", NAMES)
def test_every_float_format_passes(name, photos):
    row = MATRIX["ensure"](name, photos, "float")
    for format in MATRIX["FORMATS"]:
        assert row["cells"][format]["passed"], row["cells"][format]
    # Labels must depend on the image, or their agreement would say nothing.
    assert row["labels"] >= 3


@pytest.mark.matrix
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", NAMES)
def test_every_quantised_file_passes_or_is_refused(name, photos):
    row = MATRIX["ensure"](name, photos, "quantised")
    for column in MATRIX["PARTS"]["quantised"]:
        cell = row["cells"][column]
        # Random weights may leave too little between classes for 8 bits: then nothing is written.
        assert cell["passed"] or "gate" in cell["reason"], cell
