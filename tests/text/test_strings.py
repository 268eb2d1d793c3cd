from __future__ import annotations

import numpy as np
import pytest

from kerastl.data import check_text
from kerastl.errors import DataError, ImageError, TextError


@pytest.mark.parametrize(
    "text", ["", " ", "a\0b", "\0", "\x01\x7f", "e\u0301", "日本", "\U0001f600", "\ufffd", "\ufeff"]
)
def test_texts_that_can_be(text):
    assert check_text(text) == text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, r"Row 3 is not a text: received None of type NoneType"),
        (b"bytes", r"of type bytes.*bytes have to be decoded first"),
        (float("nan"), r"received nan of type float"),
        ("a\ud800b", r"Row 3 cannot be written as UTF-8: the character at position 1 is U\+D800"),
        ("\udcff", r"U\+DCFF, half of a surrogate pair"),
    ],
)
def test_what_is_no_text(value, message):
    with pytest.raises(TextError, match=message):
        check_text(value, what="Row 3")


def test_errors_of_texts_are_beside_those_of_images():
    assert TextError.__mro__[1] is DataError is ImageError.__mro__[1]


def test_strings_of_numpy_become_plain():
    assert type(check_text(np.str_("a"))) is str
