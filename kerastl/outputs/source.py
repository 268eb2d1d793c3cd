"""Where labels stand, as the data layer tells an output."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypeAlias

Cell: TypeAlias = str | tuple[str, ...] | None
"""One field of a table: text, a list of names, or nothing at all."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Where labels stand, and which may be missing.

    Attributes:
        where: what the data are called, as in ``"photos.csv"``.
        lines: of a table, the line of each row.
        columns: of a table, the label columns by name or number.
        separator: divides the names in a single column of several labels.
        allow_missing: accept a single class, and classes without examples.
        optional: accept examples without a label, which tasks of several outputs may have.
    """

    where: str
    lines: Sequence[int] = ()
    columns: Sequence[str | int] = ()
    separator: str = ","
    allow_missing: bool = False
    optional: bool = False
