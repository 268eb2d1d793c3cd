"""Features of examples as a solver reads them: standardised, in blocks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.linalg

Array = np.ndarray[Any, Any]
MEMORY_LIMIT = 1 << 30
"""Bytes of float64 features that are kept in memory."""
_BLOCK_ROWS = 4096
_LEAST_SHARE = 1e-3
# Rows that the covariance is estimated from where there are more: it only speeds the solver up.
_COVARIANCE_ROWS = 20_000


@dataclasses.dataclass(frozen=True)
class Scaling:
    """What is done to features before a penalty compares their weights.

    Attributes:
        mean: float64 ``(d,)``.
        scale: float64 ``(d,)``; features are divided by it.
    """

    mean: Array
    scale: Array


class Features:
    """Features ``(n, d)`` of examples in one or several views, standardised.

    What fits in memory is kept there in float64; more is read, block by block, each time that it
    is needed. Fewer rows than columns are turned into as few columns: the optimum lies in the
    space that the rows span.

    Args:
        views: for each view an array-like ``(n, d)`` of numbers, as a memory map.
        groups: sizes of groups of neighbouring columns that are scaled alike; None is one group.
        memory_limit: bytes.

    Attributes:
        count: examples.
        views: how many views there are of each.
        width: columns as they are solved for.
    """

    def __init__(
        self,
        views: Sequence[Any],
        *,
        groups: Sequence[int] | None = None,
        memory_limit: int = MEMORY_LIMIT,
    ) -> None:
        self._given = tuple(views)
        self.count, self._columns = (int(size) for size in views[0].shape)
        self.views = len(self._given)
        self._scaling = self._measure(groups)
        rows = self.views * self.count
        self._basis: Array | None = None
        self._held: Array | None = None
        if rows * self._columns * 8 <= memory_limit:
            held = np.concatenate([part for _, part in self._scaled_blocks()])
            if rows < self._columns:
                # An orthogonal basis of what the rows span; lengths, and so penalties, stay.
                self._basis, triangle = scipy.linalg.qr(held.T, mode="economic")
                held = np.ascontiguousarray(triangle.T)
            self._held = held
        self.width = self._columns if self._held is None else self._held.shape[1]

    @property
    def rows(self) -> int:
        """Examples times views; the rows of a view follow those of the view before."""
        return self.views * self.count

    def blocks(self) -> Iterator[tuple[slice, Array]]:
        """Neighbouring rows and their features, float64 ``(m, width)``, up to all rows."""
        if self._held is None:
            yield from self._scaled_blocks()
            return
        for start in range(0, self.rows, _BLOCK_ROWS):
            part = slice(start, min(start + _BLOCK_ROWS, self.rows))
            yield part, self._held[part]

    def covariance(self) -> Array:
        """The mean outer product of rows, float64 ``(width, width)``; of many rows an estimate."""
        total = np.zeros((self.width, self.width))
        step = max(1, self.rows // _COVARIANCE_ROWS)
        counted = 0
        for _, block in self.blocks():
            chosen = block[::step]
            total += chosen.T @ chosen
            counted += len(chosen)
        return total / counted

    def unscaled(self, kernel: Array, bias: Array) -> tuple[Array, Array]:
        """A kernel ``(width, k)`` and a bias for the features as they were given."""
        turned = kernel if self._basis is None else self._basis @ kernel
        plain = turned / self._scaling.scale[:, None]
        return plain, bias - self._scaling.mean @ plain

    def _measure(self, groups: Sequence[int] | None) -> Scaling:
        """What columns are moved and divided by.

        Half of the way to a standard score: each column is divided by the root of its deviation.
        Features that vary much are as a rule those that tell most, so that scaling them all
        alike loses some of it, and not scaling them leaves the weak ones unheard.
        """
        total = np.zeros(self._columns)
        for _, block in self._plain_blocks():
            total += block.sum(axis=0)
        mean = total / (self.views * self.count)
        squares = np.zeros(self._columns)
        for _, block in self._plain_blocks():
            squares += ((block - mean) ** 2).sum(axis=0)
        variance = squares / (self.views * self.count)
        scale = np.empty(self._columns)
        start = 0
        for size in groups or (self._columns,):
            part = slice(start, start + size)
            deviation = np.sqrt(variance[part])
            # What hardly varies among these examples may vary much among others.
            deviation = np.maximum(deviation, _LEAST_SHARE * deviation.max())
            # Each group is of unit variance in all, so that a strength means the same for any.
            whole = float(np.sqrt(deviation.sum()))
            scale[part] = np.sqrt(deviation) * whole if whole > 0 else 1.0
            start += size
        return Scaling(mean, scale)

    def _plain_blocks(self) -> Iterator[tuple[slice, Array]]:
        for number, view in enumerate(self._given):
            for start in range(0, self.count, _BLOCK_ROWS):
                stop = min(start + _BLOCK_ROWS, self.count)
                offset = number * self.count
                block = np.asarray(view[start:stop]).astype(np.float64)
                yield slice(offset + start, offset + stop), block

    def _scaled_blocks(self) -> Iterator[tuple[slice, Array]]:
        for part, block in self._plain_blocks():
            yield part, (block - self._scaling.mean) / self._scaling.scale
