"""How images are read: files stay paths until they are decoded, arrays stay where they are."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Final, final

import numpy as np

from kerastl.errors import DataError, ImageError
from kerastl.inputs.heif import PREFIX_BYTES, is_avif, is_heif, lacking_suffixes
from kerastl.inputs.images import (
    IMAGE_SUFFIXES,
    ImageSource,
    check_header,
    decode_full_size,
    decode_image,
)
from kerastl.inputs.pixels import PixelArray, check_array, round_to_uint8
from kerastl.inputs.reading import Reader
from kerastl.inputs.resizing import STRETCH
from kerastl.outputs.names import normal
from kerastl.provenance import sha256_arrays, sha256_file

Array = np.ndarray[Any, Any]
_SHAPES: Final = ("(n, h, w, 3)", "(n, h, w, 1)", "(n, h, w, 4)", "(n, h, w)")
_HEADER_THREADS: Final = 4


@final
class ImageReader(Reader):
    """Reads images; a source is what ``decode_image`` takes."""

    noun: ClassVar[str] = "image"
    column: ClassVar[str] = "image"
    suffixes: ClassVar[frozenset[str]] = IMAGE_SUFFIXES
    layout: ClassVar[str] = "photos/cat/1.jpg and photos/dog/1.jpg"
    error: ClassVar[type[DataError]] = ImageError
    hashes_in_threads: ClassVar[bool] = True
    sources_are_files: ClassVar[bool] = True
    streams: ClassVar[bool] = True

    @property
    def lacking(self) -> Mapping[str, str]:
        """HEIC and HEIF without pillow-heif, and AVIF with an old Pillow."""
        return lacking_suffixes()

    def from_files(self, paths: Sequence[Path], encoding: str | None) -> Sequence[Any]:
        """The paths."""
        return paths

    def from_cell(self, value: str, folder: Path) -> Path:
        """A path, which starts at the table's folder if it is relative."""
        return folder / value.strip()

    def from_array(self, x: Any) -> Sequence[Any]:
        """Pixels from 0 to 255, ``(n, h, w)`` or ``(n, h, w, c)`` with 1, 3 or 4 channels."""
        images = np.asarray(x)
        if images.dtype == object:
            raise DataError(
                "x must be one array of numbers. Received an array of objects: are the images of "
                "different sizes? Give them as files, or resize them first."
            )
        check_array(images, what="x", shapes=_SHAPES, batched=True)
        return PixelArray(images)

    def from_features(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        """Images that are read when they are asked for."""
        return _Feature(rows, self.column)

    def name_in_table(self, value: str, table: Path, line: int) -> str:
        """The path as the table has it."""
        return normal(value.strip())

    def name_in_messages(self, source: Any, name: str) -> str:
        """The path, where there is one."""
        return str(source) if isinstance(source, str | os.PathLike) else name

    def unreadable(self, sources: Sequence[Any]) -> dict[int, DataError]:
        """Files whose header shows that they are not images; damage further inside is not found."""
        with ThreadPoolExecutor(_HEADER_THREADS) as pool:
            errors = list(pool.map(_header_error, sources))
        return {i: error for i, error in enumerate(errors) if error is not None}

    def digest(self, source: Any) -> str:
        """SHA-256 of the encoded bytes where there are any, else of the pixels."""
        if isinstance(source, str | os.PathLike):
            try:
                return sha256_file(source)
            except OSError as error:
                raise ImageError(f"{source} cannot be read: {error.strerror or error}.") from error
        if isinstance(source, bytes | bytearray | memoryview):
            return hashlib.sha256(source).hexdigest()
        if hasattr(source, "getexif"):
            return sha256_arrays([decode_full_size(source)])
        return sha256_arrays([round_to_uint8(np.asarray(source))])

    def fingerprint_header(self, kinds: str) -> str:
        """Only a version: the rows differ in form from one kind of label to another."""
        return "1"

    def fingerprint_row(self, name: str, source: Any, digest: str, label: Any) -> list[Any]:
        """Name, label and content; times of files and the place of a folder do not count."""
        return [name, label, digest]

    def file_of(self, source: Any) -> Path | None:
        """The path, where it is one that every Pillow reads: a bundle carries such files."""
        if not isinstance(source, str | os.PathLike) or not Path(source).is_file():
            return None
        with Path(source).open("rb") as handle:
            head = handle.read(PREFIX_BYTES)
        return None if is_heif(head) or is_avif(head) else Path(source)

    def decode(self, source: Any, size: tuple[int, int], resize: str = STRETCH) -> Array:
        """See ``decode_image``."""
        return decode_image(source, size, resize)

    def in_threads(self, sources: Sequence[Any]) -> bool:
        """All but arrays: handing them between threads costs more than resizing them."""
        return not isinstance(sources, PixelArray)


IMAGES: Final = ImageReader()


class _Feature(Sequence[Any]):
    """One feature of a data source whose elements are dictionaries."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], name: str) -> None:
        self._rows = rows
        self._name = name

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: Any) -> Any:
        return self._rows[i][self._name]


def _header_error(source: ImageSource) -> ImageError | None:
    if not isinstance(source, str | os.PathLike):
        return None
    try:
        check_header(source)
    except ImageError as error:
        return error
    return None
