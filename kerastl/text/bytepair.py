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
    add_prefix_space: bool,
) -> Any:
    """A ``tokenizers.Tokenizer`` of ids by token and of merges, the first ones first.

    Like KerasHub it takes special tokens in a text as such, and merges over the whole text. The
    published tokenizers divide a text into words first, which gives the same ids wherever no merge
    reaches over the end of a word.
    """
    tokenizers = require("tokenizers", extra="text", purpose="Tokenising texts")
    pairs = []
    for line in merges:
        if not line.strip() or line.lstrip().startswith("#version"):
            continue
        pair = tuple(line.rstrip("\r\n").split(" "))
        if len(pair) != 2 or not set(pair) <= vocabulary.keys():
            raise ConfigurationError(
                f"The merge {line!r} is not a pair of tokens of the vocabulary with a blank "
                "between them. The vocabulary and the merges do not belong together."
            )
        pairs.append(pair)
    result = tokenizers.Tokenizer(tokenizers.models.BPE(dict(vocabulary), pairs))
    result.add_special_tokens([token for token in special if token in vocabulary])
    result.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(
        add_prefix_space=add_prefix_space, use_regex=False
    )
    result.decoder = tokenizers.decoders.ByteLevel()
    return result
