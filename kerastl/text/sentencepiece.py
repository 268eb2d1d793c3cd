"""SentencePiece models of the unigram kind, written for the ``tokenizers`` package.

Only what is needed of the model file is read, without the ``sentencepiece`` package.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from kerastl.errors import ConfigurationError
from kerastl.optional import require

_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = range(1, 7)
_UNIGRAM = 1
_SPACE = "\u2581"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclasses.dataclass(frozen=True)
class Piece:
    """An entry of the vocabulary: its text, log probability and type."""

    text: str
    score: float
    type: int = _NORMAL

    @property
    def in_texts(self) -> bool:
        """Whether it can stand in a text; control pieces cannot, even where they are spelled."""
        return self.type in (_NORMAL, _USER_DEFINED, _BYTE)


@dataclasses.dataclass(frozen=True)
class SentencePieceModel:
    """What a ``.model`` or ``.spm`` file says.

    Attributes:
        pieces: the vocabulary; the position is the id.
        unknown: id of the unknown piece.
        rule: name of the normaliser, as in ``"nmt_nfkc"``.
        charsmap: its compiled table; empty where it changes nothing.
        prefix: begin every text with a blank.
        tidy: leave out blanks at the ends, and all but one in a row.
        byte_fallback: write what is unknown as pieces of single bytes.
    """

    pieces: tuple[Piece, ...]
    unknown: int
    rule: str
    charsmap: bytes
    prefix: bool
    tidy: bool
    byte_fallback: bool

    def find(self, text: str) -> int | None:
        """The id of a piece, or None."""
        return next((i for i, piece in enumerate(self.pieces) if piece.text == text), None)


def read_model(content: bytes) -> SentencePieceModel:
    """Reads a SentencePiece model; raises ConfigurationError unless it is of the unigram kind."""
    try:
        fields = list(_fields(content))
        pieces = tuple(_piece(value) for number, value in fields if number == 1)
        trainer = dict(_fields(next((v for n, v in fields if n == 2), b"")))
        normalizer = dict(_fields(next((v for n, v in fields if n == 3), b"")))
        kind = trainer.get(3, _UNIGRAM)
    except (IndexError, ValueError, TypeError, struct.error) as error:
        raise ConfigurationError(f"This is not a SentencePiece model: {error}") from error
    unknown = [i for i, piece in enumerate(pieces) if piece.type == _UNKNOWN]
    if len(unknown) != 1:
        raise ConfigurationError("This is not a SentencePiece model: it has no unknown piece.")
    if kind != _UNIGRAM:
        raise ConfigurationError(
            "The SentencePiece model is not of the unigram kind. Give a tokenizer.json instead."
        )
    return SentencePieceModel(
        pieces=pieces,
        unknown=unknown[0],
        rule=normalizer.get(1, b"").decode("utf-8"),
        charsmap=normalizer.get(2, b""),
        prefix=bool(normalizer.get(3, 1)),
        tidy=bool(normalizer.get(4, 1)),
        byte_fallback=bool(trainer.get(35, 0)),
    )


def build_unigram(model: SentencePieceModel) -> Any:
    """A ``tokenizers.Tokenizer`` of a SentencePiece model.

    Pieces that cannot stand in a text get a blank before their name: no text holds blanks by
    then, so that a text which spells one is ordinary text, as in SentencePiece.
    """
    tokenizers = require("tokenizers", extra="text", purpose="Tokenising texts")
    vocabulary = [(p.text if p.in_texts else f" {p.text}", p.score) for p in _scored(model.pieces)]
    result = tokenizers.Tokenizer(
        tokenizers.models.Unigram(vocabulary, model.unknown, byte_fallback=model.byte_fallback)
    )
    normalizers, regex = tokenizers.normalizers, tokenizers.Regex
    steps: list[Any] = []
    if model.charsmap:
        # Precompiled looks a letter with its marks up as one and, where only the letter is found,
        # drops the marks: letters that need no change themselves do not come to that.
        if "nfkc" in model.rule:
            steps.append(normalizers.NFC())
        steps.append(normalizers.Precompiled(model.charsmap))
    if model.tidy:
        steps += [
            normalizers.Replace(regex(r"(?<![\s\S]) +"), ""),
            normalizers.Replace(regex(rf"[ {_SPACE}]+(?![\s\S])"), ""),
            normalizers.Replace(regex(" +"), " "),
        ]
    if model.prefix:
        steps.append(normalizers.Prepend(_SPACE))
    result.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", _SPACE)])
    result.decoder = tokenizers.decoders.Metaspace(prepend_scheme="always")
    return result


def _scored(pieces: Sequence[Piece]) -> Sequence[Piece]:
    """Pieces with the scores that SentencePiece computes with.

    User-defined pieces get one that is better than any other way to write them. It must not be
    under all the others, because from the least one follows what an unknown character costs.
    """
    normal = [piece.score for piece in pieces if piece.type == _NORMAL]
    if not normal:
        return pieces
    best, least = max(normal), min(normal)
    return [
        dataclasses.replace(p, score=max(len(p.text.encode()) * best - 0.1, least))
        if p.type == _USER_DEFINED
        else p
        for p in pieces
    ]


def _piece(content: bytes) -> Piece:
    fields = dict(_fields(content))
    (score,) = struct.unpack("<f", fields[2]) if 2 in fields else (0.0,)
    return Piece(fields.get(1, b"").decode("utf-8"), score, fields.get(3, _NORMAL))


def _fields(content: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values of the fields of a protocol buffer."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(content, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(content, at)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"a field of the unknown wire type {wire}")
        if number == 0 or at + size > len(content):
            raise ValueError("a field reaches over its end")
        yield number, content[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7
