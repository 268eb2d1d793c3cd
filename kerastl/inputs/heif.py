"""Image formats that Pillow reads only with help: HEIC and HEIF, and AVIF where it is old."""

from __future__ import annotations

import importlib.util
from typing import Any, BinaryIO, Final

from PIL import features

from kerastl.errors import ImageError, MissingExtraError
from kerastl.optional import require

HEIF_SUFFIXES: Final = frozenset({".heic", ".heif", ".hif"})
"""Suffixes, in lower case, of the files that phones and cameras write as HEIF."""

_HEIF = "pip install 'kerastl[heic]'"
_AVIF = "pip install 'pillow>=11.3'"
# A file of the family begins with a box "ftyp", which names its brands: ISO/IEC 23008-12.
_AVIF_BRANDS: Final = {b"avif", b"avis"}
_HEIF_BRANDS: Final = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_CONTAINERS: Final = {b"mif1", b"msf1"}
PREFIX_BYTES: Final = 64
"""How much of a file tells its brand."""


def lacking_suffixes() -> dict[str, str]:
    """Suffixes of images that cannot be read here, with the command that changes it."""
    found: dict[str, str] = {}
    if importlib.util.find_spec("pillow_heif") is None:
        found |= dict.fromkeys(sorted(HEIF_SUFFIXES), _HEIF)
    # Pillow before 11.3 warns of a feature that it does not know.
    if "avif" not in features.modules or not features.check("avif"):
        found[".avif"] = _AVIF
    return found


def is_heif(prefix: bytes) -> bool:
    """Whether a file that begins so holds HEIF, and not AVIF, which has the same container."""
    brands = _brands(prefix)
    if not brands or set(brands) & _AVIF_BRANDS:
        return False
    return bool(set(brands) & _HEIF_BRANDS) or brands[0] in _CONTAINERS


def is_avif(prefix: bytes) -> bool:
    """Whether a file that begins so holds AVIF."""
    return bool(set(_brands(prefix)) & _AVIF_BRANDS)


def open_heif(handle: BinaryIO, name: str) -> Any:
    """A Pillow image that is loaded later; Pillow's own registry of formats is left as it is.

    Raises:
        ImageError: pillow-heif is not installed.
    """
    try:
        plugin = require("pillow_heif", extra="heic", purpose=f"Reading {name}")
    except MissingExtraError as error:
        raise ImageError(
            f"{name} is a HEIC or HEIF image, which cannot be read here. To read it: {_HEIF}"
        ) from error
    return plugin.HeifImageFile(handle, name)


def refuse_avif(name: str) -> None:
    """Raises the ImageError for an AVIF image that this Pillow cannot read."""
    raise ImageError(f"{name} is an AVIF image, which cannot be read here. To read it: {_AVIF}")


def _brands(prefix: bytes) -> list[bytes]:
    if prefix[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(prefix[:4], "big"), len(prefix))
    return [prefix[8:12], *(prefix[at : at + 4] for at in range(16, end - 3, 4))]
