from __future__ import annotations

import csv
import io
import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastl.data.rows import read_rows
from kerastl.errors import ConfigurationError, DataError, DataWarning, MissingExtraError


def values(path, columns=("text", "label"), **options):
    return [tuple(row) for row in read_rows(path, list(columns), **options).values]


def test_quoting_of_commas(write):
    path = write('text,label\n"one, ""two""\nthree",a\n  four  ,b\n')
    assert values(path) == [('one, "two"\nthree', "a"), ("  four  ", "b")]
    assert read_rows(path, ["text"]).lines == (3, 4)
    with pytest.raises(DataError, match=r"not a well-formed table: line 2: .*double quotes"):
        values(write('text,label\n"one" two,a\nthree,b\n'))
    with pytest.raises(DataError, match="not a well-formed table"):
        values(write('text,label\n"a,cat\n'))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=2, max_size=6),
    st.sampled_from([",", ";"]),
)
def test_what_a_csv_writer_writes_is_read(tmp_path_factory, texts, separator):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, delimiter=separator)
    writer.writerows([("text", "label"), *((text, "x") for text in texts)])
    path.write_bytes(buffer.getvalue().encode())
    assert values(path) == [(text, "x") for text in texts]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=6), st.booleans())
def test_what_a_json_writer_writes_is_read(tmp_path_factory, texts, escaped):
    path = tmp_path_factory.mktemp("t") / "t.jsonl"
    rows = [json.dumps({"text": text, "label": "x"}, ensure_ascii=escaped) for text in texts]
    path.write_bytes("\n".join(rows).encode())
    assert values(path) == [(text, "x") for text in texts]


def test_quotes_between_tabs_are_ordinary_unless_the_file_is_quoted(write):
    def texts(content, name):
        return [text for (text,) in values(write(content, name), ["text"])]

    stray = 'label\ttext\na\t"Hello\nb\tsay "yes" now\na\tend"\nb\tx\n'
    assert texts(stray, "a.tsv") == ['"Hello', 'say "yes" now', 'end"', "x"]
    assert texts(stray.replace("\t", "|"), "a.csv") == ['"Hello', 'say "yes" now', 'end"', "x"]
    # Two stray quotes that a quoted reading would take for one long field.
    swallowed = 'label\ttext\na\t"Hello\nb\tthere"\na\ty\n'
    assert texts(swallowed, "b.tsv") == ['"Hello', 'there"', "y"]
    quoted = 'label\ttext\na\t"one\ttwo\nthree ""four"""\nb\tfive\n'
    assert texts(quoted, "c.tsv") == ['one\ttwo\nthree "four"', "five"]
    ends = 'label\ttext\r\n"a"\t"one"\r\n"b"\t"two"\r\n'
    assert texts(ends, "d.txt") == ["one", "two"]


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
@pytest.mark.parametrize("suffix", ["csv", "TSV", "txt"])
def test_separators_are_found_by_the_columns(write, separator, suffix):
    rows = [("n", "text", "label"), ("1", "so", "a"), ("2", "1.5", "b")]
    path = write("\n".join(separator.join(row) for row in rows), f"t.{suffix}")
    assert values(path) == [("so", "a"), ("1.5", "b")]
    bare = write("\n".join(separator.join(row) for row in rows[1:]), f"u.{suffix}")
    assert values(bare, [2, 1]) == [("a", "so"), ("b", "1.5")]


def test_the_suffix_is_believed_where_it_gives_the_columns(write):
    path = write("text,label;x\na;b,c\n")
    assert values(path, ["text", "label;x"]) == [("a;b", "c")]
    assert values(write("a|b,c\nd|e,f\n"), [0, 1]) == [("a|b", "c"), ("d|e", "f")]
    with pytest.raises(DataError, match=r"no column 'label'. It has: 'text', 'lable', 'x'"):
        values(write("text;lable;x\na;b;c\n"))


def test_empty_rows_and_lines(write):
    path = write("\r\ntext,label\r\n\r\na,b\r\n,,\r\nc,d\r\n")
    assert values(path) == [("a", "b"), ("c", "d")]
    assert read_rows(path, ["text"]).lines == (4, 6)


def test_encodings_are_found(write):
    text = "text;label\ncafé;a\nnaïve;b\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert values(write(text, encoding=encoding)) == [("café", "a"), ("naïve", "b")]
    with pytest.warns(DataWarning, match="table.csv: not in UTF-8, and read as cp1252"):
        assert values(write(text, encoding="cp1252"))[0] == ("café", "a")
    assert values(write(text, encoding="cp1252"), encoding="latin-1")[0] == ("café", "a")
    with pytest.raises(DataError, match="not text in utf-8: byte 14"):
        values(write(text, encoding="cp1252"), encoding="utf-8")


def test_tables_of_text_that_cannot_be(write):
    with pytest.raises(DataError, match=r"no column 'text'\. It has: 'texte', 'label'\. Did you"):
        values(write("texte,label\na,x\nb,y\n"))
    with pytest.raises(DataError, match="several columns named 'text'"):
        values(write("text,text,label\n1,2,3\n"))
    with pytest.raises(DataError, match="no rows below its heading"):
        values(write("text,label\n\n"))
    with pytest.raises(DataError, match="is empty"):
        values(write(""))
    with pytest.raises(DataError, match="too few fields on line 3: 2 or more"):
        values(write("text,label\na,x\nb\n"))


def test_columns_by_number(write):
    path = write("1\t0.5\tgood\n2\t-1\tbad\n", "a.txt")
    assert values(path, [2, 1]) == [("good", "0.5"), ("bad", "-1")]
    with pytest.raises(DataError, match="no column 3: its first row has 3"):
        values(path, [3, 1])
    with pytest.raises(DataError, match="no column -1"):
        values(path, [-1])
    with pytest.raises(ConfigurationError, match="all names, or all numbers"):
        values(path, [2, "label"])


def test_json_lines(write):
    lines = [
        {"text": "a", "label": "x", "tags": ["x", "y"], "n": 1, "f": 0.5, "yes": True},
        {"label": None, "text": "b\u2028c", "tags": [], "n": float("nan")},
    ]
    content = "\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n"
    path = write(content, "t.jsonl")
    columns = ["text", "label", "tags", "n", "f", "yes"]
    assert values(path, columns) == [
        ("a", "x", ("x", "y"), "1", "0.5", "true"),
        ("b\u2028c", None, (), None, None, None),
    ]
    assert read_rows(path, ["text"]).lines == (1, 3)
    assert values(write(content, "u.jsonl", encoding="utf-16"), ["n"]) == [("1",), (None,)]


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        ('{"text": 1}\n{"text"', ["text"], "is not JSON on line 2"),
        ("[1, 2]\n", ["text"], "a JSON object on each line. Line 1 holds a list"),
        ('{"texts": "a"}\n', ["text"], "no column 'text'. It has: 'texts'. Did you mean"),
        ('{"text": {"a": 1}}\n', ["text"], "has a dict in column 'text' on line 1"),
        ('{"text": [null]}\n', ["text"], "has a NoneType in column 'text' on line 1"),
        ("\n", ["text"], "has no rows"),
    ],
)
def test_json_lines_that_cannot_be(write, content, columns, message):
    with pytest.raises(DataError, match=message):
        values(write(content, "t.jsonl"), columns)


def test_numbers_are_for_tables_without_heading(write):
    with pytest.raises(ConfigurationError, match=r"names its columns; numbers, as in 0, 1"):
        values(write('{"text": 1}\n', "t.jsonl"), [0, 1])


@pytest.fixture
def parquet(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    def write(columns, name="t.parquet"):
        parquet.write_table(arrow.table(columns), tmp_path / name)
        return tmp_path / name

    return write


def test_parquet(parquet):
    path = parquet(
        {
            "text": ["a", "b"],
            "other": [b"x", None],
            "n": [1, None],
            "f": [0.5, float("nan")],
            "tags": [["x", "y"], []],
            "yes": [True, False],
        }
    )
    assert values(path, ["f", "text", "n", "tags", "yes"]) == [
        ("0.5", "a", "1", ("x", "y"), "true"),
        (None, "b", None, (), "false"),
    ]
    assert read_rows(path, ["text"]).lines == (1, 2)
    assert values(path, ["text", "text"]) == [("a", "a"), ("b", "b")]
    with pytest.raises(DataError, match="no column 'texts'.*Did you mean 'text'"):
        values(path, ["texts"])
    with pytest.raises(DataError, match="has a bytes in column 'other' on line 1"):
        values(path, ["other"])
    with pytest.raises(DataError, match="has no rows"):
        values(parquet({"text": []}), ["text"])
    with pytest.raises(ConfigurationError, match="names its columns"):
        values(path, [0])


def test_parquet_that_is_none(write):
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match="cannot be read as a Parquet file"):
        values(write("text,label\n", "t.parquet"))


def test_parquet_without_pyarrow(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"kerastl\[parquet\]"):
        values(write("", "t.parquet"))
