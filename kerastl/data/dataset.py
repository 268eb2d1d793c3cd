"""What training consumes: a data set with class names and a fingerprint of its content."""

from __future__ import annotations

import abc
import hashlib
import json
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from kerastl.data.splits import stratified_split
from kerastl.data.unreadable import OnError, check_on_error, report
from kerastl.errors import ConfigurationError, DataError, ImageError
from kerastl.inputs.images import ImageSource, check_image_size, decode_full_size, decode_image
from kerastl.inputs.pixels import PixelArray, round_to_uint8
from kerastl.outputs.names import listed
from kerastl.provenance import sha256_arrays, sha256_file

Batch: TypeAlias = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
"""Images ``(b, height, width, 3)`` from 0 to 255 and their class indices ``(b,)``."""

Groups: TypeAlias = Sequence[Hashable] | npt.NDArray[Any]
"""The group of each example, such as a person or a scene."""

_MAX_THREADS = 16
_FINGERPRINT_VERSION = 1


class Dataset(abc.ABC):
    """Labelled images in a fixed set of classes.

    Attributes:
        class_names: names of the classes, in the order of the class indices.
    """

    class_names: tuple[str, ...]

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @property
    @abc.abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 of the content, 64 hexadecimal digits; reads every example when first asked."""

    @abc.abstractmethod
    def batches(self, image_size: tuple[int, int], batch_size: int) -> Iterator[Batch]:
        """Yields one pass over the examples, resized by ``RESIZE_RULE``.

        Labels must be taken from the same pass as their images: only an ``ImageDataset`` is sure
        to keep its order from pass to pass.

        Args:
            image_size: ``(height, width)`` in pixels.
            batch_size: examples a batch; the last one may be smaller.

        Yields:
            Images ``(b, height, width, 3)``, uint8 from 0 to 255, and class indices ``(b,)``,
            int64.

        Raises:
            ImageError: an image cannot be decoded and ``on_error`` is ``"raise"``.
            DataError: examples that cannot be trained on.
        """

    @abc.abstractmethod
    def size_hint(self) -> int | None:
        """The number of examples, or None where it is not known yet."""


@final
class ImageDataset(Dataset):
    """Labelled images with random access, in a fixed order.

    Args:
        sources: paths, encoded bytes, Pillow images or arrays; see ``decode_image``.
        labels: class indices ``(n,)``, integers.
        class_names: names of the classes, in the order of the indices.
        names: a readable name of each example, such as its relative path; positions without it.
        groups: the group of each example, for splits.
        on_error: ``"warn"`` leaves out images that turn out unreadable in a pass and warns of
            them at its end; ``"raise"`` raises an ImageError.
        unreadable: names of the examples that were left out before.

    Raises:
        DataError: ``labels``, ``names`` or ``groups`` do not match ``sources`` in length, or a
            label lies outside the classes.
    """

    def __init__(
        self,
        sources: Sequence[ImageSource],
        labels: npt.ArrayLike,
        class_names: Iterable[str],
        *,
        names: Iterable[str] | None = None,
        groups: Groups | None = None,
        on_error: OnError = "warn",
        unreadable: Iterable[str] = (),
    ) -> None:
        self.sources = sources
        self.labels: npt.NDArray[np.int64] = np.array(labels, dtype=np.int64)
        self.labels.flags.writeable = False
        self.class_names = tuple(class_names)
        self.names = tuple(map(str, range(len(sources)))) if names is None else tuple(names)
        self.groups = groups
        self.on_error = check_on_error(on_error)
        self._unreadable = tuple(unreadable)
        self._broken: set[int] = set()
        self._digests: dict[int, str] = {}
        self._check()

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"ImageDataset({len(self)} images, {self.num_classes} classes)"

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Names of the examples left out so far: at entry, and in passes since."""
        return self._unreadable + tuple(self.names[i] for i in sorted(self._broken))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of class names, and of each example's name, label and bytes, in order.

        It does not change with times of files or with the place of a folder.
        """
        digest = hashlib.sha256(f"{_FINGERPRINT_VERSION}".encode())
        digest.update(json.dumps(self.class_names).encode())
        for name, label, content in zip(self.names, self.labels, self.digests(), strict=True):
            digest.update(json.dumps([name, int(label), content]).encode())
        return digest.hexdigest()

    def digests(self) -> tuple[str, ...]:
        """A SHA-256 of each example's content, as hexadecimal digits; computed once."""
        missing = [i for i in range(len(self)) if i not in self._digests]
        if missing:
            with ThreadPoolExecutor(_threads()) as pool:
                found = pool.map(lambda i: _digest(self.sources[i]), missing)
                self._digests.update(zip(missing, found, strict=True))
        return tuple(self._digests[i] for i in range(len(self)))

    def size_hint(self) -> int:
        """The number of examples, those included that turn out unreadable."""
        return len(self)

    def class_counts(self) -> dict[str, int]:
        """The number of examples by class name, zeros included."""
        counts = np.bincount(self.labels, minlength=self.num_classes)
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    def image(self, i: int, image_size: tuple[int, int]) -> npt.NDArray[np.uint8]:
        """Decodes one example to ``(height, width, 3)``, uint8 from 0 to 255.

        Raises:
            ImageError: it cannot be decoded.
        """
        return decode_image(self.sources[i], image_size)

    def batches(
        self,
        image_size: tuple[int, int],
        batch_size: int,
        *,
        order: Sequence[int] | npt.NDArray[np.integer[Any]] | None = None,
    ) -> Iterator[Batch]:
        """Yields one pass over the examples; see ``Dataset.batches``.

        Images that turn out unreadable are left out with their labels, and one warning at the
        end of the pass counts and names those that are new; later passes do not try them again.

        Args:
            image_size: ``(height, width)`` in pixels.
            batch_size: examples a batch; the last one may be smaller.
            order: positions to visit instead of ``0 .. n - 1``, such as a permutation.

        Raises:
            ImageError: an image cannot be decoded and ``on_error`` is ``"raise"``.
            DataError: every image of a class turned out unreadable.
            ConfigurationError: a size cannot be.
        """
        size = check_image_size(image_size)
        check_batch_size(batch_size)
        rows = np.arange(len(self)) if order is None else np.asarray(order, dtype=np.int64)
        return self._pass([int(i) for i in rows], size, int(batch_size))

    def subset(self, indices: Sequence[int] | npt.NDArray[np.integer[Any]]) -> ImageDataset:
        """The examples at ``indices``, in that order, with the same class names."""
        rows = np.asarray(indices, dtype=np.int64)
        groups = None if self.groups is None else [self.groups[i] for i in rows]
        chosen = ImageDataset(
            _Selection(self.sources, rows),
            self.labels[rows],
            self.class_names,
            names=[self.names[i] for i in rows],
            groups=groups,
            on_error=self.on_error,
            unreadable=self._unreadable,
        )
        for new, old in enumerate(rows.tolist()):
            if old in self._digests:
                chosen._digests[new] = self._digests[old]
            if old in self._broken:
                chosen._broken.add(new)
        return chosen

    def split(
        self, fraction: float, *, seed: int, groups: Groups | None = None
    ) -> tuple[ImageDataset, ImageDataset]:
        """Splits into training and validation, every class on both sides.

        Groups are those given here, or else those of the data set. Without any, copies of one
        image in a class are kept on one side, so that none leaks into validation.

        Args:
            fraction: share of the validation side, between 0 and 1.
            seed: seed of the choice.
            groups: the group of each example; a group is never on both sides.

        Raises:
            DataError: a class has a single example, or the groups cannot be divided.
            ConfigurationError: ``fraction`` or ``seed`` cannot be.
        """
        by = groups if groups is not None else self.groups
        if by is None:
            by = self._copies()
        train, validation = stratified_split(
            self.labels, fraction, seed=seed, groups=by, class_names=self.class_names
        )
        return self.subset(train), self.subset(validation)

    def _copies(self) -> list[Hashable] | None:
        pairs = list(zip(self.labels.tolist(), self.digests(), strict=True))
        distinct = set(pairs)
        if len(distinct) == len(pairs):
            return None
        variety = np.bincount([label for label, _ in distinct], minlength=self.num_classes)
        # A class that is copies of one image throughout cannot be kept on one side.
        return [pair if variety[pair[0]] > 1 else i for i, pair in enumerate(pairs)]

    def _pass(self, rows: list[int], size: tuple[int, int], batch_size: int) -> Iterator[Batch]:
        todo = [i for i in rows if i not in self._broken]
        failures: dict[int, ImageError] = {}
        images: list[npt.NDArray[np.uint8]] = []
        labels: list[int] = []
        whole = self.sources.sources if isinstance(self.sources, _Selection) else self.sources
        # Handing over small arrays between threads costs more than resizing them.
        run = _in_turn if isinstance(whole, PixelArray) else _in_threads
        for i, decoded in run(lambda i: self._attempt(i, size), todo, 2 * batch_size):
            if isinstance(decoded, ImageError):
                if self.on_error == "raise":
                    raise decoded
                failures[i] = decoded
                continue
            images.append(decoded)
            labels.append(int(self.labels[i]))
            if len(images) == batch_size:
                yield np.stack(images), np.array(labels, dtype=np.int64)
                images, labels = [], []
        if images:
            yield np.stack(images), np.array(labels, dtype=np.int64)
        if failures:
            self._broken.update(failures)
            pairs = [(self._title(i), error) for i, error in sorted(failures.items())]
            report(pairs, on_error="warn", stacklevel=2)
        self._check_classes_left()

    def _attempt(
        self, i: int, size: tuple[int, int]
    ) -> tuple[int, npt.NDArray[np.uint8] | ImageError]:
        try:
            return i, self.image(i, size)
        except ImageError as error:
            return i, error

    def _title(self, i: int) -> str:
        source = self.sources[i]
        return str(source) if isinstance(source, (str, os.PathLike)) else self.names[i]

    def _check_classes_left(self) -> None:
        if not self._broken:
            return
        left = np.ones(len(self), dtype=bool)
        left[list(self._broken)] = False
        lost = np.setdiff1d(self.labels, self.labels[left])
        if len(lost):
            raise DataError(
                "Every image turned out unreadable of: "
                f"{listed(self.class_names[k] for k in lost)}. Mend the files, or take the class "
                "out."
            )

    def _check(self) -> None:
        n = len(self.sources)
        for what, values in (("labels", self.labels), ("names", self.names)):
            if len(values) != n:
                raise DataError(f"There are {n} images but {len(values)} {what}. They must match.")
        if self.groups is not None and len(self.groups) != n:
            raise DataError(f"There are {n} images but {len(self.groups)} groups. They must match.")
        if n and not (self.labels.min() >= 0 and self.labels.max() < self.num_classes):
            raise DataError(
                f"Labels must be from 0 to {self.num_classes - 1}, one of {self.num_classes} class "
                f"names each. Received labels from {self.labels.min()} to {self.labels.max()}."
            )


def check_batch_size(batch_size: int) -> None:
    """Checks a batch size.

    Raises:
        ConfigurationError: it is no positive integer.
    """
    if (
        isinstance(batch_size, bool)
        or not isinstance(batch_size, (int, np.integer))
        or batch_size < 1
    ):
        raise ConfigurationError(f"batch_size must be a positive integer. Received: {batch_size!r}")


class _Selection(Sequence[Any]):
    """Some elements of a sequence, fetched only when they are asked for."""

    def __init__(self, sources: Any, rows: npt.NDArray[np.int64]) -> None:
        nested = isinstance(sources, _Selection)
        self.sources: Sequence[Any] = sources.sources if nested else sources
        self._rows: npt.NDArray[np.int64] = sources._rows[rows] if nested else rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: Any) -> Any:
        return self.sources[int(self._rows[i])]


def _in_turn(function: Callable[[int], Any], items: list[int], buffer: int) -> Iterator[Any]:
    del buffer
    return map(function, items)


def _in_threads(function: Callable[[int], Any], items: list[int], buffer: int) -> Iterator[Any]:
    import grain  # Slow to import, and needed only here.

    if not items:
        return
    options = grain.ReadOptions(
        num_threads=_threads(), prefetch_buffer_size=max(_threads(), min(buffer, 256))
    )
    iterator = iter(grain.MapDataset.source(items).map(function).to_iter_dataset(options))
    try:
        yield from iterator
    finally:
        iterator.close()


def _threads() -> int:
    return max(2, min(_MAX_THREADS, os.cpu_count() or 1))


def _digest(source: ImageSource) -> str:
    if isinstance(source, (str, os.PathLike)):
        try:
            return sha256_file(source)
        except OSError as error:
            raise ImageError(f"{source} cannot be read: {error.strerror or error}.") from error
    if isinstance(source, (bytes, bytearray, memoryview)):
        return hashlib.sha256(source).hexdigest()
    if hasattr(source, "getexif"):
        return sha256_arrays([decode_full_size(source)])
    return sha256_arrays([round_to_uint8(np.asarray(source))])
