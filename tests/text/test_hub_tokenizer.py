"""KerasHub's tokenizers, made anew out of a tokenizer.json."""

import pytest

from kerastl.errors import ConfigurationError
from kerastl.text import Tokenizer, check_equal, from_hub, to_hub
from kerastl.text.wordpiece import as_bytes, from_bytes
from tests.text.conftest import CORPUS, HOSTILE
from tests.text.test_hub import MOST_TIES, T5, roberta, unigram  # noqa: F401
from tests.text.test_wordpiece import WORDS

pytest.importorskip("keras_hub")


@pytest.mark.parametrize(
    "options",
    [
        {"lowercase": True},
        {"lowercase": True, "strip_accents": True},
        {"lowercase": False},
        {"lowercase": True, "split_on_cjk": False},
        {"lowercase": False, "suffix": "@@", "unknown": "é"},
    ],
)
def test_word_piece(options):
    words = [word.replace("##", options.get("suffix", "##")).rstrip() for word in WORDS]
    ours = Tokenizer.from_vocabulary(words, **options)
    theirs = to_hub(ours)
    assert check_equal(ours, theirs, [*CORPUS, *HOSTILE]).texts == len(CORPUS) + len(HOSTILE)
    assert theirs.get_vocabulary() == words


def test_byte_pair(roberta):  # noqa: F811
    ours = from_hub(roberta)
    check_equal(ours, to_hub(ours), [*CORPUS, *(text for text in HOSTILE if len(text) < 999)])


def test_sentence_pieces(unigram):  # noqa: F811
    ours = from_hub(unigram)
    assert ours.sentence_piece.proto == unigram.proto
    assert ours.with_max_length(32).sentence_piece is ours.sentence_piece
    made = to_hub(ours)
    assert type(made) is type(unigram)
    texts = [*CORPUS, *(text for text in HOSTILE if len(text) < 999)]
    assert check_equal(ours, made, texts).ties <= MOST_TIES


def test_what_has_none(hub, spm):
    ours = from_hub(hub.models.T5Tokenizer(spm(**T5)))
    with pytest.raises(ConfigurationError, match="needs the SentencePiece model"):
        to_hub(Tokenizer(ours.content, pad_id=ours.pad_id, rule="keras_hub"))
    published = Tokenizer(Tokenizer.from_vocabulary(WORDS, lowercase=True).content)
    with pytest.raises(ConfigurationError, match="follows the rule 'published'"):
        to_hub(published)


@pytest.mark.parametrize("text", ["", "abc", "é 日\n\0", "😀"])
def test_bytes_and_back(text):
    assert from_bytes(as_bytes(text)) == text
