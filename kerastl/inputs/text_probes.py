"""Texts that prove an export beside, or in place of, those of the validation data."""

from __future__ import annotations

import itertools

# For models that come without texts of their own: English, of several lengths and tones.
_SUBJECTS = ("The film", "This phone", "My order", "The new library", "Our train to Leeds")
_VERBS = ("was far better than I expected", "stopped working after 3 days", "costs £1,299.00")
_ENDS = (".", "!!!", ", but nobody at the shop could say why that is, although we asked twice.")

SENTENCES: tuple[str, ...] = (
    *(f"{a} {b}{c}" for a, b, c in itertools.product(_SUBJECTS, _VERBS, _ENDS)),
    "ok",
    "Call 0800 123 456 NOW to claim your prize",
    "I'll be there at half past seven; don't wait for me with dinner.",
)
"""What parity is measured on where a model has no samples."""

PROBES: tuple[str, ...] = (
    "",
    " \t\r\n ",
    "\0",
    "a\0b\0",
    "a\x01b\x7fc\x85d",
    "\ufeffmark",
    "zero\u200bwidth\u200djoin soft\u00adhyphen",
    "[SEP] [CLS] [PAD] [MASK] [UNK] <s> </s> <mask> <unk>",
    "e\u0301\u0301 \u0301 =\u0338 a\u0345",
    "café CAFÉ naïve Ünïcödé",
    "GOOD Bad sHoRt LOUD TEXT IN CAPITALS",
    "straße STRASSE ẞ ΑΣ ΑΣΑ ς ſ ﬁ ½ ™ ﷺ İstanbul ΐ ᾳ ŉ",
    "don\u00b4t a\u00a0b\u2003c\u3000d\u2028e …oh… ‼ ！？",
    "日本語 中文字 𠀋 한국어 \u1112\u1161\u11ab カタカナ ｶﾀｶﾅ",
    "مرحبا بالعالم \u202eright to left\u202c עברית",
    "😀👨‍👩‍👧🏽🇩🇪 ☺️ 1\u20e3",
    "\ufffd \U0010ffff \ue000",
    "▁a ▁ b▁ Ġx ##ing",
    "a" * 100 + " " + "b" * 101,
    "x" * 100_000,
    "a b c d " * 2_500,
)
"""What texts may hold that no data set does: each artifact must answer them as the model does."""

# Longer ones would make a bundle large without showing more.
LONGEST_GOLDEN = 20_000
MOST_GOLDEN = 24
