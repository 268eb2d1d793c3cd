from __future__ import annotations

import codecs
import warnings

import pytest

from kerastl.errors import ConfigurationError, DataError, DataWarning
from kerastl.text.encodings import read_texts

TEXT = "café – naïve\n“quoted”\n"


@pytest.fixture
def file(tmp_path):
    def write(content, name="a.txt"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_utf_and_marks_tell(file, encoding):
    assert read_texts([file(TEXT.encode(encoding))], None) == [TEXT]


@pytest.mark.parametrize(
    ("mark", "codec"),
    [
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
    ],
)
def test_marks_of_either_order(file, mark, codec):
    assert read_texts([file(mark + TEXT.encode(codec))], None) == [TEXT]


def test_a_guess_is_said_once_for_all_files(file):
    files = [file(TEXT.encode("cp1252"), f"{i}.txt") for i in range(5)]
    with pytest.warns(
        DataWarning, match=r"2\.txt and 2 more: not in UTF-8, and read as cp1252"
    ) as w:
        assert read_texts(files, None) == [TEXT] * 5
    assert len(w) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_texts(files[:1], "cp1252") == [TEXT]


@pytest.mark.parametrize(
    ("content", "byte"),
    [
        # No character of cp1252.
        (b"caf\x81", r"byte 3 \(line 1\) is 0x81"),
        # A picture, not text.
        (b"\x89PNG\r\n\x1a\n\x00\x00", r"byte 0 \(line 1\) is 0x89"),
        # UTF-8 that was damaged in one place.
        ("é à ü".encode() + b"\n\xe9", r"byte 9 \(line 2\) is 0xE9"),
        # Half a character at the end of UTF-16.
        (codecs.BOM_UTF16_LE + b"a\0b", "is not text in utf-16"),
    ],
)
def test_what_is_not_guessed(file, content, byte):
    with pytest.raises(DataError, match=byte):
        read_texts([file(content)], None)


def test_a_given_encoding_is_respected(file):
    path = file(TEXT.encode("cp1252"))
    with pytest.raises(
        DataError, match=r"not text in utf-8: byte 3 \(line 1\) is 0xE9.*--encoding.*'latin-1'"
    ):
        read_texts([path], "utf-8")
    with pytest.raises(ConfigurationError, match="encoding='latin-99' is not an encoding"):
        read_texts([path], "latin-99")
    with pytest.raises(ConfigurationError, match="is not an encoding of text"):
        read_texts([path], "hex")
    assert read_texts([file("é".encode("utf-8-sig"))], "UTF8") == ["é"]


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_texts([tmp_path / "none.txt"], None)
