"""The token ids of a run's texts, sorted by length."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerastl.inputs.augment import Augment
from kerastl.inputs.examples import Examples

Array = np.ndarray[Any, Any]
# Lengths of batches: few enough to be compiled one by one, dense enough to waste little.
_LADDER = np.array(
    [*range(8, 65, 8), *range(80, 129, 16), *range(160, 257, 32), 320, 384, 448, 512]
)


def padded_lengths(lengths: Array) -> Array:
    """The length int64 (n,) that each sequence of so many tokens takes in a batch.

    They are multiples of 8 up to 64, then of 16, 32 and 64; beyond 512 of 128.
    """
    found = _LADDER[np.minimum(np.searchsorted(_LADDER, lengths), len(_LADDER) - 1)]
    return np.where(lengths > _LADDER[-1], -(-lengths // 128) * 128, found).astype(np.int64)


@dataclasses.dataclass(frozen=True)
class TokenExamples(Examples):
    """Token ids of texts, the shortest text first.

    Neighbours are of about one length, so that whatever is computed for a run of them needs
    little padding.

    Attributes:
        ids: int32 (total,), all texts one after another.
        offsets: int64 (n + 1,): text i is ``ids[offsets[i]:offsets[i + 1]]``.
        targets: see ``Examples``.
        pad_id: fills up what is shorter than a batch.
        positions: int64 (n,), where each text was before it was sorted.
        length: that of every text in a batch, for networks whose answers depend on it; None
            takes the next of a few lengths.
        texts: the texts before they were sorted, where they were given.
    """

    ids: Array
    offsets: Array
    targets: Mapping[str, Array]
    pad_id: int
    positions: Array
    length: int | None = None
    texts: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def lengths(self) -> Array | None:
        """Int64 (n,): the length that each text takes in a batch; None: all take one."""
        return padded_lengths(np.diff(self.offsets)) if self.length is None else None

    @property
    def order(self) -> Array:
        """``positions``."""
        return self.positions

    @property
    def nbytes(self) -> int:
        """Bytes of all ids."""
        return int(self.ids.nbytes)

    def take(self, rows: Array, *, view: int, augment: Augment | None) -> Array:
        """Some texts, int32 (len(rows), length of the longest as padded). Views are all alike."""
        starts, stops = self.offsets[rows], self.offsets[np.asarray(rows) + 1]
        counts = stops - starts
        width = self.length or int(padded_lengths(counts).max(initial=8))
        batch = np.full((len(rows), width), self.pad_id, np.int32)
        for row, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            batch[row, : stop - start] = self.ids[start:stop]
        return batch

    def sha256(self) -> str:
        """SHA-256 of the ids and of where each text ends."""
        digest = hashlib.sha256(f"tokens {self.pad_id} {len(self)}".encode())
        digest.update(np.ascontiguousarray(self.offsets, dtype=np.int64).data)
        digest.update(np.ascontiguousarray(self.ids).data)
        return digest.hexdigest()

    def sources(self, rows: Array) -> list[Any]:
        """The texts."""
        return [self.texts[int(self.positions[row])] for row in rows]


def sort_tokens(
    encoded: Sequence[Array],
    targets: Mapping[str, Any],
    *,
    pad_id: int,
    length: int | None = None,
    texts: Sequence[str] = (),
) -> TokenExamples:
    """Sorts the token ids int32 (tokens,) of each text by length, and the texts' labels too.

    Texts of one length stay in their order. For the other arguments see ``TokenExamples``.
    """
    counts = np.array([len(ids) for ids in encoded], dtype=np.int64)
    positions = np.argsort(counts, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(counts[positions])]).astype(np.int64)
    parts = [np.asarray(encoded[int(i)], dtype=np.int32) for i in positions]
    ids = np.concatenate(parts) if parts else np.zeros(0, np.int32)
    found = {name: np.asarray(labels)[positions] for name, labels in targets.items()}
    return TokenExamples(ids, offsets, found, pad_id, positions, length, texts)
