"""WordPiece as KerasHub does it, written for the ``tokenizers`` package.

KerasHub's BertTokenizer differs from BERT's own in small ways: it divides words before it folds
their case, folds by NFKC_Casefold, keeps accents unless told otherwise, and gives up words of more
than 100 bytes rather than characters. What it makes of a text is reproduced exactly:

1. Controls and blanks become a separator, which no text can hold any more; punctuation and CJK
   characters get a separator on both sides. From here on only separators divide words, so that
   folding cannot join or divide them.
2. Case is folded: NFKC, lower case, what casefold does beyond lower case, NFKC again.
3. Words are written as bytes, one visible character a byte as in GPT-2, and so is the vocabulary:
   the limit on a word's length then counts bytes.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from kerastl.optional import require

MOST_BYTES = 100
"""A word of more bytes is unknown."""

_SEPARATOR = "\n"
_BLANK = r"[ \p{Cc}\p{Cf}]"
_PUNCTUATION = r"!-/:-@\[-`{-~\p{P}"
MARKS = r"\p{Mn}"
_CJK = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip
# Default_Ignorable_Code_Point of Unicode, which NFKC_Casefold drops.
_IGNORED = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5),
    (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164),
    (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
_IOTA_BELOW = "\u0345"


def build_word_piece(
    vocabulary: Mapping[str, int],
    *,
    lowercase: bool,
    strip_accents: bool = False,
    unknown: str = "[UNK]",
    split_on_cjk: bool = True,
    suffix: str = "##",
) -> Any:
    """A ``tokenizers.Tokenizer`` that gives the ids of KerasHub's WordPiece tokenizers.

    As in KerasHub, special tokens in a text are ordinary text. ``suffix`` marks tokens that
    continue a word.
    """
    tokenizers = require("tokenizers", extra="text", purpose="Tokenising texts")
    result = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(
            {as_bytes(token): index for token, index in vocabulary.items()},
            unk_token=as_bytes(unknown),
            max_input_chars_per_word=MOST_BYTES,
            continuing_subword_prefix=as_bytes(suffix),
        )
    )
    normalizers, regex = tokenizers.normalizers, tokenizers.Regex
    steps: list[Any] = []
    if strip_accents:
        steps += [normalizers.NFD(), normalizers.Replace(regex(MARKS), "")]
    divides = f"[{_PUNCTUATION}{cjk_ranges() if split_on_cjk else ''}]"
    steps += [
        normalizers.Replace(regex(_BLANK), _SEPARATOR),
        # Not at the ends of a text, where tokenizers loses count of what it inserts. Patterns are
        # written so that JavaScript's engine takes them too.
        normalizers.Replace(
            regex(rf"(?<={divides})(?=[\s\S])|(?<=[\s\S])(?={divides})"), _SEPARATOR
        ),
    ]
    if lowercase:
        steps += _folding(tokenizers, vocabulary)
    result.normalizer = normalizers.Sequence(steps)
    result.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Split(_SEPARATOR, "removed"),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    result.decoder = tokenizers.decoders.Sequence(
        [
            tokenizers.decoders.WordPiece(prefix=as_bytes(suffix), cleanup=False),
            tokenizers.decoders.ByteLevel(),
        ]
    )
    return result


def _folding(tokenizers: Any, vocabulary: Mapping[str, int]) -> list[Any]:
    normalizers = tokenizers.normalizers
    steps = [
        normalizers.NFKC(),
        normalizers.Lowercase(),
        # Taken apart, so that an iota below is found wherever it is part of a letter.
        normalizers.NFD(),
        normalizers.Replace(_IOTA_BELOW, "\u03b9"),
    ]
    # A word is unknown as soon as one of its characters is in no token, folded or not: the
    # characters of scripts that a vocabulary lacks need no rule.
    written = {character for token in vocabulary for character in token}
    steps += [
        normalizers.Replace(lower, folded)
        for lower, folded in _folded()
        if written & {*lower, *folded}
    ]
    return [
        *steps,
        normalizers.NFKC(),
        normalizers.Replace(tokenizers.Regex(f"[{_ranges(_IGNORED)}]"), ""),
    ]


def cjk_ranges() -> str:
    """CJK characters as a class of a regular expression holds them."""
    return _ranges(_CJK)


def _ranges(codes: Sequence[tuple[int, int]]) -> str:
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in codes)


@functools.cache
def _folded() -> tuple[tuple[str, str], ...]:
    """What casefold does to lower-case characters."""
    found = []
    for code in range(0x80, 0x1E944):
        lower = chr(code)
        if 0xD800 <= code < 0xE000 or unicodedata.normalize("NFKD", lower) != lower:
            continue
        # Cherokee is folded to upper case, so that lower() alone is not what the first steps give.
        if lower.lower() == lower and lower.casefold() != lower and lower != _IOTA_BELOW:
            found.append((lower, lower.casefold()))
    return tuple(found)


def _byte_alphabet() -> dict[int, str]:
    """GPT-2's visible character for each byte."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    alphabet = {byte: chr(byte) for byte in visible}
    hidden = [byte for byte in range(256) if byte not in alphabet]
    return alphabet | {byte: chr(0x100 + n) for n, byte in enumerate(hidden)}


_ALPHABET = _byte_alphabet()
_BYTES = {character: byte for byte, character in _ALPHABET.items()}


def as_bytes(token: str) -> str:
    """A token with one visible character for each byte of its UTF-8; ASCII stays as it is."""
    return "".join(_ALPHABET[byte] for byte in token.encode("utf-8"))


def from_bytes(written: str) -> str:
    """The token that ``as_bytes`` wrote."""
    return bytes(_BYTES[character] for character in written).decode("utf-8")
