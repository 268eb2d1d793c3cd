"""Finding the tokenizer in a directory of weights, without KerasHub and TensorFlow."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerastl.errors import ConfigurationError
from kerastl.text import hub
from kerastl.text.tokenizer import TOKENIZER_FILE, Rule, Tokenizer

_ASSETS = Path("assets") / "tokenizer"
_SENTENCE_PIECE = ("spiece.model", "sentencepiece.bpe.model", "spm.model", "tokenizer.model")
_HUB_CLASSES = {
    "bert": "BertTokenizer",
    "distilbert": "DistilBertTokenizer",
    "electra": "ElectraTokenizer",
    "roberta": "RobertaTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
    "albert": "AlbertTokenizer",
    "deberta-v2": "DebertaV3Tokenizer",
    "fnet": "FNetTokenizer",
    "t5": "T5Tokenizer",
}
_ROBERTA_SPECIAL = ["<s>", "</s>", "<pad>", "<mask>"]
_LIMITLESS = 100_000


def from_preset_dir(
    path: str | os.PathLike[str], *, rule: Rule = "keras_hub", max_length: int | None = None
) -> Tokenizer:
    """The tokenizer of a local KerasHub preset or Hugging Face directory.

    Args:
        path: a preset has ``tokenizer.json`` and ``assets/tokenizer/``; a Hugging Face directory
            ``vocab.txt``, ``vocab.json`` and ``merges.txt``, a SentencePiece model, or a
            ``tokenizer.json``.
        rule: ``"keras_hub"`` gives the ids that KerasHub's own tokenizer makes of the directory.
            ``"published"`` takes the ``tokenizer.json`` of a Hugging Face directory as it is:
            what the weights were trained with. The two differ in details of accents, blanks and
            rare characters (see ``kerastl.text.wordpiece``).
        max_length: maximum tokens per text; None takes what the directory says.

    Raises:
        ConfigurationError: there is no tokenizer of a known kind.
        MissingExtraError: ``tokenizers`` is not installed.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ConfigurationError(f"There is no folder {str(folder)!r} to take a tokenizer from.")
    own = _read_json(folder / TOKENIZER_FILE)
    length = max_length if max_length is not None else _length(folder)
    if "class_name" in own:
        return _from_hub_preset(folder, own, length)
    if rule == "published":
        if not own:
            raise ConfigurationError(
                f"{folder} has no {TOKENIZER_FILE} of Hugging Face. Use rule='keras_hub'."
            )
        return Tokenizer.from_file(
            folder / TOKENIZER_FILE, max_length=length, lowercase=_lowercase(folder, own)
        )
    if rule != "keras_hub":
        raise ConfigurationError(f"rule must be 'keras_hub' or 'published'. Received: {rule!r}")
    return _from_hugging_face(folder, own, length)


def _from_hugging_face(folder: Path, own: Mapping[str, Any], length: int | None) -> Tokenizer:
    model = own.get("model", {})
    if (folder / "vocab.txt").is_file():
        tokens = _tokens(folder / "vocab.txt")
        return hub.word_piece(tokens, lowercase=_lowercase(folder, own), max_length=length)
    if model.get("type") == "WordPiece":
        return hub.word_piece(
            _in_order(model["vocab"], folder),
            lowercase=_lowercase(folder, own),
            unknown=model["unk_token"],
            max_length=length,
        )
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return hub.byte_pair(
            dict(_read_json(folder / "vocab.json")),
            _read(folder / "merges.txt").split("\n"),
            special=_ROBERTA_SPECIAL,
            max_length=length,
        )
    if model.get("type") == "BPE" and "<s>" in model.get("vocab", {}):
        pairs = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
        return hub.byte_pair(
            dict(model["vocab"]), pairs, special=_ROBERTA_SPECIAL, max_length=length
        )
    for name in _SENTENCE_PIECE:
        if (folder / name).is_file():
            kind = _HUB_CLASSES.get(_read_json(folder / "config.json").get("model_type", ""), "")
            return hub.unigram((folder / name).read_bytes(), kind, max_length=length)
    if own:
        return Tokenizer.from_file(folder / TOKENIZER_FILE, max_length=length)
    raise ConfigurationError(
        f"{folder} holds no tokenizer: no vocab.txt, vocab.json with merges.txt, "
        f"{', '.join(_SENTENCE_PIECE)} or {TOKENIZER_FILE}."
    )


def _from_hub_preset(folder: Path, own: Mapping[str, Any], length: int | None) -> Tokenizer:
    config, assets = own.get("config", {}), folder / _ASSETS
    if (assets / "vocabulary.txt").is_file():
        return hub.word_piece(
            _tokens(assets / "vocabulary.txt"),
            lowercase=bool(config.get("lowercase", False)),
            strip_accents=bool(config.get("strip_accents", False)),
            unknown=config.get("oov_token", "[UNK]"),
            split=bool(config.get("split", True)),
            suffix=config.get("suffix_indicator", "##"),
            max_length=length,
        )
    if (assets / "vocabulary.json").is_file():
        return hub.byte_pair(
            dict(_read_json(assets / "vocabulary.json")),
            _read(assets / "merges.txt").split("\n"),
            special=config.get("unsplittable_tokens") or _ROBERTA_SPECIAL,
            add_prefix_space=bool(config.get("add_prefix_space", False)),
            max_length=length,
        )
    if (assets / "vocabulary.spm").is_file():
        content = (assets / "vocabulary.spm").read_bytes()
        return hub.unigram(content, own["class_name"], max_length=length)
    raise ConfigurationError(
        f"{folder} is a KerasHub preset without a vocabulary in {_ASSETS}: vocabulary.txt, "
        "vocabulary.json with merges.txt, or vocabulary.spm."
    )


def _in_order(vocabulary: Mapping[str, int], folder: Path) -> list[str]:
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    if [vocabulary[token] for token in tokens] != list(range(len(tokens))):
        raise ConfigurationError(f"The ids in {folder / TOKENIZER_FILE} are not 0, 1, 2, ...")
    return tokens


def _lowercase(folder: Path, own: Mapping[str, Any]) -> bool:
    said = _read_json(folder / "tokenizer_config.json").get("do_lower_case")
    if said is None:
        said = (own.get("normalizer") or {}).get("lowercase", False)
    return bool(said)


def _length(folder: Path) -> int | None:
    """Maximum tokens per text, as a directory says; sentence transformers say less than BERT."""
    said = (
        _read_json(folder / "sentence_bert_config.json").get("max_seq_length"),
        _read_json(folder / "preprocessor.json").get("config", {}).get("sequence_length"),
        _read_json(folder / "tokenizer_config.json").get("model_max_length"),
    )
    # Some write 10**30 for "no limit".
    return next((int(n) for n in said if n is not None and 0 < n < _LIMITLESS), None)


def _tokens(vocabulary: Path) -> list[str]:
    lines = _read(vocabulary).split("\n")
    return [line.rstrip() for line in (lines[:-1] if lines[-1] == "" else lines)]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def _read_json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(_read(path))
    except ValueError as error:
        raise ConfigurationError(f"{path} is not JSON: {error}") from error
    return content if isinstance(content, dict) else {}
