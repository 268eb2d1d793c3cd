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

from kerastl.errors import DataError
from kerastl.inputs.augment import Augment
from kerastl.outputs import PROBABILITIES

Array = np.ndarray[Any, Any]
DECODE_BATCH = 32
# Beyond this many bytes arrays live in a file that the system pages in and out.
MEMORY_LIMIT = 2 * 1024**3


class Readable(Protocol):
    """What is needed of a data set: its sources and labels, or one ordered pass over both.

    Labels are arrays ``(n, ...)`` by the name of their output; a data set of one output may give
    its array as it is.
    """

    sources: Any
    labels: Any

    def batches(self, image_size: tuple[int, int], batch_size: int) -> Iterator[Any]:
        """Yields images uint8 ``(b, height, width, 3)`` and their labels."""
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
        """Of sequences the length (n,) that each takes in a batch; they rise. None of images."""
        return None

    @property
    @abc.abstractmethod
    def nbytes(self) -> int:
        """Bytes of all inputs."""

    @abc.abstractmethod
    def take(self, rows: Array, *, view: int, augment: Augment | None) -> Array:
        """Some inputs (len(rows), ...) of a view; those of view 0 are as they came."""

    @abc.abstractmethod
    def sha256(self) -> str:
        """SHA-256 of the inputs."""


@dataclasses.dataclass(frozen=True)
class ImageExamples(Examples):
    """Images that were decoded once.

    Attributes:
        images: uint8 (n, height, width, 3), in memory or memory-mapped.
        targets: see ``Examples``.
    """

    images: Array
    targets: Mapping[str, Array]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        return int(self.images.nbytes)

    def take(self, rows: Array, *, view: int, augment: Augment | None) -> Array:
        """Some images of a view: uint8 (len(rows), height, width, 3)."""
        images = self.images[rows]
        if augment is None or view == 0:
            return np.asarray(images)
        return np.stack(
            [
                augment.apply(image, seed=augment.seed, view=view, example=int(row))
                for image, row in zip(images, rows, strict=True)
            ]
        )

    def sha256(self) -> str:
        """SHA-256 of the images."""
        digest = hashlib.sha256(f"{self.images.shape}".encode())
        for start in range(0, len(self), DECODE_BATCH):
            digest.update(np.ascontiguousarray(self.images[start : start + DECODE_BATCH]).data)
        return digest.hexdigest()


class LazyView:
    """The inputs of a view as an array; made when they are asked for.

    Args:
        examples: images or token ids.
        view: number of the view.
        augment: how views differ.
    """

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


def labels_by_output(labels: Any, output: str) -> dict[str, Array]:
    """Labels by the name of their output; those that come as one array are of ``output``."""
    named = labels if isinstance(labels, Mapping) else {output: labels}
    return {name: np.asarray(values) for name, values in named.items()}


def decode(
    data: Readable, image_size: tuple[int, int], folder: Path, *, output: str = PROBABILITIES
) -> ImageExamples:
    """Decodes a data set once.

    Args:
        data: the data set.
        image_size: height and width in pixels.
        folder: where a file is made for what does not fit ``MEMORY_LIMIT``.
        output: whose labels they are, where the data set gives them as one array.

    Raises:
        DataError: not a single image could be read.
    """
    batches: list[Array] = []
    labels: list[dict[str, Array]] = []
    expected = data.size_hint()
    file: Array | None = None
    filled = 0
    bytes_each = image_size[0] * image_size[1] * 3
    if expected is not None and expected * bytes_each > MEMORY_LIMIT:
        file = allocate((expected, *image_size, 3), np.dtype(np.uint8), folder)
    for images, found in data.batches(image_size, DECODE_BATCH):
        labels.append(labels_by_output(found, output))
        if file is None:
            batches.append(np.asarray(images, dtype=np.uint8))
        else:
            file[filled : filled + len(images)] = images
        filled += len(images)
    if filled == 0:
        raise DataError("Not a single image could be read; see the warnings above.")
    stacked = np.concatenate(batches) if file is None else file[:filled]
    targets = {name: np.concatenate([part[name] for part in labels]) for name in labels[0]}
    return ImageExamples(stacked, targets)


def allocate(shape: tuple[int, ...], dtype: np.dtype[Any], folder: Path) -> Array:
    """An array in memory, or in an unnamed file of ``folder`` where it exceeds the limit."""
    if int(np.prod(shape)) * dtype.itemsize <= MEMORY_LIMIT:
        return np.empty(shape, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    # The file has no name: it is gone with the last array that uses it, at any kill.
    with tempfile.TemporaryFile(dir=folder) as handle:
        return np.memmap(handle, dtype=dtype, mode="w+", shape=shape)
