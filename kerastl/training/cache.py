"""Activations on disk: content-keyed, shared between processes, bounded, self-verifying."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import math
import os
import shutil
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from kerastl.errors import ConfigurationError
from kerastl.files import atomic_file, read_json, write_json

Array = np.ndarray[Any, Any]
SHARD_ROWS = 256
DEFAULT_LIMIT = 20 * 10**9
_INDEX = "entry.json"
_CHECKSUM_BYTES = 4
_BLOCK = 1 << 22


def default_folder() -> Path:
    """Where activations are kept: ``KERASTL_CACHE``, or ``kerastl`` in the user's cache folder."""
    named = os.environ.get("KERASTL_CACHE")
    if named:
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "kerastl" / "activations"


@dataclasses.dataclass(frozen=True)
class Layout:
    """How an array of examples is divided into shards of rows.

    Attributes:
        shape: (n, ...); of sequences (n, greatest length, ...).
        dtype: of the values.
        lengths: of sequences, the length (n,) of each; they rise. A shard is as long as its last.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    lengths: Array | None = None

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-self.shape[0] // SHARD_ROWS)

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return sum(map(self.shard_bytes, range(self.shards)))

    def rows(self, shard: int) -> tuple[int, int]:
        """First row of a shard, and the row after its last."""
        return shard * SHARD_ROWS, min((shard + 1) * SHARD_ROWS, self.shape[0])

    def shard_shape(self, shard: int) -> tuple[int, ...]:
        """(rows, ...) of a shard."""
        start, stop = self.rows(shard)
        if self.lengths is None:
            return (stop - start, *self.shape[1:])
        return (stop - start, int(self.lengths[stop - 1]), *self.shape[2:])

    def shard_bytes(self, shard: int) -> int:
        """Bytes of a shard's values."""
        return math.prod(self.shard_shape(shard)) * self.dtype.itemsize


@dataclasses.dataclass(frozen=True)
class CacheEntry:
    """One array on disk, in shards: the activations of one data set at one cut, for one view."""

    folder: Path
    layout: Layout

    def path(self, shard: int) -> Path:
        """The file of a shard: the values as they are in memory, then their checksum."""
        return self.folder / f"{shard:06d}.shard"

    def is_sound(self, shard: int) -> bool:
        """Whether a shard is there, whole, and has the bytes that were written."""
        expected = self.layout.shard_bytes(shard)
        checksum, left = 0, expected
        try:
            with self.path(shard).open("rb") as file:
                if os.fstat(file.fileno()).st_size != expected + _CHECKSUM_BYTES:
                    return False
                while left:
                    block = file.read(min(_BLOCK, left))
                    checksum = zlib.crc32(block, checksum)
                    left -= len(block)
                return file.read() == checksum.to_bytes(_CHECKSUM_BYTES, "little")
        except OSError:
            return False

    def write(self, shard: int, values: Array) -> None:
        """Writes a shard; it appears whole or not at all."""
        content = np.ascontiguousarray(values, dtype=self.layout.dtype)
        data = content.reshape(-1).view(np.uint8).data
        with atomic_file(self.path(shard)) as temporary, temporary.open("wb") as file:
            file.write(data)
            file.write(zlib.crc32(data).to_bytes(_CHECKSUM_BYTES, "little"))

    def read(self, shard: int) -> Array:
        """A shard's values, memory-mapped and read-only."""
        layout = self.layout
        return np.memmap(
            self.path(shard), dtype=layout.dtype, mode="r", shape=layout.shard_shape(shard)
        )


class ActivationCache:
    """A folder of cache entries.

    Args:
        folder: made where it is missing.
        limit: bytes that all entries may take together; those used longest ago go first.

    Raises:
        ConfigurationError: the folder cannot be made.
    """

    def __init__(self, folder: Path, limit: int = DEFAULT_LIMIT) -> None:
        self.folder = folder
        self.limit = limit
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"The activation cache {folder} cannot be made: {error.strerror}. Name another "
                "folder (cache=PATH), or train without one on disk (cache=True)."
            ) from error

    def room(self) -> int:
        """Bytes that a new entry may take: what the limit and half of the free disk allow."""
        free = shutil.disk_usage(self.folder).free
        return min(self.limit, free // 2 + self.used())

    def used(self) -> int:
        """Bytes that all entries take."""
        return sum(int(row["bytes"]) for row in self.list())

    @contextlib.contextmanager
    def entry(self, key: str, layout: Layout, description: dict[str, Any]) -> Iterator[CacheEntry]:
        """Opens an entry for filling; other processes that want the same one wait."""
        entry = CacheEntry(self.folder / key, layout)
        with self._lock(key):
            entry.folder.mkdir(exist_ok=True)
            index = entry.folder / _INDEX
            if not index.exists():
                write_json(
                    index, {**description, "shape": list(layout.shape), "dtype": layout.dtype.str}
                )
            os.utime(index)
            yield entry

    def _lock(self, key: str, timeout: float = -1) -> filelock.BaseFileLock:
        return filelock.FileLock(self.folder / f"{key}.lock", timeout=timeout)

    def list(self) -> list[dict[str, Any]]:
        """The entries, the one used last first: ``key``, ``bytes``, ``used``, and descriptions.

        Those are what filled an entry first: ``cut``, ``view``, ``data``, ``backbone`` and ``run``;
        entries of version 0.1.0 have the first two.
        """
        rows = []
        for index in self.folder.glob(f"*/{_INDEX}"):
            try:
                row = read_json(index)
                row |= {
                    "key": index.parent.name,
                    "bytes": sum(path.stat().st_size for path in index.parent.iterdir()),
                    "used": index.stat().st_mtime,
                }
            except (OSError, ValueError):
                continue  # another process is removing it
            rows.append(row)
        return sorted(rows, key=lambda row: -row["used"])

    def clear(self, *, keep_bytes: int = 0, keep: frozenset[str] = frozenset()) -> int:
        """Removes entries, the one used longest ago first, until ``keep_bytes`` or less are left.

        Entries whose keys are in ``keep`` stay, and those that another process is filling. Returns
        how many bytes were freed.
        """
        rows = self.list()
        left = sum(row["bytes"] for row in rows)
        freed = 0
        for row in reversed(rows):
            if left - freed <= keep_bytes:
                break
            if row["key"] in keep:
                continue
            try:
                with self._lock(row["key"], timeout=0):
                    shutil.rmtree(self.folder / row["key"])
            except (filelock.Timeout, OSError):
                continue
            (self.folder / f"{row['key']}.lock").unlink(missing_ok=True)
            freed += row["bytes"]
        return freed


def is_disk_full(error: OSError) -> bool:
    """Whether a write failed for want of space, or of permission to use more."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Rows:
    """Shards as one array of rows, (n, ...).

    Rows of sequences come as long as the longest that is asked for, padded with zeros.
    """

    def __init__(self, layout: Layout, shards: Sequence[Array] = ()) -> None:
        self.shape = layout.shape
        self.dtype = layout.dtype
        self.nbytes = layout.nbytes
        self.lengths = layout.lengths
        self._shards = shards

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Array:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        rows = np.asarray(rows)
        if self.lengths is None:
            values = np.empty((len(rows), *self.shape[1:]), self.dtype)
        else:
            width = int(self.lengths[rows].max(initial=1))
            values = np.zeros((len(rows), width, *self.shape[2:]), self.dtype)
        shards = rows // SHARD_ROWS
        for shard in np.unique(shards):
            chosen = shards == shard
            found, within = self._shard(int(shard)), rows[chosen] - shard * SHARD_ROWS
            if self.lengths is None:
                values[chosen] = found[within]
            else:
                common = min(values.shape[1], found.shape[1])
                values[chosen, :common] = found[within, :common]
        return values

    def _shard(self, number: int) -> Array:
        return self._shards[number]


class Shards(Rows):
    """An entry as one array of rows, read from disk as they are asked for.

    Pages that were read count towards the memory of a process until they are given back, which
    happens each time that ``budget`` bytes were read. The entry has to be complete and sound.
    """

    def __init__(self, entry: CacheEntry, budget: int) -> None:
        super().__init__(entry.layout)
        self._entry = entry
        self._budget = budget
        self._maps: dict[int, Any] = {}
        self._touched = 0

    def __getitem__(self, rows: Any) -> Array:
        values = super().__getitem__(rows)
        self._touched += values.nbytes
        if self._touched > self._budget:
            # Dropping a map gives its pages back to the system.
            self._maps.clear()
            self._touched = 0
        return values

    def _shard(self, number: int) -> Array:
        if number not in self._maps:
            self._maps[number] = self._entry.read(number)
        found: Array = self._maps[number]
        return found


def size_text(count: float) -> str:
    """Bytes for people, in units of a thousand: ``"20 GB"``, ``"1.5 GB"``, ``"0.1 MB"``.

    Example:
        >>> size_text(20e9), size_text(1.54e9), size_text(12)
        ('20 GB', '1.5 GB', '0.1 MB')
    """
    unit, name = (1e9, "GB") if count >= 1e9 else (1e6, "MB")
    return f"{max(count / unit, 0.1) if count else 0:.1f}".removesuffix(".0") + f" {name}"


def age(seconds: float) -> str:
    """How long ago a time is, for lists."""
    passed = max(0.0, time.time() - seconds)
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if passed >= 2 * size:
            return f"{passed / size:.0f} {unit} ago"
    return "just now"
