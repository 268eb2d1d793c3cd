"""The ids of KerasHub's WordPiece tokenizers, reproduced to the last code point."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastl.errors import ConfigurationError
from kerastl.text import Tokenizer, check_equal
from tests.text.conftest import HOSTILE

WORDS = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "##ness", "Good", "!", ".",
    "##.", "a", "##b", "##a", "ss", "##ss", "e", "é", "##é", "日", "ab", "σ", "##σ", "ι", "##ι",
    "ж", "##ж", " x", "fi", "##t", "'", "\u0301", "##\u0301", "=", "≠", "в", "Ꭰ", "ꭰ",
]  # fmt: skip


def ids(tokenizer, text, length=64):
    return tokenizer.encode([text], length).ids[0].tolist()


@pytest.fixture(scope="module", params=[(True, False), (True, True), (False, False)])
def small(request, hub, tmp_path_factory):
    lowercase, strip_accents = request.param
    options = {"lowercase": lowercase, "strip_accents": strip_accents}
    path = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    path.write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return (
        Tokenizer.from_vocabulary([word.rstrip() for word in WORDS], **options),
        hub.models.BertTokenizer(str(path), **options),
    )


def test_words_pieces_and_ends():
    tokenizer = Tokenizer.from_vocabulary(WORDS, lowercase=True)
    assert ids(tokenizer, "Goodness, bad!") == [2, 5, 7, 1, 6, 9, 3]
    assert ids(tokenizer, "") == [2, 3]
    assert (tokenizer.start_ids, tokenizer.end_ids, tokenizer.pad_id) == ((2,), (3,), 0)
    assert (tokenizer.algorithm, tokenizer.vocabulary_size) == ("word_piece", len(WORDS))


def test_special_tokens_in_a_text_are_ordinary():
    tokenizer = Tokenizer.from_vocabulary([*WORDS, "[", "]", "sep"], lowercase=True)
    n = len(WORDS)
    assert ids(tokenizer, "[SEP]") == [2, n, n + 2, n + 1, 3]
    assert 0 not in ids(tokenizer, "[PAD]")


def test_hostile_texts(small):
    assert check_equal(*small, HOSTILE).texts == len(HOSTILE)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40))
def test_any_text(small, text):
    check_equal(*small, [text])


@settings(max_examples=150, deadline=None)
@given(
    st.text(
        st.sampled_from("aAbB .!\u0301\u0338=éßςΣ…\u00a0\u00b4\u200b\n\0日ｱﬁ½ſᾳ\u0345жЖ"),
        max_size=30,
    )
)
def test_any_text_of_the_characters_that_are_awkward(small, text):
    check_equal(*small, [text])


def test_real_and_hostile_texts_with_a_real_vocabulary(hub, minilm, real_texts):
    theirs = hub.models.BertTokenizer.from_preset(str(minilm))
    ours = Tokenizer.from_preset_dir(minilm)
    assert check_equal(ours, theirs, [*real_texts, *HOSTILE]).texts > 29_000
    assert ours.vocabulary_size == 30_522
    assert Tokenizer.from_hub(theirs).sha256 == ours.sha256


def test_the_graph_of_tensorflow_gives_the_same_ids(hub, minilm, real_texts):
    tf = pytest.importorskip("tensorflow")
    pytest.importorskip("tensorflow_text")
    theirs = hub.models.BertTokenizer.from_preset(str(minilm))
    ours = Tokenizer.from_preset_dir(minilm)
    texts = [*real_texts[::20], *(text for text in HOSTILE if len(text) < 10_000)]

    def tokenize(batch):
        # TensorFlow's operations end a text at a NUL, which elsewhere is a blank as others are.
        return theirs(tf.strings.regex_replace(batch, "\\x00", " "))

    def in_graph(batch):
        data = tf.data.Dataset.from_tensor_slices(batch).batch(len(batch)).map(tokenize)
        return next(iter(data))

    assert check_equal(ours, in_graph, texts).texts == len(texts)


@pytest.mark.matrix
def test_every_code_point(hub, minilm):
    """All but a few that later versions of Unicode added, which the packages do not all know."""
    theirs = hub.models.BertTokenizer.from_preset(str(minilm))
    ours = Tokenizer.from_preset_dir(minilm)
    odd = []
    for start in range(0, 0x110000, 0x1000):
        codes = [c for c in range(start, start + 0x1000) if not 0xD800 <= c < 0xE000]
        texts = [f"a{chr(c)}b {chr(c)} {chr(c)}\u0301 i{chr(c)}\u0345" for c in codes]
        if not texts:
            continue
        own = [row.tolist()[1:-1] for row in ours.encode(texts, 99).ids]
        odd += [c for c, a, b in zip(codes, own, theirs(texts), strict=True) if a != list(b)]
    assert len(odd) <= 40, [hex(code) for code in odd]


def test_what_is_published_differs_where_it_should(minilm):
    ours = Tokenizer.from_preset_dir(minilm)
    published = Tokenizer.from_preset_dir(minilm, rule="published")
    assert (ours.rule, published.rule) == ("keras_hub", "published")
    assert ids(ours, "So good!") == ids(published, "So good!")
    # KerasHub keeps accents, and the weights were trained without.
    assert ids(published, "café") == ids(published, "cafe")
    assert ids(ours, "café") != ids(ours, "cafe")
    assert published.start_ids == ours.start_ids == (101,)
    assert len(published.encode(["word " * 400], 512).ids[0]) == 402


@pytest.mark.parametrize("missing", ["[CLS]", "[SEP]", "[PAD]", "[UNK]"])
def test_vocabularies_without_special_tokens(missing):
    with pytest.raises(ConfigurationError, match=r"lacks \[\w+\]: it is not one of BERT"):
        Tokenizer.from_vocabulary([w for w in WORDS if w != missing], lowercase=True)
