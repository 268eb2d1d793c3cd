"""Files of text in any encoding: found where it is not named, and never silently guessed."""

from __future__ import annotations

import codecs
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kerastl.errors import ConfigurationError, DataError, DataWarning, named, some_of

_UTF8: Final = "utf-8"
# What spreadsheets on Windows write; it holds Latin-1's letters and the typographic quotes.
_GUESS: Final = "cp1252"
_MOST_NAMED: Final = 3
# UTF-32 before UTF-16, whose mark is the beginning of its own.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS: Final = frozenset(range(32)) - frozenset(b"\t\n\f\r")


def read_texts(paths: Sequence[Path], encoding: str | None) -> list[str]:
    """The text in each file, without a byte order mark; line ends stay as they are.

    Without ``encoding`` the byte order mark tells it, or else it is UTF-8. What is neither is
    read as cp1252, with a ``DataWarning``, where it may be that: not where bytes have no meaning
    there, nor where most of what is not ASCII is UTF-8, so that the file is damaged.
    """
    if encoding is not None:
        _check_name(encoding)
    texts: list[str] = []
    guessed: list[str] = []
    for path in paths:
        content = _content(path)
        codec = _codec(content, encoding)
        try:
            texts.append(content.decode(codec))
        except UnicodeError as error:
            if encoding is not None or not _may_be_guessed(content):
                raise _undecodable(path, content, encoding or codec, error) from error
            texts.append(content.decode(_GUESS))
            guessed.append(str(path))
    if guessed:
        warnings.warn(
            f"{some_of(guessed, _MOST_NAMED)}: not in UTF-8, and read as {_GUESS} (Western "
            "European, Windows). If letters look wrong, say which encoding it is with "
            f"{named('encoding')}, as in 'cp1251'.",
            DataWarning,
            stacklevel=2,
        )
    return texts


def _check_name(encoding: str) -> None:
    try:
        "".encode(encoding)
    except (LookupError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"encoding={encoding!r} is not an encoding of text that Python knows (--encoding). "
            "Usual ones are 'utf-8', 'latin-1', 'cp1252', 'utf-16'; None finds it."
        ) from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _codec(content: bytes, encoding: str | None) -> str:
    if encoding is None:
        return next((codec for mark, codec in _MARKS if content.startswith(mark)), _UTF8)
    # Of UTF-16 and UTF-32 the codec itself takes the mark.
    return "utf-8-sig" if codecs.lookup(encoding).name == _UTF8 else encoding


def _may_be_guessed(content: bytes) -> bool:
    if content.startswith(tuple(mark for mark, _ in _MARKS)) or _CONTROLS & set(content):
        return False
    try:
        content.decode(_GUESS)
    except UnicodeError:
        return False
    read = content.decode(_UTF8, errors="replace")
    wrong = read.count("\N{REPLACEMENT CHARACTER}")
    right = sum(not letter.isascii() for letter in read) - wrong
    return right < wrong


def _undecodable(path: Path, content: bytes, encoding: str, error: UnicodeError) -> DataError:
    at = getattr(error, "start", 0)
    line = content.count(b"\n", 0, at) + 1
    byte = f"0x{content[at]:02X}" if at < len(content) else "its end"
    return DataError(
        f"{path} is not text in {encoding}: byte {at} (line {line}) is {byte}, which cannot be "
        f"there. Say which encoding it is in with {named('encoding')}, as in 'latin-1' or "
        "'cp1252', or save it as UTF-8."
    )
