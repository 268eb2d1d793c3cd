"""Proof that a tokenizer gives the ids of KerasHub's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerastl.errors import TokenizerError
from kerastl.text.strings import check_text
from kerastl.text.tokenizer import Tokenizer

_AT_ONCE = 4096
_SHOWN_TEXT = 200
_SHOWN_IDS = 24


@dataclasses.dataclass(frozen=True)
class Equality:
    """How many texts were compared; ``ties`` of them hold the same pieces in another order."""

    texts: int
    ties: int


def check_equal(
    tokenizer: Tokenizer, hub_tokenizer: Any, texts: Sequence[str], *, allow_ties: bool = True
) -> Equality:
    """Proves that a tokenizer gives the ids of KerasHub's own tokenizer.

    Of a unigram model, two ways to divide a text can be equally likely, as ``.. .`` and ``. ..``:
    SentencePiece adds up probabilities in float32 and ``tokenizers`` in float64, so that rounding
    decides. Such texts are counted and pass unless ``allow_ties`` is false.

    Raises:
        TokenizerError: a text has other ids; the first such text and both sequences are shown.
        TextError: one of the texts is not a text.
    """
    ties = 0
    for start in range(0, len(texts), _AT_ONCE):
        batch = [check_text(text) for text in texts[start : start + _AT_ONCE]]
        ours = tokenizer.encode(batch, max_length=2**31 - 1).ids
        theirs = _hub_ids(hub_tokenizer, batch)
        first, last = len(tokenizer.start_ids), len(tokenizer.end_ids)
        for position, (text, own, hub) in enumerate(zip(batch, ours, theirs, strict=True), start):
            inner = own[first : len(own) - last].tolist()
            if inner == hub:
                continue
            if allow_ties and tokenizer.algorithm == "unigram" and sorted(inner) == sorted(hub):
                ties += 1
                continue
            raise TokenizerError(_message(position, text, inner, hub))
    return Equality(len(texts), ties)


def _hub_ids(hub_tokenizer: Any, texts: list[str]) -> list[list[int]]:
    made = hub_tokenizer(texts)
    rows = made.to_list() if hasattr(made, "to_list") else made
    return [[int(index) for index in np.asarray(row).reshape(-1)] for row in rows]


def _message(position: int, text: str, own: list[int], hub: list[int]) -> str:
    at = next(
        (i for i, (a, b) in enumerate(zip(own, hub, strict=False)) if a != b),
        min(len(own), len(hub)),
    )
    begin = max(0, at - _SHOWN_IDS // 2)
    shown = ascii(text[:_SHOWN_TEXT]) + ("..." if len(text) > _SHOWN_TEXT else "")
    return (
        f"The tokenizer and KerasHub's differ on text {position}, from token {at} on: {shown}. "
        f"From token {begin}: ours {own[begin : begin + _SHOWN_IDS]} of {len(own)}, KerasHub's "
        f"{hub[begin : begin + _SHOWN_IDS]} of {len(hub)}. The vocabularies or settings (case, "
        "accents) are not the same, or one of the packages is of a version that divides texts "
        "in another way."
    )
