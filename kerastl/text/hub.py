"""The tokenizers of KerasHub, as ``Tokenizer``: the same ids without TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from kerastl.errors import ConfigurationError
from kerastl.optional import require
from kerastl.text.bytepair import build_byte_pair
from kerastl.text.sentencepiece import Piece, SentencePieceModel, build_unigram, read_model
from kerastl.text.tokenizer import SentencePieceSource, Tokenizer
from kerastl.text.wordpiece import build_word_piece

_XLM_ROBERTA = "XLMRobertaTokenizer"
# T5 was trained on texts that end in </s> and begin with nothing.
_WITHOUT_START = frozenset({"T5Tokenizer"})


def from_hub(tokenizer: Any, *, max_length: int | None = None) -> Tokenizer:
    """The equivalent of a WordPiece, BytePair or SentencePiece tokenizer of ``keras_hub``."""
    kinds = {base.__name__ for base in type(tokenizer).__mro__}
    if "WordPieceTokenizer" in kinds:
        return word_piece(
            list(tokenizer.get_vocabulary()),
            lowercase=tokenizer.lowercase,
            strip_accents=tokenizer.strip_accents,
            unknown=tokenizer.oov_token,
            split=tokenizer.split,
            split_on_cjk=getattr(tokenizer, "split_on_cjk", True),
            suffix=tokenizer.suffix_indicator,
            max_length=max_length,
        )
    if "BytePairTokenizer" in kinds:
        return byte_pair(
            dict(tokenizer.vocabulary),
            list(tokenizer.merges),
            special=list(tokenizer.unsplittable_tokens),
            add_prefix_space=tokenizer.add_prefix_space,
            max_length=max_length,
        )
    if "SentencePieceTokenizer" in kinds:
        return unigram(tokenizer.proto, type(tokenizer).__name__, max_length=max_length)
    raise ConfigurationError(
        f"KerasHub's {type(tokenizer).__name__} is of no kind that the tokenizers package has: "
        "known are WordPiece, byte-pair and SentencePiece tokenizers."
    )


def word_piece(
    vocabulary: list[str],
    *,
    lowercase: bool,
    unknown: str = "[UNK]",
    split: bool = True,
    max_length: int | None = None,
    **rules: Any,
) -> Tokenizer:
    """KerasHub's tokenizer of BERT, DistilBERT and ELECTRA, from tokens in the order of their ids.

    ``rules`` are further arguments of ``build_word_piece``.
    """
    if not split:
        raise ConfigurationError(
            "A tokenizer with split=False takes words, not texts. Give one with split=True."
        )
    ids = {token: index for index, token in enumerate(vocabulary)}
    _check_special(ids, ("[CLS]", "[SEP]", "[PAD]", unknown), "BERT")
    return _around_texts(
        build_word_piece(ids, lowercase=lowercase, unknown=unknown, **rules),
        [("[CLS]", ids["[CLS]"])],
        [("[SEP]", ids["[SEP]"])],
        pad_id=ids["[PAD]"],
        max_length=max_length,
        lowercase=lowercase,
    )


def byte_pair(
    vocabulary: dict[str, int],
    merges: list[str],
    *,
    special: list[str],
    add_prefix_space: bool = False,
    max_length: int | None = None,
) -> Tokenizer:
    """KerasHub's tokenizer of RoBERTa; see ``build_byte_pair``."""
    _check_special(vocabulary, ("<s>", "</s>", "<pad>"), "RoBERTa")
    return _around_texts(
        build_byte_pair(vocabulary, merges, special=special, add_prefix_space=add_prefix_space),
        [("<s>", vocabulary["<s>"])],
        [("</s>", vocabulary["</s>"])],
        pad_id=vocabulary["<pad>"],
        max_length=max_length,
        lowercase=False,
    )


def unigram(proto: bytes, tokenizer: str, *, max_length: int | None = None) -> Tokenizer:
    """KerasHub's tokenizers of ALBERT, DeBERTa v3, FNet, T5 and XLM-RoBERTa.

    ``tokenizer`` is the class in KerasHub, which says what the special tokens are.
    """
    model = read_model(proto)
    if tokenizer == _XLM_ROBERTA:
        built = build_unigram(_as_xlm_roberta(model))
        start, end, pad = [("<s>", 0)], [("</s>", 2)], 1
    else:
        built = build_unigram(model)
        starts, ends, pads = ("[CLS]", "<s>"), ("[SEP]", "</s>"), ("<pad>", "[PAD]")
        start = [] if tokenizer in _WITHOUT_START else [_special(model, starts)]
        end = [_special(model, ends)]
        pad = _special(model, pads)[1]
    source = SentencePieceSource(proto, tokenizer)
    return _around_texts(
        built, start, end, pad_id=pad, max_length=max_length, sentence_piece=source
    )


def _check_special(vocabulary: Mapping[str, int], names: tuple[str, ...], model: str) -> None:
    missing = [name for name in names if name not in vocabulary]
    if missing:
        raise ConfigurationError(
            f"The vocabulary of {len(vocabulary)} tokens lacks {', '.join(missing)}: it is not "
            f"one of {model}."
        )


def _special(model: SentencePieceModel, names: tuple[str, ...]) -> tuple[str, int]:
    for name in names:
        found = model.find(name)
        if found is not None:
            return name, found
    raise ConfigurationError(
        f"The SentencePiece model has none of the tokens {', '.join(names)}, which KerasHub's "
        "tokenizer puts around a text or fills it up with."
    )


def _as_xlm_roberta(model: SentencePieceModel) -> SentencePieceModel:
    """The order of fairseq: its own special tokens first, and a mask last."""
    control, unknown = 3, 2
    own = [Piece("<s>", 0.0, control), Piece("<pad>", 0.0, control), Piece("</s>", 0.0, control)]
    mask = Piece("<mask>", 0.0, control)
    pieces = (*own, Piece("<unk>", 0.0, unknown), *model.pieces[3:], mask)
    return dataclasses.replace(model, pieces=pieces, unknown=3)


def _around_texts(
    built: Any, start: list[tuple[str, int]], end: list[tuple[str, int]], **settings: Any
) -> Tokenizer:
    """The tokenizer that puts these tokens, with their ids, before and after each text."""
    tokenizers = require("tokenizers", extra="text", purpose="Tokenising texts")
    built.post_processor = tokenizers.processors.TemplateProcessing(
        single=[*(name for name, _ in start), "$A", *(name for name, _ in end)],
        special_tokens=list(dict.fromkeys([*start, *end])),
    )
    return Tokenizer(built.to_str(), rule="keras_hub", **settings)
