"""The one function that decodes and resizes an image, and the rule that it follows.

Training, evaluation and the golden examples of an exported bundle all come through here. What
runs a bundle elsewhere repeats the same steps, as ``RESIZE_RULE`` describes them.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from kerastl.errors import ConfigurationError, ImageError
from kerastl.inputs.heif import (
    HEIF_SUFFIXES,
    PREFIX_BYTES,
    is_avif,
    is_heif,
    open_heif,
    refuse_avif,
)
from kerastl.inputs.pixels import check_array, round_to_uint8
from kerastl.inputs.resizing import STRETCH, check_resize, resized

ImageSource: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | Image.Image | npt.NDArray[Any]
)
"""What ``decode_image`` takes."""

IMAGE_SUFFIXES: Final = frozenset(
    {
        ".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm",
        ".ppm", ".tif", ".tiff", ".webp", *HEIF_SUFFIXES,
    }
)  # fmt: skip
"""Suffixes, in lower case, of the files that count as images in a folder.

HEIC and HEIF need the extra ``heic``, and AVIF needs Pillow 11.3: see ``ImageReader.lacking``.
"""

MAX_PIXELS: Final = 100_000_000
"""Larger images are refused by their header, before any memory is given to their pixels."""

ALPHA_BACKGROUND: Final = (255, 255, 255)
"""Transparent pixels are laid on this colour."""

RESIZE_RULE: Final[dict[str, Any]] = {
    "method": "bilinear",
    "antialias": True,
    "aspect": "stretch",
    "decoder": "pillow",
    "colour_order": "RGB",
    "exif_orientation": "applied",
    "alpha_background": list(ALPHA_BACKGROUND),
    "frame": "first",
    "sixteen_bit": "divided by 257, rounded",
    "rounding": "nearest",
    "dtype": "uint8",
}
"""How an image file becomes pixels; JSON values only, so that a manifest can hold it."""

# Formats outside this list are refused: some of Pillow's readers start other programs.
_FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF")
_ORIENTATION_TAG: Final = 0x0112
_TRANSPOSE: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_plugins_lock = threading.Lock()
# A lazy Pillow image shared by threads seeks in one file while it loads.
_load_lock = threading.Lock()


def decode_image(
    source: ImageSource, image_size: tuple[int, int], resize: str = STRETCH
) -> npt.NDArray[np.uint8]:
    """Decodes one image and resizes it by ``RESIZE_RULE``.

    The EXIF orientation is applied; transparency is laid on white; of an animation the first
    frame counts; 16-bit greyscale is scaled to 8 bits; colour profiles are ignored. The image
    is resized with an antialiased (triangle) filter. Any number of threads may call this at once.

    Args:
        source: a path; the bytes of an encoded file; a Pillow image; or an array
            ``(h, w, 3)``, ``(h, w, 4)``, ``(h, w, 1)`` or ``(h, w)`` of pixel values from 0 to
            255 (integers, or floats, which are rounded).
        image_size: ``(height, width)`` in pixels.
        resize: what becomes of another aspect ratio: ``"stretch"``; ``"pad"`` fits the image in
            and fills up with grey; ``"crop"`` takes its centre.

    Returns:
        RGB pixels from 0 to 255, uint8, of shape ``(height, width, 3)``.

    Raises:
        ImageError: the image cannot be read or decoded, or is larger than ``MAX_PIXELS``.
        DataError: an array has a shape, dtype or range that pixels cannot have.
        ConfigurationError: ``image_size`` is not a pair of positive integers.
    """
    size = check_image_size(image_size)
    check_resize(resize)
    return resized(_upright_rgb(source), size, resize)


def decode_full_size(source: ImageSource) -> npt.NDArray[np.uint8]:
    """Decodes as ``decode_image`` does, to RGB uint8 ``(h, w, 3)`` of the image's own size."""
    return np.array(_upright_rgb(source))


def image_list(inputs: Any) -> list[Any]:
    """One image, or any number of them, as a list of sources for ``decode_image``.

    Args:
        inputs: a path, encoded bytes, a Pillow image, an array ``(h, w, 3)`` or ``(n, h, w, 3)``,
            or an iterable of such images.

    Raises:
        ConfigurationError: it is something else.
    """
    if isinstance(inputs, np.ndarray):
        if inputs.ndim == 4:
            return list(inputs)
        if inputs.ndim in (2, 3):
            return [inputs]
        raise ConfigurationError(
            f"An array of shape {inputs.shape} is not an image: give (height, width, 3) or "
            "(n, height, width, 3)."
        )
    single = (str, bytes, bytearray, memoryview, os.PathLike)
    if isinstance(inputs, single) or hasattr(inputs, "getbands"):
        return [inputs]
    if not isinstance(inputs, Iterable) or isinstance(inputs, Mapping):
        raise ConfigurationError(
            f"Images cannot be read from {type(inputs).__name__}: give a path, a PIL image, "
            "encoded bytes, an array, or a list of these."
        )
    return list(inputs)


def check_header(path: str | os.PathLike[str]) -> None:
    """Raises ImageError for what can be told without decoding: access, format and size."""
    with _open_path(path) as handle:
        _open(handle, name=os.fspath(path))


def check_image_size(image_size: tuple[int, int]) -> tuple[int, int]:
    """Returns ``(height, width)``; raises ConfigurationError where it cannot be a size."""
    ints = (int, np.integer)
    if (
        not isinstance(image_size, (tuple, list))
        or len(image_size) != 2
        or not all(isinstance(n, ints) and not isinstance(n, bool) for n in image_size)
        or min(image_size) < 1
        or int(image_size[0]) * int(image_size[1]) > MAX_PIXELS
    ):
        raise ConfigurationError(
            f"image_size must be (height, width), two positive integers of at most {MAX_PIXELS:,} "
            f"pixels together, as in (160, 160). Received: {image_size!r}"
        )
    return int(image_size[0]), int(image_size[1])


def _upright_rgb(source: ImageSource) -> Image.Image:
    if isinstance(source, (str, os.PathLike)):
        with _open_path(source) as handle:
            return _decode(handle, name=os.fspath(source))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _decode(io.BytesIO(source), name="image bytes")
    if isinstance(source, Image.Image):
        name = getattr(source, "filename", "") or "Pillow image"
        _check_pixels(source, name)
        with _wrapped(name), _load_lock:
            source.load()
        with _wrapped(name):
            return _to_rgb(source, name)
    if not hasattr(source, "__array__"):
        raise ImageError(
            "An image must be a path, encoded bytes, a Pillow image or an array. "
            f"Received: {type(source).__name__}"
        )
    array = np.asarray(source)
    check_array(array, what="An image array", shapes=("(h, w, 3)", "(h, w, 1)", "(h, w, 4)"))
    pixels = round_to_uint8(array)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    return _to_rgb(Image.fromarray(np.ascontiguousarray(pixels)), "image array")


def _open_path(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):
            # A pipe would block for ever when opened.
            raise ImageError(f"{path} cannot be read as an image: it is not a regular file.")
        if status.st_size == 0:
            raise ImageError(f"{path} cannot be read as an image: it is empty (0 bytes).")
        return Path(path).open("rb")
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ImageError:
        raise
    except ValueError as error:
        raise ImageError(f"{path!r} cannot be read: {error}.") from error


def _open(handle: BinaryIO, name: str) -> Image.Image:
    # Image.open would warn of large images before they can be refused, and warnings can be
    # silenced neither per call nor per thread. Its registry of formats has the same readers.
    with _plugins_lock:
        Image.init()
    head = handle.read(PREFIX_BYTES)
    # Pillow's readers look at the first 16 bytes.
    prefix = head[:16]
    if is_heif(head):
        handle.seek(0)
        with _wrapped(name):
            heif: Image.Image = open_heif(handle, name)
        _check_pixels(heif, name)
        return heif
    for format_name in _FORMATS:
        factory, accept = Image.OPEN.get(format_name, (None, None))
        answer = accept(prefix) if accept is not None else True
        # A text for an answer tells that this build of Pillow lacks the format's library.
        if factory is None or not answer or isinstance(answer, str):
            continue
        handle.seek(0)
        with _wrapped(name):
            image = factory(handle, name)
        _check_pixels(image, name)
        return image
    if is_avif(head):
        refuse_avif(name)
    if not prefix:
        raise ImageError(f"{name} cannot be read as an image: it is empty (0 bytes).")
    raise ImageError(
        f"{name} is not an image in a format that can be read ({', '.join(_FORMATS)}, HEIC), "
        "whatever its name says. Convert it or remove it."
    )


def _decode(handle: BinaryIO, name: str) -> Image.Image:
    image = _open(handle, name)
    with _wrapped(name):
        image.load()
        return _to_rgb(image, name)


def _check_pixels(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{name} has {width:,} x {height:,} pixels, more than the {MAX_PIXELS:,} that are "
            "read (a decompression bomb?). Scale it down first."
        )


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    upright = _upright(image)
    mode = upright.mode
    if mode == "RGB" and "transparency" not in image.info:
        return upright
    if mode == "I" or mode.startswith("I;16"):
        return _eight_bits(upright, name).convert("RGB")
    if mode == "F":
        raise ImageError(
            f"{name} holds floating-point pixels, whose range is unknown. Save it with 8 or 16 "
            "bits a channel."
        )
    if upright.has_transparency_data:
        front = upright.convert("RGBA")
        background = Image.new("RGBA", front.size, (*ALPHA_BACKGROUND, 255))
        return Image.alpha_composite(background, front).convert("RGB")
    return upright.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:
        # Damaged EXIF says nothing of the orientation, and the pixels may well be whole.
        return image
    method = _TRANSPOSE.get(orientation) if isinstance(orientation, int) else None
    return image if method is None else image.transpose(method)


def _eight_bits(image: Image.Image, name: str) -> Image.Image:
    values = np.asarray(image)
    if values.size and (values.min() < 0 or values.max() > 65535):
        raise ImageError(
            f"{name} holds integers from {values.min()} to {values.max()}; 16-bit greyscale goes "
            "from 0 to 65535. Save it with 8 or 16 bits a channel."
        )
    scaled = (values.astype(np.uint32) + 128) // 257
    return Image.fromarray(scaled.astype(np.uint8))


@contextlib.contextmanager
def _wrapped(name: str) -> Iterator[None]:
    """Turns whatever Pillow raises on a damaged file into an ImageError with its name."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise ImageError(f"{name} cannot be decoded: {reason}.") from error
