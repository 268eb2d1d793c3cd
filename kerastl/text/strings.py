"""The one function that checks a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kerastl.errors import ConfigurationError, TextError

_SHOWN = 40


def check_text(text: object, *, what: str = "The text") -> str:
    """Returns a text that every tokenizer and file format takes.

    Any string that can be written as UTF-8 is one, empty ones and those with control characters
    and NUL included: tokenizers clean them, each by one rule that is the same everywhere.

    Args:
        text: what should be a text.
        what: how messages call it, as in ``"Row 3"``.

    Raises:
        TextError: it is not a string, or holds half of a surrogate pair, which has no UTF-8.

    Examples:
        >>> check_text("a text")
        'a text'
    """
    if not isinstance(text, str):
        raise TextError(
            f"{what} is not a text: received {_shown(text)} of type {type(text).__name__}. Give "
            "strings; bytes have to be decoded first."
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise TextError(
            f"{what} cannot be written as UTF-8: the character at position {error.start} is "
            f"U+{ord(text[error.start]):04X}, half of a surrogate pair: {_shown(text)}. It comes "
            "from reading bytes with another encoding than theirs (errors='surrogateescape') or "
            "from cutting UTF-16 in two: read the text again with the right encoding."
        ) from error
    # A subclass of str, such as NumPy's, may lose trailing NULs on its way through arrays.
    return str(text)


def text_list(inputs: Any) -> list[str]:
    """A string, or any number of strings, as a list; ConfigurationError for anything else."""
    texts = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(texts, Iterable) or isinstance(texts, (Mapping, bytes, bytearray)):
        raise ConfigurationError(
            f"Texts cannot be read from {type(inputs).__name__}: give a string or a list of "
            "strings."
        )
    return list(texts)


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
