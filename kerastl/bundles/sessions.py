"""Sources to answers through an artifact's session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kerastl.formats import Session
from kerastl.inputs import Input

Array = np.ndarray[Any, Any]


def feeds_of(
    session: Session, input: Input, sources: Sequence[Any]
) -> Iterator[tuple[Array, dict[str, Array]]]:
    """What an artifact is given for sources, batch by batch, with their positions."""
    length = input.length_in(session.inputs)
    for rows, batch in input.batches(sources, length=length):
        feeds = input.feeds(batch)
        if session.batch == "dynamic":
            yield rows, feeds
        else:
            alone = input.one_by_one(feeds, length=length)
            yield from zip(rows[:, None], alone, strict=True)


def run_sources(session: Session, input: Input, sources: Sequence[Any]) -> dict[str, Array]:
    """An artifact's answers to one source or more, in order, by output name: float32 (n, width)."""
    places, parts = [], []
    for rows, feeds in feeds_of(session, input, sources):
        places.append(rows)
        parts.append(session.run(feeds))
    order = np.argsort(np.concatenate(places))
    return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
