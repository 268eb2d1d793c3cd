"""Byte-level BPE, as of GPT-2 and RoBERTa, written for the ``tokenizers`` package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kerastl.errors import ConfigurationError
from kerastl.optional import require


def build_byte_pair(
    vocabulary: Mapping[str, int],
    merges: Sequence[str],
    *,
    special: Sequence[str],
    add_prefix_space: bool = False,
    divide: bool = False,
) -> Any:
    """A ``tokenizers.Tokenizer`` of a vocabulary and its merges.

    Special tokens that stand in a text are taken for what they say, as KerasHub and the published
    tokenizers do with BPE.

    Args:
        vocabulary: ids by token.
        merges: pairs of tokens divided by a blank, first ones first; a heading ``#version`` is
            passed over.
        special: names of the special tokens.
        add_prefix_space: begin each text with a blank.
        divide: divide a text into words by GPT-2's pattern first, as the published tokenizers do.
            KerasHub's merges over the whole text, which gives the same ids wherever no merge
            reaches over the end of a word.

    Raises:
        ConfigurationError: a merge is no pair of tokens of the vocabulary.
    """
    tokenizers = require("tokenizers", extra="text", purpose="Tokenising texts")
    pairs = []
    for line in merges:
        if not line.strip() or line.lstrip().startswith("#version"):
            continue
        pair = tuple(line.rstrip("\r\n").split(" "))
        if len(pair) != 2 or not set(pair) <= vocabulary.keys():
            raise ConfigurationError(
                f"The merge {line!r} is no pair of two tokens of the vocabulary, divided by a "
                "blank. The vocabulary and the merges do not belong together."
            )
        pairs.append(pair)
    result = tokenizers.Tokenizer(tokenizers.models.BPE(dict(vocabulary), pairs))
    result.add_special_tokens([token for token in special if token in vocabulary])
    result.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(
        add_prefix_space=add_prefix_space, use_regex=divide
    )
    result.decoder = tokenizers.decoders.ByteLevel()
    return result
