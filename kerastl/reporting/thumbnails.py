"""Small pictures of the examples that a page shows."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kerastl.errors import KerastlError
from kerastl.evaluation import Evaluation, Row
from kerastl.inputs import Input
from kerastl.reporting.content import shown_rows


def thumbnails_of(
    input: Input, evaluation: Evaluation, sources: Mapping[str, Any]
) -> tuple[dict[str, str], int]:
    """Pictures of the examples that are shown, as ``data:`` addresses by the examples' names.

    Args:
        input: what the examples are.
        evaluation: whose wrong and uncertain answers are shown.
        sources: the examples by name, where there are any; else the files are looked for.

    Returns:
        The pictures, and how many examples have neither a picture nor a text.
    """
    found: dict[str, str] = {}
    missing: set[str] = set()
    for row in _rows(evaluation):
        if row.name in found or row.name in missing:
            continue
        picture = _picture(input, row, sources)
        if picture is not None:
            encoded = base64.b64encode(picture).decode("ascii")
            found[row.name] = f"data:image/webp;base64,{encoded}"
        elif row.text is None:
            missing.add(row.name)
    return found, len(missing)


def _rows(evaluation: Evaluation) -> Iterator[Row]:
    for section in evaluation.sections.values():
        yield from shown_rows(section)


def _picture(input: Input, row: Row, sources: Mapping[str, Any]) -> bytes | None:
    # The file has the shape of the image; what the network takes of it may be stretched.
    path = None if row.path is None else Path(row.path)
    for source in (path, sources.get(row.name)):
        if source is None or (isinstance(source, Path) and not source.is_file()):
            continue
        try:
            return input.thumbnail(source)
        except KerastlError:
            continue
    return None
