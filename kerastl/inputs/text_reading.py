"""How texts are read: files are decoded at entry, and every text is checked once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, final

import numpy as np

from kerastl.errors import DataError, TextError
from kerastl.inputs.reading import Reader
from kerastl.text.encodings import read_texts
from kerastl.text.strings import check_text


@final
class TextReader(Reader):
    """Reads texts; a source is a string that UTF-8 can hold."""

    noun: ClassVar[str] = "text"
    column: ClassVar[str] = "text"
    suffixes: ClassVar[frozenset[str]] = frozenset({".txt"})
    layout: ClassVar[str] = "mails/spam/1.txt and mails/ham/1.txt"
    error: ClassVar[type[DataError]] = TextError
    stray_files_are_examples: ClassVar[bool] = False
    blank_cells: ClassVar[bool] = True
    counts_copies: ClassVar[bool] = False

    def from_files(self, paths: Sequence[Path], encoding: str | None) -> Sequence[Any]:
        """One text per file; a single line end that closes the file does not belong to it."""
        texts = read_texts(paths, encoding)
        return [text.removesuffix("\n").removesuffix("\r") for text in texts]

    def from_cell(self, value: str, folder: Path) -> str:
        """The text as it stands, blanks included."""
        return value

    def from_array(self, x: Any) -> Sequence[Any]:
        """Strings; ``checked`` looks at each."""
        if isinstance(x, str | bytes) or not isinstance(x, Sequence | np.ndarray):
            raise DataError(f"texts must be a list of strings. Received: {type(x).__name__}.")
        return list(x)

    def from_features(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        """Strings, or bytes in UTF-8."""
        return [_decoded(value, i) for i, value in enumerate(super().from_features(rows))]

    def checked(self, sources: Sequence[Any], names: Sequence[str]) -> tuple[str, ...]:
        """Strings that every tokenizer takes; see ``check_text``."""
        if isinstance(sources, str):
            raise TextError(f"texts must be a list of strings. Received the string {sources!r}.")
        return tuple(
            check_text(text, what=f"The text {name!r}")
            for text, name in zip(sources, names, strict=True)
        )

    def is_empty(self, source: Any) -> bool:
        """Whether there is nothing but blanks."""
        return not source.strip()

    def digest(self, source: Any) -> str:
        """SHA-256 of the text in UTF-8."""
        return hashlib.sha256(source.encode()).hexdigest()

    def fingerprint_row(self, name: str, source: Any, digest: str, label: Any) -> list[Any]:
        """The text itself and its label: where it came from does not count."""
        return [source, label]


TEXTS: Final = TextReader()


def _decoded(value: Any, position: int) -> str:
    if isinstance(value, str):
        return value
    try:
        return bytes(value).decode("utf-8")
    except (TypeError, UnicodeDecodeError) as error:
        raise TextError(f"The text of example {position} is not in UTF-8: {error}.") from error
