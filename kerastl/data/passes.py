"""One pass over the examples of a data set, in threads where reading them takes time."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from kerastl.errors import ConfigurationError

_MAX_THREADS = 16
_MAX_AHEAD = 256


class Selection(Sequence[Any]):
    """Some elements of a sequence, fetched only when they are asked for."""

    def __init__(self, sources: Any, rows: npt.NDArray[np.int64]) -> None:
        nested = isinstance(sources, Selection)
        self.sources: Sequence[Any] = sources.sources if nested else sources
        self._rows: npt.NDArray[np.int64] = sources._rows[rows] if nested else rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: Any) -> Any:
        return self.sources[int(self._rows[i])]


def one_by_one(
    function: Callable[[int], Any], items: list[int], *, ahead: int, threads: bool
) -> Iterator[Any]:
    """Yields ``function`` of each item, in order.

    With ``threads``, up to ``ahead`` results wait; without, each is made when it is asked for.
    """
    if not threads:
        yield from map(function, items)
        return
    if not items:
        return
    import grain  # Slow to import, and needed only here.

    options = grain.ReadOptions(
        num_threads=_threads(), prefetch_buffer_size=max(_threads(), min(ahead, _MAX_AHEAD))
    )
    iterator = iter(grain.MapDataset.source(items).map(function).to_iter_dataset(options))
    try:
        yield from iterator
    finally:
        iterator.close()


def all_at_once(
    function: Callable[[int], Any], items: list[int], *, threads: bool
) -> dict[int, Any]:
    """``function`` of each item, by item."""
    if not threads:
        return {item: function(item) for item in items}
    with ThreadPoolExecutor(_threads()) as pool:
        return dict(zip(items, pool.map(function, items), strict=True))


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of ``size`` items; the last one may be shorter."""
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def check_batch_size(batch_size: int) -> None:
    """Raises ConfigurationError unless a batch size is a positive integer."""
    ints = (int, np.integer)
    if isinstance(batch_size, bool) or not isinstance(batch_size, ints) or batch_size < 1:
        raise ConfigurationError(f"batch_size must be a positive integer. Received: {batch_size!r}")


def _threads() -> int:
    return max(2, min(_MAX_THREADS, os.cpu_count() or 1))
