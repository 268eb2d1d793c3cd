"""The examples of a run, their labels, and the views of them that training asks for."""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kerastl.alignment import Alignment
from kerastl.errors import DataError
from kerastl.inputs.augment import Augment
from kerastl.inputs.resizing import STRETCH

Array = np.ndarray[Any, Any]
DECODE_BATCH = 32
# Beyond this many bytes arrays live in a file that the system pages in and out.
MEMORY_LIMIT = 2 * 1024**3


class Readable(Protocol):
    """What is needed of a ``kerastl.data.Dataset``; of a stream only ``batches``."""

    outputs: Any
    sources: Any
    targets: Any

    def batches(
        self, image_size: tuple[int, int], batch_size: int, *, resize: str = STRETCH
    ) -> Iterator[Any]:
        """Yields images uint8 ``(b, height, width, 3)`` with labels, of several outputs a dict."""
        ...

    def size_hint(self) -> int | None:
        """How many examples there are, where that is known."""
        ...


class Examples(abc.ABC):
    """Inputs of a network with their labels, in a fixed order.

    Attributes:
        targets: the labels ``(n, ...)`` of each output, by its name; empty where there are none.
    """

    targets: Mapping[str, Array]

    @abc.abstractmethod
    def __len__(self) -> int:
        """How many there are."""

    @property
    def labels(self) -> Array:
        """The labels ``(n, ...)`` of examples that have one output."""
        [labels] = self.targets.values()
        return labels

    @property
    def lengths(self) -> Array | None:
        """The length (n,) that each sequence takes in a batch, ascending; None for images."""
        return None

    @property
    def order(self) -> Array:
        """Where each example stood in the data, int64 (n,)."""
        return np.arange(len(self))

    @property
    @abc.abstractmethod
    def nbytes(self) -> int:
        """Bytes of all inputs."""

    @abc.abstractmethod
    def take(self, rows: Array, *, view: int, augment: Augment | None) -> Array:
        """Some inputs (len(rows), ...) of a view; those of view 0 are as they came."""

    def alignment(self, *, view: int, augment: Augment) -> Alignment | None:
        """Where the places of all inputs come to lie in a view; None where they do not move."""
        return None

    @abc.abstractmethod
    def sha256(self) -> str:
        """SHA-256 of the inputs."""

    @abc.abstractmethod
    def sources(self, rows: Array) -> list[Any]:
        """Some examples, as an input takes them."""


@dataclasses.dataclass(frozen=True)
class ArrayExamples(Examples):
    """Examples of one shape, which were read once.

    Attributes:
        arrays: (n, ...), in memory or memory-mapped; of images uint8 (n, height, width, 3).
        targets: see ``Examples``.
    """

    arrays: Array
    targets: Mapping[str, Array]

    def __len__(self) -> int:
        return len(self.arrays)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return int(self.arrays.nbytes)

    def take(self, rows: Array, *, view: int, augment: Augment | None) -> Array:
        """Some arrays of a view (len(rows), ...)."""
        arrays = self.arrays[rows]
        if augment is None or view == 0:
            return np.asarray(arrays)
        return np.stack(
            [
                augment.apply(array, seed=augment.seed, view=view, example=int(row))
                for array, row in zip(arrays, rows, strict=True)
            ]
        )

    def alignment(self, *, view: int, augment: Augment) -> Alignment | None:
        """Where crops and mirroring move the places of images."""
        height, width = self.arrays.shape[1:3]
        return augment.alignment((height, width), seed=augment.seed, view=view, count=len(self))

    def sha256(self) -> str:
        """SHA-256 of the arrays."""
        digest = hashlib.sha256(f"{self.arrays.shape}".encode())
        for start in range(0, len(self), DECODE_BATCH):
            digest.update(np.ascontiguousarray(self.arrays[start : start + DECODE_BATCH]).data)
        return digest.hexdigest()

    def sources(self, rows: Array) -> list[Any]:
        """The arrays themselves."""
        return list(np.asarray(self.arrays[rows]))


class Subset(Examples):
    """Some of other examples, in their order.

    Attributes:
        whole: the others.
        rows: which of them, ascending int64 (n,).
    """

    def __init__(self, whole: Examples, rows: Array) -> None:
        self.whole = whole
        self.rows = np.asarray(rows, dtype=np.int64)
        self.targets = {name: labels[self.rows] for name, labels in whole.targets.items()}

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> Array | None:
        """Those of the chosen ones."""
        found = self.whole.lengths
        return None if found is None else found[self.rows]

    @property
    def order(self) -> Array:
        """Where each stands among the chosen ones, in the order of the data."""
        return np.argsort(np.argsort(self.whole.order[self.rows]))

    @property
    def nbytes(self) -> int:
        """Bytes of the chosen inputs, as a share of all."""
        return int(self.whole.nbytes * len(self.rows) / max(1, len(self.whole)))

    def take(self, rows: Array, *, view: int, augment: Augment | None) -> Array:
        """Varied as they are in the whole."""
        return self.whole.take(self.rows[rows], view=view, augment=augment)

    def alignment(self, *, view: int, augment: Augment) -> Alignment | None:
        """That of the chosen ones."""
        found = self.whole.alignment(view=view, augment=augment)
        return None if found is None else found.of(self.rows)

    def sha256(self) -> str:
        """SHA-256 of the whole and of which are chosen."""
        digest = hashlib.sha256(f"subset {self.whole.sha256()}".encode())
        digest.update(np.ascontiguousarray(self.rows).data)
        return digest.hexdigest()

    def sources(self, rows: Array) -> list[Any]:
        """Those of the whole."""
        return self.whole.sources(self.rows[rows])


class RowsOf:
    """Rows of an array-like ``(n, ...)``, read when they are asked for."""

    def __init__(self, values: Any, rows: Array) -> None:
        self._values = values
        self._rows = rows
        lengths = getattr(values, "lengths", None)
        self.lengths = None if lengths is None else lengths[rows]
        self.nbytes = int(values.nbytes * len(rows) / max(1, len(values)))

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the rows."""
        return (len(self._rows), *self._values.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any) -> Array:
        return np.asarray(self._values[self._rows[rows]])


class LazyView:
    """The inputs of a view as an array; made when they are asked for."""

    def __init__(self, examples: Examples, view: int, augment: Augment | None) -> None:
        self.nbytes = examples.nbytes
        self.lengths = examples.lengths
        self._examples = examples
        self._view = view
        self._augment = augment

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, rows: Any) -> Array:
        numbers = np.arange(len(self))[rows]
        return self._examples.take(numbers, view=self._view, augment=self._augment)


def as_input(values: Array) -> Array:
    """What a network takes: token ids as they are, everything else as float32."""
    return values if values.dtype == np.int32 else values.astype(np.float32, copy=False)


def decode(
    data: Readable, image_size: tuple[int, int], folder: Path, *, resize: str = STRETCH
) -> ArrayExamples:
    """Decodes a data set once, into a file in ``folder`` if it exceeds ``MEMORY_LIMIT``."""
    batches: list[Array] = []
    labels: list[Mapping[str, Array]] = []
    names = list(data.outputs)
    expected = data.size_hint()
    file: Array | None = None
    filled = 0
    bytes_each = image_size[0] * image_size[1] * 3
    if expected is not None and expected * bytes_each > MEMORY_LIMIT:
        file = allocate((expected, *image_size, 3), np.dtype(np.uint8), folder)
    for images, found in data.batches(image_size, DECODE_BATCH, resize=resize):
        labels.append(found if isinstance(found, Mapping) else {names[0]: found})
        if file is None:
            batches.append(np.asarray(images, dtype=np.uint8))
        else:
            file[filled : filled + len(images)] = images
        filled += len(images)
    if filled == 0:
        raise DataError("Not a single image could be read; see the warnings above.")
    stacked = np.concatenate(batches) if file is None else file[:filled]
    targets = {name: np.concatenate([part[name] for part in labels]) for name in names}
    return ArrayExamples(stacked, targets)


def allocate(shape: tuple[int, ...], dtype: np.dtype[Any], folder: Path) -> Array:
    """An array in memory, or in an unnamed file of ``folder`` where it exceeds the limit."""
    if int(np.prod(shape)) * dtype.itemsize <= MEMORY_LIMIT:
        return np.empty(shape, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    # The file has no name: it is gone with the last array that uses it, at any kill.
    with tempfile.TemporaryFile(dir=folder) as handle:
        return np.memmap(handle, dtype=dtype, mode="w+", shape=shape)
