"""Texts to token ids, with only the ``tokenizers`` package: no TensorFlow where a model runs."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt

from kerastl.errors import ConfigurationError, DataError, TextError
from kerastl.files import atomic_file
from kerastl.optional import require
from kerastl.text.strings import check_text

TOKENIZER_FILE: Final = "tokenizer.json"

TokenizerKind: TypeAlias = Literal["word_piece", "byte_pair", "unigram", "word_level"]
Rule: TypeAlias = Literal["keras_hub", "published"]
"""Whose ids: those of KerasHub's tokenizer, or those of the published tokenizer file."""

_KINDS: Mapping[str, TokenizerKind] = {
    "WordPiece": "word_piece",
    "BPE": "byte_pair",
    "Unigram": "unigram",
    "WordLevel": "word_level",
}
_PADDING = ("[PAD]", "<pad>", " <pad>", " [PAD]")
_AT_ONCE = 1024


@dataclasses.dataclass(frozen=True)
class Encoded:
    """Ids of each text, int32 ``(length,)`` with start and end tokens; how many were cut."""

    ids: tuple[npt.NDArray[np.int32], ...]
    truncated: int


@dataclasses.dataclass(frozen=True)
class SentencePieceSource:
    """What a unigram tokenizer was made of.

    Attributes:
        proto: a SentencePiece model.
        tokenizer: the class in ``keras_hub.models`` that reads it, which says what ids it gives;
            ``""`` where it is not known.
    """

    proto: bytes
    tokenizer: str


@final
class Tokenizer:
    """A tokenizer file, and what a model needs to know of it.

    Two tokenizers with the same ``sha256`` give the same ids.

    Args:
        content: a ``tokenizer.json`` of the ``tokenizers`` package, as text. Settings in it to
            truncate or to pad are left out: both are done by this class.
        pad_id: the id that fills texts up; found by the names ``[PAD]`` and ``<pad>`` without it.
        max_length: maximum tokens per text that the model takes; None if unknown.
        lowercase: whether the case is folded; None if unknown.
        rule: whose ids it gives.
        sentence_piece: what a unigram tokenizer was made of, where it is known: KerasHub's own is
            made of it, which proves this one and stands in a SavedModel.

    Raises:
        ConfigurationError: the content is not such a file, or has no padding token.
        MissingExtraError: ``tokenizers`` is not installed.
    """

    def __init__(
        self,
        content: str,
        *,
        pad_id: int | None = None,
        max_length: int | None = None,
        lowercase: bool | None = None,
        rule: Rule = "published",
        sentence_piece: SentencePieceSource | None = None,
    ) -> None:
        package = require("tokenizers", extra="text", purpose="Tokenising texts")
        try:
            self._tokenizer = package.Tokenizer.from_str(content)
        except Exception as error:
            raise ConfigurationError(
                f"This is not a {TOKENIZER_FILE} of the tokenizers package: {error}"
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._content: bytes = self._tokenizer.to_str(pretty=False).encode("utf-8")
        self._settings = json.loads(self._content)
        self.lowercase = lowercase
        self.max_length = max_length
        self.rule: Rule = rule
        self.sentence_piece = sentence_piece
        self.pad_id = self._find_padding() if pad_id is None else int(pad_id)
        self.start_ids, self.end_ids = self._ends()

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], **options: Any) -> Tokenizer:
        """Reads a ``tokenizer.json`` as it is; options and errors as for the class."""
        try:
            content = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"The tokenizer {path} cannot be read: {error}") from error
        return cls(content, **options)

    @classmethod
    def from_preset_dir(cls, path: str | os.PathLike[str], **options: Any) -> Tokenizer:
        """The tokenizer of a KerasHub preset or Hugging Face directory; see ``from_preset_dir``."""
        from kerastl.text.finding import from_preset_dir

        return from_preset_dir(path, **options)

    @classmethod
    def from_hub(cls, tokenizer: Any, *, max_length: int | None = None) -> Tokenizer:
        """The equivalent of a tokenizer object of KerasHub; see ``kerastl.text.from_hub``."""
        from kerastl.text.hub import from_hub

        return from_hub(tokenizer, max_length=max_length)

    @classmethod
    def from_vocabulary(cls, vocabulary: Sequence[str], **options: Any) -> Tokenizer:
        """A WordPiece tokenizer of a list of tokens; see ``kerastl.text.hub.word_piece``.

        Examples:
            >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "##ness", "!"]
            >>> tokenizer = Tokenizer.from_vocabulary(words, lowercase=True)
            >>> ids, mask = tokenizer.pad(tokenizer.encode(["Goodness!", ""], 8).ids)
            >>> ids.tolist()
            [[2, 4, 5, 6, 3], [2, 3, 0, 0, 0]]
        """
        from kerastl.text.hub import word_piece

        return word_piece(list(vocabulary), **options)

    def __repr__(self) -> str:
        return f"Tokenizer({self.algorithm!r}, {self.vocabulary_size} tokens)"

    @property
    def algorithm(self) -> TokenizerKind:
        """The algorithm."""
        return _KINDS[self._settings["model"]["type"]]

    @property
    def vocabulary_size(self) -> int:
        """How many ids there are, those of special tokens included."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    @property
    def content(self) -> str:
        """What ``save`` writes: a ``tokenizer.json`` of the ``tokenizers`` package."""
        return self._content.decode("utf-8")

    @property
    def sha256(self) -> str:
        """SHA-256 of what ``save`` writes, 64 hexadecimal digits."""
        return hashlib.sha256(self._content).hexdigest()

    @property
    def settings(self) -> dict[str, Any]:
        """What a manifest says of it, as JSON can hold it."""
        return {
            "file": TOKENIZER_FILE,
            "sha256": self.sha256,
            "kind": self.algorithm,
            "rule": self.rule,
            "vocabulary_size": self.vocabulary_size,
            "max_length": self.max_length,
            "lowercase": self.lowercase,
            "pad_id": self.pad_id,
            "start_ids": list(self.start_ids),
            "end_ids": list(self.end_ids),
            "truncation": "the end of a text is cut, the end tokens stay",
            "padding": "right",
        }

    def token_to_id(self, token: str) -> int | None:
        """The id of a token by the name it has in the file; None where it is not there."""
        found = self._tokenizer.token_to_id(token)
        return None if found is None else int(found)

    def encode(self, texts: Sequence[str], max_length: int) -> Encoded:
        """Token ids of texts, with start and end tokens, cut where they are too long.

        Args:
            texts: strings; empty ones give only the start and end tokens.
            max_length: maximum tokens per text, start and end tokens included.

        Raises:
            TextError: one of them is not a text (see ``kerastl.data.check_text``).
            ConfigurationError: ``max_length`` leaves no room for a token of the text.
        """
        if isinstance(texts, str):
            raise TextError(f"texts must be a list of strings. Received the string {texts!r}.")
        ends = len(self.start_ids) + len(self.end_ids)
        if isinstance(max_length, bool) or not isinstance(max_length, (int, np.integer)):
            raise ConfigurationError(f"max_length must be an integer. Received: {max_length!r}")
        if max_length <= ends:
            raise ConfigurationError(
                f"max_length={max_length} leaves no room for a text: the start and end tokens "
                f"alone are {ends}."
            )
        rows: list[npt.NDArray[np.int32]] = []
        truncated = 0
        room = int(max_length) - ends
        for start in range(0, len(texts), _AT_ONCE):
            batch = [
                check_text(text, what=f"Text {i}")
                for i, text in enumerate(texts[start : start + _AT_ONCE], start=start)
            ]
            for ids in self._encode(batch, start):
                truncated += len(ids) > room
                whole = (*self.start_ids, *ids[:room], *self.end_ids)
                rows.append(np.array(whole, dtype=np.int32))
        return Encoded(tuple(rows), truncated)

    def pad(
        self, ids: Sequence[npt.NDArray[np.int32]], length: int | None = None
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        """One array of ``Encoded.ids``, filled up on the right to the longest or to ``length``.

        Returns:
            Token ids ``(n, length)``, int32, and which of them are not padding, bool of the same
            shape: what the model itself finds by ``token_ids != pad_id``.

        Raises:
            DataError: a text is longer than ``length``.
        """
        longest = max((len(row) for row in ids), default=0)
        width = longest if length is None else int(length)
        if longest > width:
            raise DataError(
                f"A text has {longest} tokens and the length is {width}. Encode with "
                f"max_length={width}, or pad to more."
            )
        padded = np.full((len(ids), width), self.pad_id, dtype=np.int32)
        for row, values in zip(padded, ids, strict=True):
            row[: len(values)] = values
        return padded, padded != self.pad_id

    def with_max_length(self, max_length: int | None) -> Tokenizer:
        """The same tokenizer for models that take another number of tokens."""
        found = copy.copy(self)
        found.max_length = max_length
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the ``tokenizer.json``; the same bytes each time."""
        with atomic_file(path) as temporary:
            temporary.write_bytes(self._content)

    def _encode(self, batch: list[str], start: int) -> list[list[int]]:
        try:
            return [item.ids for item in self._batch(batch)]
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
        # A fault inside the package stops it without saying at which text.
        for position, text in enumerate(batch, start=start):
            try:
                self._batch([text])
            except BaseException as error:
                if type(error).__name__ != "PanicException":
                    raise
                raise TextError(
                    f"The tokenizers package fails on text {position}: {error}. Leave the text "
                    "out, or install another version of tokenizers."
                ) from error
        raise TextError("The tokenizers package failed, but on none of the texts by itself.")

    def _batch(self, batch: list[str]) -> list[Any]:
        return list(self._tokenizer.encode_batch_fast(batch, add_special_tokens=False))

    def _find_padding(self) -> int:
        for name in _PADDING:
            found = self.token_to_id(name)
            if found is not None:
                return found
        raise ConfigurationError(
            f"The tokenizer has no token named {' or '.join(map(repr, _PADDING[:2]))} to fill "
            "texts up with. Say which id does, with pad_id=."
        )

    def _ends(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The ids that the file puts before and after every text."""
        encoding = self._tokenizer.encode("a", add_special_tokens=True)
        special = encoding.special_tokens_mask
        before = special.index(0) if 0 in special else len(special)
        after = special[::-1].index(0) if 0 in special else 0
        ids = tuple(int(index) for index in encoding.ids)
        return ids[:before], ids[len(ids) - after :] if after else ()
