"""A model that turns texts into vectors."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from kerastl.data import load_texts
from kerastl.errors import ConfigurationError, DataError
from kerastl.metrics import embedding_metrics, unit_rows
from kerastl.model.token_model import TokenModel, as_texts, read_texts_of

Array = np.ndarray[Any, Any]
# Cosines that a search holds at once.
_CHUNK = 2**22


@final
@dataclasses.dataclass(frozen=True)
class EmbeddingModel(TokenModel):
    """An embedding of texts: what is alike in meaning lies near in direction.

    Its network's outputs are vectors of length 1, so that their dot product is their cosine. It
    has no class names.
    """

    KIND: ClassVar[str] = "text_embedding"

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return int(self.network.outputs[0].shape[-1])

    def embed(self, texts: Any) -> Array:
        """Turns texts into vectors.

        Args:
            texts: a string, or a list of strings.

        Returns:
            float32 (n, dimensions), rows of length 1, in the order of the texts.

        Raises:
            TextError: one of them is no text.
        """
        return self.outputs(as_texts(texts))

    def predict(self, inputs: Any) -> Array:
        """The same as ``embed``."""
        return self.embed(inputs)

    def similarity(self, first: Any, second: Any) -> Array:
        """Cosines of all pairs of two collections.

        Args:
            first: a string, a list of strings, or vectors (n, dimensions) of any length.
            second: the same, m of them.

        Returns:
            float32 (n, m), from -1 to 1; 0 for a vector of zeros.

        Raises:
            ConfigurationError: vectors of another size, or with values that are not finite.
            TextError: one of the texts is none.
        """
        return _clipped(self._vectors(first) @ self._vectors(second).T)

    def search(self, queries: Any, corpus: Any, top: int = 5) -> list[list[tuple[int, float]]]:
        """Finds what of a corpus is most similar to each query.

        Every text of the corpus is compared: the answer is exact, and memory stays bounded.

        Args:
            queries: a string, a list of strings, or vectors (n, dimensions).
            corpus: a list of strings, or, so that it is embedded once for all searches, the
                vectors (m, dimensions) that ``embed`` gave for it.
            top: how many for each query.

        Returns:
            For each query the positions in the corpus and their cosines, the most similar first,
            equal ones in the order of the corpus; fewer than ``top`` where the corpus is smaller.

        Raises:
            ConfigurationError: ``top`` is below 1; or as ``similarity``.
            TextError: one of the texts is none.
        """
        if not isinstance(top, int) or isinstance(top, bool) or top < 1:
            raise ConfigurationError(f"top={top!r}; give a whole number of at least 1.")
        held, asked = self._vectors(corpus), self._vectors(queries)
        return [_best(row, top) for rows in _cosines(asked, held) for row in rows]

    def evaluate(self, data: Any, **options: Any) -> dict[str, float]:
        """Measures how near texts of one class lie to one another.

        Args:
            data: any kind of data that ``fit`` takes, with one class a text; they need not be
                the classes that it was trained with.
            **options: of ``kerastl.data.load_texts``, as ``text_column="message"``.

        Returns:
            ``precision_at_1``: the share of texts whose nearest other text is of their class;
            ``pair_auc``: how well the cosine tells pairs of one class from pairs of two, exact of
            up to 2000 texts, else on a sample (see ``kerastl.metrics``); ``examples``.

        Raises:
            DataError: data that cannot be read.
        """
        dataset = load_texts(data, **options)
        if not len(dataset):
            raise DataError("There is not a single text.")
        return embedding_metrics(dataset.labels, self.outputs(dataset.sources))

    def settings(self) -> dict[str, Any]:
        """The kind."""
        return {"kind": "embedding"}

    def _vectors(self, items: Any) -> Array:
        """Rows of length 1 out of texts or vectors."""
        if not isinstance(items, np.ndarray) or items.dtype.kind not in "fiu":
            return self.embed(items)
        if items.ndim != 2 or items.shape[1] != self.dimensions:
            raise ConfigurationError(
                f"Vectors of the shape {items.shape} are not of this model: give texts, or "
                f"(n, {self.dimensions}), as embed returns them."
            )
        bad = int((~np.isfinite(items).all(axis=1)).sum())
        if bad:
            raise ConfigurationError(f"{bad} of {len(items)} vectors hold NaN or infinity.")
        return unit_rows(items)


def _cosines(asked: Array, held: Array) -> Iterator[Array]:
    step = max(1, _CHUNK // max(1, len(held)))
    for start in range(0, len(asked), step):
        yield _clipped(asked[start : start + step] @ held.T)


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


def load_embedding_model(run: Path, content: Mapping[str, Any]) -> EmbeddingModel:
    """An embedding out of a run directory.

    Args:
        run: the directory.
        content: what ``run_directory.read`` found there.

    Raises:
        RunError: a file is missing or damaged.
    """
    return EmbeddingModel(**content, **read_texts_of(run)[0])
