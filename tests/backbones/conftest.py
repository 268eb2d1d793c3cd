"""Fixtures of text backbones: tiny twins of every family, and a tokenizer for them."""

import pytest

from kerastl.text import Tokenizer
from tests.text.conftest import hub, minilm  # noqa: F401

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "good",
    "bad",
    "film",
    "the",
    "a",
    "##s",
    "!",
    ".",
]

_SIZE = {
    "vocabulary_size": 50,
    "num_layers": 3,
    "num_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 32,
    "max_sequence_length": 24,
    "dropout": 0.1,
}
_OTHERS = {
    "BertBackbone": {},
    "DistilBertBackbone": {},
    "RobertaBackbone": {},
    "XLMRobertaBackbone": {},
    "DebertaV3Backbone": {"bucket_size": 8},
    "AlbertBackbone": {"embedding_dim": 8},
    "ElectraBackbone": {"embedding_dim": 8, "vocabulary_size": None, "vocab_size": 50},
    "FNetBackbone": {"num_heads": None},
    "T5Backbone": {"max_sequence_length": None, "use_gated_activation": False},
}
TINY = {
    name: {key: value for key, value in {**_SIZE, **others}.items() if value is not None}
    for name, others in _OTHERS.items()
}


@pytest.fixture(scope="session")
def words():
    return Tokenizer.from_vocabulary(WORDS, lowercase=True)
