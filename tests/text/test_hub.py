"""BPE and unigram tokenizers, trained here on a few sentences, against KerasHub's own."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastl.errors import ConfigurationError, TokenizerError
from kerastl.text import Tokenizer, check_equal, from_hub
from kerastl.text.sentencepiece import read_model
from tests.text.conftest import CORPUS, HOSTILE

BERT_LIKE = {
    "bos_id": -1, "eos_id": -1, "pad_id": 0, "unk_id": 1, "pad_piece": "<pad>",
    "control_symbols": "[CLS],[SEP]", "user_defined_symbols": "[MASK]",
}  # fmt: skip
DEBERTA = {**BERT_LIKE, "pad_piece": "[PAD]"}
T5 = {"bos_id": -1, "pad_id": 0, "eos_id": 1, "unk_id": 2}
XLM = {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1}
# Of some 650 texts; the smaller a vocabulary, the more ways to write a text are equally likely.
MOST_TIES = 12
UNIGRAM = {
    "AlbertTokenizer": BERT_LIKE,
    "FNetTokenizer": BERT_LIKE,
    "DebertaV3Tokenizer": DEBERTA,
    "T5Tokenizer": T5,
    "XLMRobertaTokenizer": XLM,
}


@pytest.fixture(scope="module")
def roberta(hub, bpe):
    vocabulary, merges = bpe
    return hub.models.RobertaTokenizer(vocabulary, merges)


@pytest.fixture(scope="module", params=UNIGRAM)
def unigram(request, hub, spm):
    return getattr(hub.models, request.param)(spm(**UNIGRAM[request.param]))


def test_byte_pairs(roberta):
    tokenizer = from_hub(roberta)
    assert check_equal(tokenizer, roberta, [*CORPUS, *HOSTILE]).ties == 0
    assert (tokenizer.algorithm, tokenizer.pad_id) == ("byte_pair", roberta.pad_token_id)
    assert tokenizer.encode([""], 8).ids[0].tolist() == [
        roberta.start_token_id,
        roberta.end_token_id,
    ]
    assert tokenizer.vocabulary_size == roberta.vocabulary_size()


def test_special_tokens_in_a_text_are_taken_at_their_word(roberta):
    ids = from_hub(roberta).encode(["a</s>b"], 9).ids[0].tolist()
    assert ids[2] == roberta.end_token_id
    assert ids[1:-1] == list(roberta("a</s>b"))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_any_text_in_byte_pairs(roberta, text):
    check_equal(from_hub(roberta), roberta, [text])


def test_merges_that_do_not_belong():
    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, "a": 3, "b": 4, "ab": 5}
    from kerastl.text.hub import byte_pair

    assert byte_pair(vocabulary, ["#version: 0.2", "a b", ""], special=["<s>"]).pad_id == 1
    with pytest.raises(ConfigurationError, match="'a c' is not a pair of tokens"):
        byte_pair(vocabulary, ["a c"], special=[])
    with pytest.raises(ConfigurationError, match="lacks <s>, </s>, <pad>"):
        byte_pair({"a": 0}, [], special=[])


def test_unigrams(unigram):
    tokenizer = from_hub(unigram, max_length=512)
    texts = [*CORPUS, *HOSTILE]
    # Where probabilities are equal rounding decides, which is seldom.
    assert check_equal(tokenizer, unigram, texts).ties <= MOST_TIES
    assert tokenizer.algorithm == "unigram"
    assert tokenizer.pad_id == unigram.pad_token_id
    assert tokenizer.vocabulary_size == unigram.vocabulary_size() or tokenizer.max_length == 512


def test_the_ends_of_unigrams(unigram):
    ids = from_hub(unigram).encode(["the old dog"], 99).ids[0].tolist()
    inner = [int(i) for i in unigram("the old dog")]
    if type(unigram).__name__ == "T5Tokenizer":
        assert ids == [*inner, unigram.end_token_id]
    else:
        assert ids == [unigram.start_token_id, *inner, unigram.end_token_id]


def test_control_pieces_in_a_text_are_ordinary(hub, spm):
    theirs = hub.models.XLMRobertaTokenizer(spm(**XLM))
    ids = from_hub(theirs).encode(["<s> </s> <pad> <mask>"], 99).ids[0].tolist()
    assert not {0, 1, 2} & set(ids[1:-1])


@pytest.mark.parametrize("rule", ["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"])
def test_normalizers(hub, spm, rule):
    theirs = hub.models.T5Tokenizer(spm(**T5, normalization_rule_name=rule))
    assert check_equal(from_hub(theirs), theirs, [*CORPUS, *HOSTILE]).ties <= MOST_TIES


def test_bytes_for_what_is_unknown(hub, spm):
    theirs = hub.models.T5Tokenizer(spm(**T5, byte_fallback=True, vocab_size=600))
    assert check_equal(from_hub(theirs), theirs, [*CORPUS, *HOSTILE]).ties <= MOST_TIES


def test_ties_can_be_refused(hub, spm):
    ours = from_hub(hub.models.T5Tokenizer(spm(**T5)))

    def turned(texts):
        return [row.tolist()[:-1][::-1] for row in ours.encode(texts, 99).ids]

    assert check_equal(ours, turned, ["the old dog"]).ties == 1
    with pytest.raises(TokenizerError, match="differ on text 0"):
        check_equal(ours, turned, ["the old dog"], allow_ties=False)


def test_real_texts_in_unigrams(hub, spm, real_texts):
    theirs = hub.models.AlbertTokenizer(spm(**BERT_LIKE))
    assert check_equal(from_hub(theirs), theirs, real_texts).ties < 0.003 * len(real_texts)


def test_models_that_are_none(spm):
    with pytest.raises(ConfigurationError, match="not a SentencePiece model"):
        read_model(b"not a model")
    with pytest.raises(ConfigurationError, match="it has no unknown piece"):
        read_model(b"")
    with pytest.raises(ConfigurationError, match="not of the unigram kind"):
        read_model(spm(model_type="bpe"))


def test_a_preset_of_keras_hub(hub, bpe, spm, tmp_path):
    made = {
        "roberta": hub.models.RobertaTokenizer(*bpe),
        "albert": hub.models.AlbertTokenizer(spm(**BERT_LIKE)),
        "xlm": hub.models.XLMRobertaTokenizer(spm(**XLM)),
        "bert": hub.models.BertTokenizer(
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "##s"], lowercase=True
        ),
    }
    for name, theirs in made.items():
        theirs.save_to_preset(str(tmp_path / name))
        ours = Tokenizer.from_preset_dir(tmp_path / name)
        assert ours.sha256 == from_hub(theirs).sha256
        assert check_equal(ours, theirs, CORPUS).ties <= MOST_TIES


def test_directories_of_hugging_face(hub, bpe, spm, tmp_path):
    vocabulary, merges = bpe
    theirs = hub.models.RobertaTokenizer(vocabulary, merges)
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 512}')
    ours = Tokenizer.from_preset_dir(tmp_path)
    assert ours.sha256 == from_hub(theirs).sha256
    assert ours.max_length == 512
    other = tmp_path / "xlm"
    other.mkdir()
    (other / "sentencepiece.bpe.model").write_bytes(spm(**XLM))
    (other / "config.json").write_text('{"model_type": "xlm-roberta"}')
    theirs = hub.models.XLMRobertaTokenizer(spm(**XLM))
    assert Tokenizer.from_preset_dir(other).sha256 == from_hub(theirs).sha256
    with pytest.raises(ConfigurationError, match="Use rule='keras_hub'"):
        Tokenizer.from_preset_dir(other, rule="published")


def test_a_tokenizer_file_alone(minilm, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes((minilm / "tokenizer.json").read_bytes())
    ours = Tokenizer.from_preset_dir(tmp_path)
    assert ours.sha256 == Tokenizer.from_preset_dir(minilm).sha256


def test_directories_that_hold_none(tmp_path):
    with pytest.raises(ConfigurationError, match=r"holds no tokenizer: no vocab.txt"):
        Tokenizer.from_preset_dir(tmp_path)
    with pytest.raises(ConfigurationError, match="There is no folder"):
        Tokenizer.from_preset_dir(tmp_path / "none")
    (tmp_path / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(ConfigurationError, match="it is not one of BERT"):
        Tokenizer.from_preset_dir(tmp_path)


def test_tokenizers_of_other_kinds(hub):
    with pytest.raises(ConfigurationError, match="ByteTokenizer is of no kind"):
        from_hub(hub.tokenizers.ByteTokenizer())
