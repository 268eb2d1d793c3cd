"""Data sets that come as streams: tf.data, PyDataset and grain pipelines."""

from __future__ import annotations

import hashlib
import json
import sys
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kerastl.data.dataset import Array, Batch, Dataset
from kerastl.data.passes import batched, check_batch_size
from kerastl.errors import DataError
from kerastl.inputs import IMAGES
from kerastl.inputs.images import check_image_size, decode_image
from kerastl.inputs.pixels import CHANNELS, check_array, round_to_uint8
from kerastl.inputs.resizing import STRETCH
from kerastl.outputs import Classes, Output, Source
from kerastl.outputs.names import given_class_names

_KINDS = {
    ("tensorflow", "DatasetV2"): "tf.data.Dataset",
    ("keras", "PyDataset"): "keras PyDataset",
    ("grain", "MapDataset"): "grain MapDataset",
    ("grain", "IterDataset"): "grain IterDataset",
    ("grain", "DataLoader"): "grain DataLoader",
}
# Streams that are read by position.
_INDEXED = ("keras PyDataset", "grain MapDataset")
_SHAPES = ("(n, h, w, 3)", "(n, h, w, 1)", "(h, w, 3)")


class UnstableStreamWarning(UserWarning):
    """A stream gave other images or labels in a later pass than in the first."""


def stream_kind(data: object) -> str | None:
    """Tells what kind of stream an object is, without importing TensorFlow, Keras or grain."""
    classes = ((base.__module__.split(".")[0], base.__name__) for base in type(data).__mro__)
    return next((_KINDS[name] for name in classes if name in _KINDS), None)


@final
class StreamDataset(Dataset):
    """Labelled images that can only be read in passes.

    A stream gives pairs ``(images, labels)``: batches or single examples, pixel values from 0 to
    255, labels as class indices or one-hot. It must be finite. It may reshuffle between passes,
    since each pass carries its own labels; what it must not do is change its images, as random
    augmentation would: a later pass that differs from the first in content warns.

    Args:
        stream: a ``tf.data.Dataset``, a keras ``PyDataset``, or a grain ``MapDataset``,
            ``IterDataset`` or ``DataLoader``.
        class_names: names of the classes, in the order of the indices; a stream has none. ``()``
            where the output has none either.
        output: what the labels are; None is one class per image.

    Raises:
        DataError: ``stream`` is of no such kind, or is known to be infinite.
    """

    def __init__(
        self, stream: Any, class_names: Iterable[str], *, output: Output | None = None
    ) -> None:
        kind = stream_kind(stream)
        if kind is None:
            raise DataError(
                f"A stream must be one of: {', '.join(_KINDS.values())}. "
                f"Received: {type(stream).__name__}"
            )
        self.reader = IMAGES
        self.stream = stream
        self.library = kind
        named = Classes() if output is None else output
        if class_names != ():
            named = named.with_classes(given_class_names(class_names))
        self.outputs = {named.tensor: named}
        self._contents: tuple[str, int] | None = None
        self._check_finite()

    def __repr__(self) -> str:
        return f"StreamDataset({self.library}, {self.num_classes} classes)"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of class names and examples, whatever their order; as the first pass saw them.

        Before any complete pass, asking for it makes one.
        """
        if self._contents is None:
            for _ in self._examples():
                pass
        assert self._contents is not None
        return self._contents[0]

    def size_hint(self) -> int | None:
        """The number of examples after a complete pass; None before."""
        return None if self._contents is None else self._contents[1]

    def batches(
        self, image_size: tuple[int, int], batch_size: int, *, resize: str = STRETCH
    ) -> Iterator[Batch]:
        """Yields one pass over the stream, gathered to ``batch_size``; see ``Dataset.batches``."""
        size = check_image_size(image_size)
        check_batch_size(batch_size)
        return self._pass(size, batch_size, resize)

    def _pass(self, size: tuple[int, int], batch_size: int, resize: str) -> Iterator[Batch]:
        for batch in batched(self._examples(), batch_size):
            images, labels = zip(*batch, strict=True)
            # Decoding also turns greyscale and alpha into RGB.
            fitting = [
                image if image.shape == (*size, 3) else decode_image(image, size, resize)
                for image in images
            ]
            yield np.stack(fitting), np.stack(labels)

    def _examples(self) -> Iterator[tuple[npt.NDArray[np.uint8], Any]]:
        digests: list[bytes] = []
        for images, labels in self._elements():
            for image, label in zip(images, labels, strict=True):
                digest = hashlib.sha256(f"{image.shape}{label.tolist()}".encode())
                digest.update(image.tobytes())
                digests.append(digest.digest())
                yield image, label
        if not digests:
            raise DataError(f"The {self.library} holds no examples.")
        whole = hashlib.sha256(json.dumps(self.class_names).encode())
        # Sorted, because a stream may reshuffle between passes.
        for each in sorted(digests):
            whole.update(each)
        contents = whole.hexdigest(), len(digests)
        if self._contents is None:
            self._contents = contents
        elif contents != self._contents:
            warnings.warn(
                f"The {self.library} gave other images or labels than in its first pass. Random "
                "augmentation belongs to the recipe (augment=...), not to the data: activations "
                "that are kept answer to the first pass.",
                UnstableStreamWarning,
                stacklevel=2,
            )

    def _elements(self) -> Iterator[tuple[npt.NDArray[np.uint8], Array]]:
        source = Source(f"The {self.library}", allow_missing=True)
        dark_is_known = False
        for element in self._raw():
            if not isinstance(element, (tuple, list)) or len(element) != 2:
                pair = isinstance(element, (tuple, list))
                received = f"{len(element)} values" if pair else f"a {type(element).__name__}"
                raise DataError(
                    f"Each element of the {self.library} must be a pair (images, labels). "
                    f"Received: {received}. Sample weights are not taken."
                )
            what = f"The images of the {self.library}"
            images, labels = np.asarray(element[0]), np.asarray(element[1])
            if _is_single(images, labels):
                images, labels = images[None], labels[None]
            check_array(images, what=what, shapes=_SHAPES, batched=True, allow_dark=dark_is_known)
            dark_is_known = dark_is_known or bool(images.size and images.max() > 1)
            _, read = self.output.read_array(labels, source)
            if len(read) != len(images):
                raise DataError(
                    f"The {self.library} gave {len(images)} images with {len(read)} labels."
                )
            yield round_to_uint8(images), read

    def _raw(self) -> Iterator[Any]:
        if self.library not in _INDEXED:
            yield from self.stream
            return
        for i in range(self._length()):
            element = self.stream[i]
            # grain marks elements that were filtered out by None.
            if element is not None:
                yield element

    def _length(self) -> int:
        if self.library == "keras PyDataset":
            number = self.stream.num_batches
            return sys.maxsize if number is None else int(number)
        return len(self.stream)

    def _check_finite(self) -> None:
        if self.library == "tf.data.Dataset":
            infinite = int(self.stream.cardinality()) == -1
        else:
            infinite = self.library in _INDEXED and self._length() >= sys.maxsize
        if infinite:
            raise DataError(
                f"The {self.library} never ends. Leave out repeat(), or bound it, for example with "
                "take(n)."
            )


def _is_single(images: npt.NDArray[Any], labels: npt.NDArray[Any]) -> bool:
    if images.ndim == 3:
        # (n, h, w) and (h, w, c) look alike; a batch of images of 1 to 4 columns is unlikely.
        return labels.ndim == 0 or images.shape[-1] in CHANNELS
    return images.ndim == 2
