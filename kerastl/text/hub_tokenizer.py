"""KerasHub's own tokenizer out of one of ours: what proves ours, and what a SavedModel holds."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

from kerastl.errors import ConfigurationError
from kerastl.optional import require
from kerastl.text.tokenizer import Tokenizer
from kerastl.text.wordpiece import from_bytes


def to_hub(tokenizer: Tokenizer) -> Any:
    """The tokenizer of KerasHub that gives the same ids: the inverse of ``from_hub``.

    Whether the case is folded is taken from what the tokenizer says of itself, so that comparing
    the two (``check_equal``) shows where that is not what its file does.

    It adds no start and end tokens. A unigram tokenizer needs its ``sentence_piece``.

    Raises:
        ConfigurationError: KerasHub has none for it; the message is a reason, one sentence.
        MissingExtraError: KerasHub is not installed.
    """
    if tokenizer.rule != "keras_hub":
        raise ConfigurationError(
            f"The tokenizer follows the rule {tokenizer.rule!r}, and KerasHub's own gives other "
            "ids."
        )
    algorithm, source = tokenizer.algorithm, tokenizer.sentence_piece
    if algorithm not in ("word_piece", "byte_pair") and (algorithm != "unigram" or source is None):
        raise ConfigurationError(
            f"KerasHub cannot build its tokenizer of the kind {algorithm!r} out of a "
            "tokenizer.json: it needs the SentencePiece model, which was not given."
        )
    hub = require("keras_hub", extra="text", purpose="KerasHub's tokenizer")
    settings = json.loads(tokenizer.content)
    if algorithm == "word_piece":
        return _word_piece(hub, tokenizer, settings["model"])
    if algorithm == "byte_pair":
        return _byte_pair(hub, settings)
    assert source is not None
    kind = getattr(hub.models, source.tokenizer, None) if source.tokenizer else None
    return (kind or hub.tokenizers.SentencePieceTokenizer)(source.proto)


def _word_piece(hub: Any, tokenizer: Tokenizer, model: Mapping[str, Any]) -> Any:
    vocabulary = [from_bytes(token) for token in sorted(model["vocab"], key=model["vocab"].get)]
    package = require("tokenizers", extra="text", purpose="Tokenising texts")
    # By what it does, not by how its rules are spelled: those may be written in many ways.
    normalizer = package.Tokenizer.from_str(tokenizer.content).normalizer
    folds = normalizer.normalize_str("A") == "a"
    return hub.tokenizers.WordPieceTokenizer(
        vocabulary,
        lowercase=folds if tokenizer.lowercase is None else tokenizer.lowercase,
        strip_accents="\u0301" not in unicodedata.normalize("NFD", normalizer.normalize_str("é")),
        split_on_cjk=normalizer.normalize_str("a中a") != "a中a",
        suffix_indicator=from_bytes(model["continuing_subword_prefix"]),
        oov_token=from_bytes(model["unk_token"]),
    )


def _byte_pair(hub: Any, settings: Mapping[str, Any]) -> Any:
    model = settings["model"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    return hub.tokenizers.BytePairTokenizer(
        dict(model["vocab"]),
        merges,
        add_prefix_space=settings["pre_tokenizer"]["add_prefix_space"],
        unsplittable_tokens=[token["content"] for token in settings["added_tokens"]],
    )
