"""Tokenisation: the ids of KerasHub's tokenizers, without TensorFlow where a model runs."""

from kerastl.text.checking import check_equal
from kerastl.text.finding import from_preset_dir
from kerastl.text.hub import from_hub
from kerastl.text.hub_tokenizer import to_hub
from kerastl.text.tokenizer import TOKENIZER_FILE, SentencePieceSource, Tokenizer, TokenizerKind

__all__ = [
    "TOKENIZER_FILE",
    "SentencePieceSource",
    "Tokenizer",
    "TokenizerKind",
    "check_equal",
    "from_hub",
    "from_preset_dir",
    "to_hub",
]
