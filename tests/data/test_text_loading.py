from __future__ import annotations

import csv
import io
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastl.data import DataWarning, TextDataset, load_text_pair, load_texts
from kerastl.data.text_tables import read_text_rows
from kerastl.errors import ConfigurationError, DataError, TextError
from tests.shared import real_data


@pytest.fixture
def table(tmp_path):
    def write(content, name="texts.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@pytest.fixture
def folder(tmp_path):
    def make(root="mails", classes=("ham", "spam"), each=3):
        for name in classes:
            for i in range(each):
                path = tmp_path / root / name / f"{i}.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{root} {name} text {i}\n")
        return tmp_path / root

    return make


def test_a_table(table):
    data = load_texts(table("text,label\nHello,b\nGoodbye,a\nAgain,b\n"))
    assert data.texts == ("Hello", "Goodbye", "Again")
    assert data.class_names == ("a", "b")
    assert data.labels.tolist() == [1, 0, 1]
    assert data.names == ("texts.csv:2", "texts.csv:3", "texts.csv:4")


def test_quoting_of_csv(table):
    data = load_texts(table('text,label\n"one, ""two""\nthree",a\n  four  ,b\n'))
    assert data.texts == ('one, "two"\nthree', "  four  ")
    with pytest.raises(DataError, match=r"no well-formed table: line 2: .*double quotes"):
        load_texts(table('text,label\n"one" two,a\nthree,b\n'))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=2, max_size=6))
def test_what_a_csv_writer_writes_is_read(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "label"), *((text, "x") for text in texts)])
    path.write_bytes(buffer.getvalue().encode())
    rows = read_text_rows(path, ["text", "label"])
    assert [row[0] for row in rows.values] == texts


def test_quotes_between_tabs_are_ordinary_unless_the_file_is_quoted(table):
    stray = 'label\ttext\na\t"Hello\nb\tsay "yes" now\na\tend"\nb\tx\n'
    data = load_texts(table(stray, "a.tsv"))
    assert data.texts == ('"Hello', 'say "yes" now', 'end"', "x")
    # Two stray quotes that a quoted reading would take for one long field.
    swallowed = 'label\ttext\na\t"Hello\nb\tthere"\na\ty\n'
    assert load_texts(table(swallowed, "b.tsv")).texts == ('"Hello', 'there"', "y")
    quoted = 'label\ttext\na\t"one\ttwo\nthree ""four"""\nb\tfive\n'
    assert load_texts(table(quoted, "c.tsv")).texts == ('one\ttwo\nthree "four"', "five")
    ends = 'label\ttext\r\n"a"\t"one"\r\n"b"\t"two"\r\n'
    assert load_texts(table(ends, "d.txt")).texts == ("one", "two")


def test_encodings(table):
    text = "text,label\ncafé,a\nnaïve,b\n"
    expected = ("café", "naïve")
    for encoding in ("utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"):
        data = load_texts(table(text, encoding=encoding), encoding=encoding)
        assert data.texts == expected
    assert load_texts(table(text, encoding="utf-8-sig")).texts == expected
    with pytest.raises(
        DataError, match=r"not text in utf-8: byte 14 \(line 2\) is 0xE9.*encoding='latin-1'"
    ):
        load_texts(table(text, encoding="latin-1"))
    with pytest.raises(ConfigurationError, match="encoding='latin-99' is no encoding"):
        load_texts(table(text), encoding="latin-99")
    with pytest.raises(ConfigurationError, match="is no encoding of text"):
        load_texts(table(text), encoding="hex")


def test_missing_labels_are_named_by_line(table):
    with pytest.raises(DataError, match=r"no label in column 'label' on lines 3, 5\. Fill"):
        load_texts(table("text,label\na,x\nb,\nc,y\nd,  \n"))
    with pytest.raises(DataError, match="too few fields on line 3"):
        load_texts(table("text,label\na,x\nb\n"))


def test_missing_columns(table):
    path = table("texte,label\na,x\nb,y\n")
    with pytest.raises(DataError, match=r"no column 'text'\. It has: 'texte', 'label'\. Did you"):
        load_texts(path)
    with pytest.raises(DataError, match="several columns named 'a'"):
        load_texts(table("a,a\n1,2\n"), text_column="a")
    with pytest.raises(DataError, match="no rows below its heading"):
        load_texts(table("text,label\n\n"))
    with pytest.raises(DataError, match="is empty"):
        load_texts(table(""))


def test_columns_by_number(table):
    path = table("1\t0.5\tgood\n2\t-1\tbad\n", "a.txt")
    options = {"text_column": 2, "label_column": 1, "kind": "regression"}
    assert load_texts(path, **options).texts == ("good", "bad")
    with pytest.raises(DataError, match="no column 3: its first row has 3"):
        load_texts(path, **{**options, "text_column": 3})
    with pytest.raises(ConfigurationError, match="all names, or all numbers"):
        load_texts(path, text_column=2)


def test_classes_that_cannot_be(table):
    with pytest.raises(DataError, match=r"a single class, 'x'.*add another"):
        load_texts(table("text,label\na,x\nb,x\n"))
    assert len(load_texts(table("text,label\na,x\nb,x\n"), allow_missing_classes=True)) == 2
    with pytest.raises(DataError, match="no example of 'z'"):
        load_texts(table("text,label\na,x\nb,y\n"), class_names=["x", "y", "z"])
    with pytest.raises(DataError, match="differ only by case"):
        load_texts(table("text,label\na,Ham\nb,ham\n"))


def test_empty_texts_are_kept_and_counted(table):
    with pytest.warns(DataWarning, match=r"holds 2 empty texts, which are kept: t.csv:2, t.csv:4"):
        data = load_texts(table("text,label\n,x\nb,y\n  ,x\n", "t.csv"))
    assert data.texts == ("", "b", "  ")


def test_several_label_columns(table):
    path = table("text,toxic,insult\na,1,0\nb,0,0\nc,1,1.0\n")
    options = {"label_column": ("toxic", "insult"), "kind": "multi_label"}
    data = load_texts(path, **options)
    assert data.class_names == ("toxic", "insult")
    assert data.labels.tolist() == [[1, 0], [0, 0], [1, 1]]
    turned = load_texts(path, **options, class_names=["insult", "toxic"])
    assert turned.labels.tolist() == [[0, 1], [0, 0], [1, 1]]
    with pytest.raises(DataError, match="must be the same"):
        load_texts(path, **options, class_names=["insult", "rude"])
    with pytest.raises(DataError, match=r"has 'yes' in the label column 'insult' on line 2"):
        load_texts(table("text,toxic,insult\na,1,yes\n"), **options)
    with pytest.raises(DataError, match="no example of the class 'insult'"):
        load_texts(table("text,toxic,insult\na,1,0\n"), **options)
    with pytest.raises(ConfigurationError, match="Give kind='multi_label'"):
        load_texts(path, label_column=("toxic", "insult"))


def test_names_in_one_column(table):
    path = table('text,label\na,"x, y"\nb,\nc,y\n')
    data = load_texts(path, kind="multi_label")
    assert data.class_names == ("x", "y")
    assert data.labels.tolist() == [[1, 1], [0, 0], [0, 1]]
    other = load_texts(table("text,label\na,x|y\n"), kind="multi_label", label_separator="|")
    assert other.labels.tolist() == [[1, 1]]
    with pytest.raises(DataError, match="names no class in any label"):
        load_texts(table("text,label\na,\n"), kind="multi_label")
    with pytest.raises(DataError, match=r"'z', which is not expected"):
        load_texts(table("text,label\na,z\n"), kind="multi_label", class_names=["x"])


def test_numbers(table):
    data = load_texts(table("text,label\na, 1.5 \nb,-2\n"), kind="regression")
    assert (data.labels.tolist(), data.class_names) == ([1.5, -2.0], ())
    with pytest.raises(DataError, match=r"no finite numbers on lines 3, 4, the first being 'x'"):
        load_texts(table("text,label\na,1\nb,x\nc,nan\n"), kind="regression")
    with pytest.raises(DataError, match="no label in column 'label' on line 2"):
        load_texts(table("text,label\na,\n"), kind="regression")


def test_lists():
    data = load_texts((["a", "b"], ["y", "x"]))
    assert (data.class_names, data.labels.tolist()) == (("x", "y"), [1, 0])
    assert load_texts((np.array(["a", "b"]), [1, 0]), class_names=["x", "y"]).texts == ("a", "b")
    several = load_texts((["a", "b"], [["x", "y"], []]), kind="multi_label")
    assert several.labels.tolist() == [[1, 1], [0, 0]]
    flags = load_texts((["a", "b"], [[1, 1], [0, 1]]), kind="multi_label", class_names=["x", "y"])
    assert flags.labels.tolist() == [[1, 1], [0, 1]]
    assert load_texts((["a", "b"], [0.5, 2]), kind="regression").labels.tolist() == [0.5, 2]
    given = TextDataset(["a", "b"], [0, 1], ["x", "y"])
    assert load_texts(given) is given


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (("ab", ["x", "y"]), {}, "must be a list of strings. Received: str"),
        ((["a"], ["x", "y"]), {}, "There are 1 texts but 2 labels"),
        ((["a", "b"], [0, 1]), {}, "need class_names"),
        (([], []), {}, "hold no examples"),
        ((["a", "b"], ["x", None]), {}, "1 labels are missing or no string.*position 1: None"),
        ((["a", None], ["x", "y"]), {}, "The text '1' is no text: received None"),
        ((["a", "b"], [["x"], [1, 2]]), {}, "of different lengths"),
        ((["a", "b"], [1, np.inf]), {"kind": "regression"}, "with NaN or infinity"),
        ((["a", "b"], [1, 0]), {"kind": "multi_label", "class_names": ["x"]}, r"shape \(n, 1\)"),
        (None, {}, "cannot be loaded: NoneType.*a CSV or TSV table"),
        ((1, 2, 3), {}, "a tuple of 3"),
    ],
)
def test_lists_that_cannot_be(data, options, message):
    with pytest.raises(DataError, match=message):
        load_texts(data, **options)


def test_lone_surrogates_are_refused_by_row():
    with pytest.raises(TextError, match=r"The text '1' cannot be written as UTF-8.*U\+DC80"):
        load_texts((["fine", "b\udc80d"], ["x", "y"]))


def test_folders(folder, tmp_path):
    data = load_texts(folder())
    assert data.class_names == ("ham", "spam")
    assert data.texts[0] == "mails ham text 0"
    assert data.names[0] == "ham/0.txt"
    (tmp_path / "mails" / "spam" / "bad.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match=r"bad.txt is not text in utf-8: byte 3 \(line 1\)"):
        load_texts(tmp_path / "mails")
    assert len(load_texts(tmp_path / "mails", encoding="latin-1")) == 7
    (tmp_path / "mails" / "news").mkdir()
    (tmp_path / "mails" / "news" / "a.pdf").write_bytes(b"x")
    with pytest.raises(DataError, match=r"class 'news' has no texts.*1 files of other kinds"):
        load_texts(tmp_path / "mails", encoding="latin-1")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no folders of texts"):
        load_texts(tmp_path / "empty")
    with pytest.raises(ConfigurationError, match="one class a text"):
        load_texts(tmp_path / "mails", kind="regression")


def test_divided_folders(folder):
    folder("all/train", each=4)
    root = folder("all/val", each=2).parent
    train, validation = load_text_pair(root)
    assert (len(train), len(validation)) == (8, 4)
    with pytest.raises(DataError, match="Name the part"):
        load_texts(root)


def test_pairs(table):
    path = table("text,label\n" + "".join(f"text {i},{'xy'[i % 2]}\n" for i in range(20)))
    train, validation = load_text_pair(path, seed=1)
    assert (len(train), len(validation)) == (16, 4)
    assert load_text_pair(path, False)[1] is None
    assert len(load_text_pair(path, 0.5)[1]) == 10
    with pytest.raises(ConfigurationError, match="not True"):
        load_text_pair(path, True)
    with pytest.raises(DataError, match=r"'z', which is not expected"):
        load_text_pair(path, (["a", "b"], ["x", "z"]))


def test_copies_in_both_parts_are_counted(table):
    train = (["a", "b", "c", "d"], ["x", "y", "x", "y"])
    with pytest.warns(DataWarning, match="2 of 3 validation texts are in the training data too"):
        load_text_pair(train, (["b", "a", "new"], ["y", "x", "y"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_text_pair(train, (["e", "f"], ["x", "y"]))
        copies = (["a"] * 3 + ["b"] * 3 + ["c", "d"], ["x"] * 3 + ["y"] * 3 + ["x", "y"])
        load_text_pair(copies, 0.5)


class FakeBuilder:
    """What is used of a TFDS builder."""

    name = "fakes"

    def __init__(self, features=("text", "label"), text=b"caf\xc3\xa9 "):
        label = SimpleNamespace(names=["neg", "pos"])
        self.info = SimpleNamespace(
            splits={"train": 1, "test": 1}, features=dict.fromkeys(features, label)
        )
        self.text = text

    def as_data_source(self, split):
        return [
            {"text": self.text + f"{split} {i}".encode(), "label": np.int64(i % 2)}
            for i in range(10)
        ]


def test_builders():
    data = load_texts(FakeBuilder(), split="test")
    assert data.texts[1] == "café test 1"
    assert data.class_names == ("neg", "pos")
    train, validation = load_text_pair(FakeBuilder())
    assert (len(train), len(validation)) == (8, 2)
    with pytest.raises(DataError, match="no feature 'text', so that it is no text"):
        load_texts(FakeBuilder(features=("image", "label")), split="test")
    with pytest.raises(TextError, match="example 0 is not in UTF-8"):
        load_texts(FakeBuilder(text=b"\xff"), split="test")


def test_real_messages_with_stray_quotes():
    path = real_data("sms_spam.tsv")
    data = load_texts(path, text_column="SMS", label_column="Label")
    assert data.class_counts() == {"ham": 4827, "spam": 747}
    assert sum('"' in text for text in data.texts) > 100
    train, validation = data.split(0.2, seed=0)
    assert not set(train.texts) & set(validation.texts)
    # Copies are many here, and may shift the shares a little.
    assert abs(validation.class_counts()["spam"] / 747 - 0.2) < 0.03


def test_real_ratings_without_heading():
    folder = real_data("vader_domains")
    total = 0
    for path in sorted(folder.glob("*_GroundTruth.txt")):
        data = load_texts(path, text_column=2, label_column=1, kind="regression")
        assert np.abs(data.labels).max() <= 4
        total += len(data)
    assert total > 23_000
