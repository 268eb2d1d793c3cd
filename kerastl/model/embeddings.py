"""A model that turns examples into vectors."""

from __future__ import annotations

import dataclasses
from typing import Any, final

import numpy as np

from kerastl.errors import ConfigurationError
from kerastl.metrics import unit_rows
from kerastl.model.trained import TrainedModel

Array = np.ndarray[Any, Any]
# Cosines that a search holds at once.
_CHUNK = 2**22


@final
@dataclasses.dataclass(frozen=True, repr=False)
class EmbeddingModel(TrainedModel):
    """A model whose outputs are vectors of length 1: their dot product is their cosine."""

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return self.task.only.width

    def embed(self, inputs: Any) -> Array:
        """Turns examples into vectors; see ``TrainedModel.outputs``.

        Returns:
            float32 (n, dimensions), rows of length 1, in the order of the inputs.
        """
        [vectors] = self.outputs(inputs).values()
        return vectors

    def similarity(self, first: Any, second: Any) -> Array:
        """Cosines of all pairs of two collections.

        Args:
            first: examples, or vectors (n, dimensions) of any length.
            second: the same, m of them.

        Returns:
            float32 (n, m), from -1 to 1; 0 for a vector of zeros.

        Raises:
            ConfigurationError: vectors of another size, or with values that are not finite.
            DataError: one of the examples cannot be read.
        """
        return _clipped(self._vectors(first) @ self._vectors(second).T)

    def search(self, queries: Any, corpus: Any, top: int = 5) -> list[list[tuple[int, float]]]:
        """Finds what of a corpus is most similar to each query.

        Every example of the corpus is compared: the answer is exact, and memory stays bounded.

        Args:
            queries: examples, or vectors (n, dimensions).
            corpus: examples, or, so that they are embedded once for all searches, the
                vectors (m, dimensions) that ``embed`` gave for it.
            top: how many for each query.

        Returns:
            For each query the positions in the corpus and their cosines, the most similar first,
            equal ones in the order of the corpus; fewer than ``top`` where the corpus is smaller.

        Raises:
            ConfigurationError: ``top`` is below 1; or as ``similarity``.
            DataError: one of the examples cannot be read.
        """
        if not isinstance(top, int) or isinstance(top, bool) or top < 1:
            raise ConfigurationError(f"top={top!r}; give a whole number of at least 1.")
        held, asked = self._vectors(corpus), self._vectors(queries)
        step = max(1, _CHUNK // max(1, len(held)))
        chunks = (asked[start : start + step] for start in range(0, len(asked), step))
        return [_best(row, top) for chunk in chunks for row in _clipped(chunk @ held.T)]

    def _vectors(self, items: Any) -> Array:
        """Rows of length 1 out of examples or vectors."""
        # Pixels are bytes, and images have more axes.
        numbers = isinstance(items, np.ndarray) and np.issubdtype(items.dtype, np.number)
        numbers = numbers and items.dtype != np.uint8
        if not numbers or items.ndim > 2:
            return self.embed(items)
        if items.ndim != 2 or items.shape[1] != self.dimensions:
            raise ConfigurationError(
                f"Vectors of the shape {items.shape} are not of this model: give examples, or "
                f"(n, {self.dimensions}), as embed returns them."
            )
        bad = int((~np.isfinite(items).all(axis=1)).sum())
        if bad:
            raise ConfigurationError(f"{bad} of {len(items)} vectors hold NaN or infinity.")
        return unit_rows(items)


def _clipped(cosines: Array) -> Array:
    # Rounding makes the cosine of a vector with itself a little more than 1.
    return np.clip(cosines, -1.0, 1.0, out=cosines)


def _best(cosines: Array, top: int) -> list[tuple[int, float]]:
    rows = np.arange(len(cosines))
    if top < len(cosines):
        # Sorting all of a large corpus would take longer than comparing it.
        least = np.partition(cosines, len(cosines) - top)[len(cosines) - top]
        rows = np.flatnonzero(cosines >= least)
    order = rows[np.argsort(-cosines[rows], kind="stable")][:top]
    return [(int(row), float(cosines[row])) for row in order]
