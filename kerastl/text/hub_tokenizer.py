"""KerasHub's own tokenizer out of one of ours: what proves ours, and what a SavedModel holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kerastl.errors import ConfigurationError
from kerastl.optional import require
from kerastl.text.tokenizer import Tokenizer
from kerastl.text.wordpiece import MARKS, cjk_ranges, from_bytes


def to_hub(tokenizer: Tokenizer) -> Any:
    """The tokenizer of KerasHub that gives the same ids: the inverse of ``from_hub``.

    Whether the case is folded is taken from what the tokenizer says of itself, so that comparing
    the two (``check_equal``) shows where that is not what its file does.

    Args:
        tokenizer: a WordPiece or byte-pair one by the rule ``"keras_hub"``.

    Returns:
        A layer of ``keras_hub.tokenizers`` without start and end tokens.

    Raises:
        ConfigurationError: KerasHub has none for it; the message is a reason, one sentence.
        MissingExtraError: KerasHub is not installed.
    """
    if tokenizer.rule != "keras_hub":
        raise ConfigurationError(
            f"The tokenizer follows the rule {tokenizer.rule!r}, and KerasHub's own gives other "
            "ids."
        )
    settings = json.loads(tokenizer.content)
    if tokenizer.kind == "word_piece":
        return _word_piece(tokenizer, settings)
    if tokenizer.kind == "byte_pair":
        return _byte_pair(settings)
    raise ConfigurationError(
        f"KerasHub cannot build its tokenizer of the kind {tokenizer.kind!r} out of a "
        "tokenizer.json: it needs the SentencePiece model, which is not kept."
    )


def _word_piece(tokenizer: Tokenizer, settings: Mapping[str, Any]) -> Any:
    hub = require("keras_hub", extra="text", purpose="KerasHub's tokenizer")
    model = settings["model"]
    vocabulary = [from_bytes(token) for token in sorted(model["vocab"], key=model["vocab"].get)]
    steps = (settings.get("normalizer") or {}).get("normalizers", [])
    patterns = [step["pattern"].get("Regex", "") for step in steps if step["type"] == "Replace"]
    folds = any(step["type"] == "Lowercase" for step in steps)
    return hub.tokenizers.WordPieceTokenizer(
        vocabulary,
        lowercase=folds if tokenizer.lowercase is None else tokenizer.lowercase,
        strip_accents=MARKS in patterns,
        split_on_cjk=any(cjk_ranges() in pattern for pattern in patterns),
        suffix_indicator=from_bytes(model["continuing_subword_prefix"]),
        oov_token=from_bytes(model["unk_token"]),
    )


def _byte_pair(settings: Mapping[str, Any]) -> Any:
    hub = require("keras_hub", extra="text", purpose="KerasHub's tokenizer")
    model = settings["model"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    return hub.tokenizers.BytePairTokenizer(
        dict(model["vocab"]),
        merges,
        add_prefix_space=settings["pre_tokenizer"]["add_prefix_space"],
        unsplittable_tokens=[token["content"] for token in settings["added_tokens"]],
    )
