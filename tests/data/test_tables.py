from __future__ import annotations

import json

import numpy as np
import pytest

from kerastl.data import UnreadableWarning, load, load_texts
from kerastl.errors import ConfigurationError, DataError, DataWarning, ImageError
from kerastl.inputs import IMAGES, TEXTS
from kerastl.outputs import Classes, Labels, Number, Vector
from tests.shared import real_data

ROWS = [("images/a 0.png", "dog"), ("images/a 1.png", "cat"), ("images/a 2.png", "dog")]
READERS = pytest.mark.parametrize("reader", [IMAGES, TEXTS], ids=lambda reader: reader.noun)


def table_of(rows, separator=",", newline="\n"):
    return newline.join(separator.join(row) for row in rows)


@pytest.fixture
def table(write):
    """Writes a table whose examples are the four images, or four texts of the same names."""

    def make(reader, *labels, heading="label", name="table.csv"):
        rows = [f"images/a {i}.png,{label}" for i, label in enumerate(labels)]
        return write("\n".join([f"{reader.column},{heading}", *rows]), name)

    return make


@READERS
@pytest.mark.parametrize(
    ("name", "separator"),
    [("t.csv", ","), ("t.TSV", "\t"), ("t.txt", "\t"), ("u.txt", ","), ("t.csv", ";")],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_tables(write, reader, name, separator, encoding, newline):
    rows = [(reader.column, "label"), *ROWS]
    dataset = load(write(table_of(rows, separator, newline), name, encoding), reader=reader)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.labels.tolist() == [1, 0, 1]
    assert len(dataset) == 3


def test_what_examples_are_called(table, tmp_path):
    images = load(table(IMAGES, "dog", "cat", "dog"))
    assert images.names == tuple(row[0] for row in ROWS)
    assert images.sources[0] == tmp_path / "images" / "a 0.png"
    assert next(images.batches((4, 4), 3))[0].shape == (3, 4, 4, 3)
    texts = load_texts(table(TEXTS, "dog", "cat"))
    assert texts.names == ("table.csv:2", "table.csv:3")
    assert texts.sources == ("images/a 0.png", "images/a 1.png")


def test_other_columns_absolute_paths_and_empty_rows(write, tmp_path):
    path = tmp_path / "images" / "a 0.png"
    text = f'who,kind,file\nx,"1, 2",{path}\n\n,,\ny,3,"images/a 1.png"\n'
    options = {"image_column": "file", "label_column": "kind"}
    dataset = load(write(text), group_column="who", **options)
    # Class names are strings, even where they look like numbers.
    assert dataset.class_names == ("1, 2", "3")
    assert dataset.groups == ["x", "y"]
    assert load(write(text), groups=lambda name: name[-5], **options).groups == ["0", "1"]
    texts = load_texts(write(text), text_column="file", label_column="kind", group_column="who")
    assert texts.groups == ["x", "y"]


@READERS
def test_tables_without_heading(write, reader):
    dataset = load(
        write(table_of(ROWS, "\t"), "t.tsv"),
        reader=reader, label_column=1, **{f"{reader.column}_column": 0},
    )  # fmt: skip
    assert dataset.labels.tolist() == [1, 0, 1]
    with pytest.raises(ConfigurationError, match="all names, or all numbers"):
        load(write(table_of(ROWS)), reader=reader, label_column=1)


@READERS
def test_a_heading_that_stands_elsewhere(write, reader):
    path = write(table_of(ROWS), "t.csv")
    named = load(path, reader=reader, heading=[reader.column, "label"])
    assert named.labels.tolist() == [1, 0, 1]
    swapped = load(
        path, reader=reader, heading=["what", "kind"], column="what", label_column="kind"
    )
    assert swapped.labels.tolist() == [1, 0, 1]
    with pytest.raises(ConfigurationError, match="no column 'label' among 'what', 'kind'"):
        load(path, reader=reader, heading=["what", "kind"], column="what")


@READERS
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NOUN,lable\na,b\n", "no column 'label'.*'lable'.*Did you mean 'lable'"),
        ("NOUN,label,label\na,b,c\n", "several columns named 'label'"),
        ("NOUN,label\n", "no rows below its heading"),
        ("", "is empty"),
        ("NOUN,label\na,cat\nb,\nc,  \nd,dog\n", r"no label in column 'label' on lines 3, 4\. Fi"),
        ("NOUN,label\na,cat\nb\n", "too few fields on line 3"),
        ("NOUN,label\nimages/a 0.png,cat\n", "single class, 'cat'.*add another"),
        ("NOUN,label\na,cat\nb,Cat\n", "differ only by case"),
        ('NOUN,label\n"a,cat\n', "not a well-formed table"),
        ("NOUN,label\n" + "a,\n" * 15, "lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 5 more"),
    ],
)
def test_tables_that_cannot_be(write, reader, text, message):
    with pytest.raises(DataError, match=message):
        load(write(text.replace("NOUN", reader.column)), reader=reader, on_error="raise")


def test_examples_and_groups_that_are_missing(write):
    with pytest.raises(DataError, match="no value in column 'image' on line 2"):
        load(write("image,label\n,cat\nb,dog\n"))
    with pytest.raises(DataError, match="no value in column 'text' on line 1"):
        load_texts(write('{"label": "a"}\n{"label": "b", "text": ""}\n', "t.jsonl"))
    for load_any, noun in ((load, "image"), (load_texts, "text")):
        with pytest.raises(DataError, match="no value in column 'who' on lines 2, 3"):
            load_any(write(f"{noun},label,who\na,cat,\nb,dog, \n"), group_column="who")


@READERS
def test_classes_that_are_expected(table, reader):
    path = table(reader, "cat", "dog", "dog")
    assert load(path, reader=reader, class_names=["dog", "cat"]).labels.tolist() == [1, 0, 0]
    with pytest.raises(DataError, match="no example of 'eel'"):
        load(path, reader=reader, class_names=["cat", "dog", "eel"])
    with pytest.raises(DataError, match="'dog', which is not expected"):
        load(path, reader=reader, class_names=["cat", "dig"])
    one = table(reader, "cat", "cat")
    assert len(load(one, reader=reader, allow_missing_classes=True)) == 2


def test_missing_files_are_unreadable(write):
    text = "image,label,who\nimages/a 0.png,cat,x\nnone.png,dog,y\nimages/a 1.png,dog,z\n"
    with pytest.warns(UnreadableWarning, match=r"1 unreadable image skipped: .*none\.png"):
        dataset = load(write(text), group_column="who")
    assert dataset.unreadable == ("none.png",)
    assert (dataset.labels.tolist(), dataset.groups) == ([0, 1], ["x", "z"])
    with pytest.raises(ImageError, match="No such file"):
        load(write(text), on_error="raise")


def test_empty_texts_are_kept_and_counted(write):
    with pytest.warns(DataWarning, match=r"holds 2 empty texts, which are kept: t.csv:2, t.csv:4"):
        data = load_texts(write("text,label\n,x\nb,y\n  ,x\n", "t.csv"))
    assert data.sources == ("", "b", "  ")


def test_options_that_do_not_exist(table):
    path = table(IMAGES, "cat", "dog")
    with pytest.raises(ConfigurationError, match="no option 'text_column'.*image_column="):
        load(path, text_column="image")
    with pytest.raises(ConfigurationError, match="Did you mean 'label_column'"):
        load(path, lable_column="label")
    with pytest.raises(DataError, match="cannot be read: No such file|There is no file"):
        load(path.parent / "none.csv")


# Several labels per example.


@READERS
def test_several_label_columns(table, reader):
    path = table(reader, "1,0", "0,0", "true,1.0", heading="red,round")
    options = {"reader": reader, "label_column": ("red", "round"), "outputs": Labels()}
    data = load(path, **options)
    assert data.class_names == ("red", "round")
    assert data.labels.tolist() == [[1, 0], [0, 0], [1, 1]]
    assert data.labels.dtype == np.float32
    turned = load(path, **options, class_names=["round", "red"])
    assert turned.labels.tolist() == [[0, 1], [0, 0], [1, 1]]
    with pytest.raises(DataError, match="must be the same"):
        load(path, **options, class_names=["round", "rude"])
    with pytest.raises(DataError, match=r"has 'yes' in the label column 'round' on line 2"):
        load(table(reader, "1,yes", heading="red,round"), **options)
    with pytest.raises(DataError, match="no example that can be read of the class 'round'"):
        load(table(reader, "1,0", heading="red,round"), **options)
    with pytest.raises(DataError, match="no label in column 'round' on line 3"):
        load(table(reader, "1,1", "1,", heading="red,round"), **options)
    with pytest.raises(ConfigurationError, match="kind='multi_label'"):
        load(path, reader=reader, label_column=("red", "round"))


@READERS
def test_names_in_one_column(table, reader):
    data = load(table(reader, '"x, y"', "", "y"), reader=reader, outputs=Labels())
    assert data.class_names == ("x", "y")
    assert data.labels.tolist() == [[1, 1], [0, 0], [0, 1]]
    other = load(table(reader, "x|y"), reader=reader, outputs=Labels(), label_separator="|")
    assert other.labels.tolist() == [[1, 1]]
    with pytest.raises(DataError, match="names no class in any label"):
        load(table(reader, ""), reader=reader, outputs=Labels())
    with pytest.raises(DataError, match=r"'z', which is not expected"):
        load(table(reader, "z"), reader=reader, outputs=Labels(("x",)))
    with pytest.raises(ConfigurationError, match=r"label_separator= \(--label-separator\) must be"):
        load(table(reader, "z"), reader=reader, outputs=Labels(), label_separator="")
    with pytest.raises(ConfigurationError, match="names no column"):
        load(table(reader, "z"), reader=reader, outputs=Labels(), label_column=())


def test_lists_in_json_lines(write):
    rows = [{"image": f"images/a {i}.png", "label": tags} for i, tags in enumerate((["x, y"], []))]
    path = write("\n".join(map(json.dumps, rows)), "t.jsonl")
    data = load(path, outputs=Labels())
    assert data.class_names == ("x, y",)
    assert data.labels.tolist() == [[1], [0]]
    with pytest.raises(DataError, match="lists in column 'label' on lines 1, 2, where one label"):
        load(path)
    rows[1]["label"] = None
    with pytest.raises(DataError, match="no label in column 'label' on line 2"):
        load(write("\n".join(map(json.dumps, rows)), "t.jsonl"), outputs=Labels())


# Numbers.


@READERS
def test_numbers(table, reader):
    options = {"reader": reader, "outputs": Number()}
    path = table(reader, " 1.5 ", "-2", heading="price_eur")
    data = load(path, **options, label_column="price_eur")
    assert (data.labels.tolist(), data.class_names) == ([1.5, -2.0], ())
    assert data.output.quantity == "price_eur"
    with pytest.raises(DataError, match=r"not finite numbers on lines 3, 4, the first being 'x'"):
        load(table(reader, "1", "x", "nan"), **options)
    with pytest.raises(DataError, match="no label in column 'label' on line 2"):
        load(table(reader, ""), **options)
    with pytest.raises(
        DataError, match=r"\'regression\' have no classes. Received class_names=\[\'x\'\]"
    ):
        load(path, **options, class_names=["x"])


def test_embeddings_have_labels_of_classes(table):
    plain = load(table(IMAGES, "cat", "dog"))
    data = load(table(IMAGES, "cat", "dog"), outputs=Vector(dimensions=4))
    assert data.class_names == data.output.classes == ("cat", "dog")
    assert data.output.class_names == ()
    assert data.fingerprint == plain.fingerprint


# Several outputs.

SEVERAL = {"kind": Classes(), "tags": Labels(), "weight_kg": Number()}


@READERS
def test_several_outputs_of_which_some_labels_are_missing(table, reader):
    path = table(
        reader, "a,x|y,1", "b,,2.5", ",|,", "a,y,",
        heading="kind,tags,weight_kg",
    )  # fmt: skip
    data = load(path, reader=reader, outputs=SEVERAL, label_separator="|")
    assert data.outputs["kind"].class_names == ("a", "b")
    assert data.targets["kind"].tolist() == [0, 1, -1, 0]
    assert data.outputs["tags"].class_names == ("x", "y")
    # A field of nothing but the separator means none of the classes, an empty one is missing.
    np.testing.assert_array_equal(data.targets["tags"], [[1, 1], [np.nan, np.nan], [0, 0], [0, 1]])
    np.testing.assert_array_equal(data.targets["weight_kg"], [1, 2.5, np.nan, np.nan])
    assert data.outputs["weight_kg"].quantity == "weight_kg"
    for name, output in data.outputs.items():
        present = output.present(data.targets[name]).tolist()
        assert present.count(False) == {"kind": 1, "tags": 1, "weight_kg": 2}[name]
    assert data.class_names == ()
    with pytest.raises(ConfigurationError, match="labels for several outputs: 'kind', 'tags', 'w"):
        _ = data.labels
    assert len(data.fingerprint) == 64


def test_columns_of_several_outputs(table):
    path = table(IMAGES, "a,1,0,3", "b,1,1,", "a,,,4", heading="animal,red,round,n")
    outputs = {"kind": Classes(), "look": Labels(), "number": Number()}
    columns = {"kind": "animal", "look": ("red", "round"), "number": "n"}
    data = load(path, outputs=outputs, label_column=columns)
    assert data.outputs["look"].class_names == ("red", "round")
    np.testing.assert_array_equal(data.targets["look"], [[1, 0], [1, 1], [np.nan, np.nan]])
    images, labels = next(data.batches((4, 4), 2, order=[2, 0]))
    assert images.shape == (2, 4, 4, 3)
    assert labels["kind"].tolist() == [0, 0]
    np.testing.assert_array_equal(labels["number"], [4, 3])
    for wrong in ("animal", {"kind": "animal"}, {**columns, "more": "n"}):
        with pytest.raises(ConfigurationError, match=r"must name the columns of the outputs 'kind"):
            load(path, outputs=outputs, label_column=wrong)
    with pytest.raises(DataError, match=r"table.csv \(output 'kind'\) has a single class, 'x'"):
        load(
            table(IMAGES, "x,1", "x,1", heading="kind,n"),
            outputs={"kind": Classes(), "n": Number()},
        )
    with pytest.raises(ConfigurationError, match="does not say which of the outputs"):
        load(path, outputs=outputs, class_names=["a", "b"])
    with pytest.raises(ConfigurationError, match="outputs is empty"):
        load(path, outputs={})


def test_an_output_without_any_label(table):
    outputs = {"kind": Classes(), "n": Number()}
    for name, rows in (("n", ("a,", "b,")), ("kind", (",1", ",2"))):
        with pytest.raises(DataError, match=rf"\(output '{name}'\) has no label for any example"):
            load(table(IMAGES, *rows, heading="kind,n"), outputs=outputs)


def test_labels_that_are_missing_in_json_lines(write):
    rows = [
        {"text": "a", "kind": "x", "tags": ["p"], "n": 1},
        {"text": "b", "kind": None, "tags": None, "n": 2},
        {"text": "c", "kind": "y", "tags": []},
    ]
    path = write("\n".join(map(json.dumps, rows)), "t.jsonl")
    outputs = {"kind": Classes(), "tags": Labels(), "n": Number()}
    data = load(path, reader=TEXTS, outputs=outputs)
    assert data.targets["kind"].tolist() == [0, -1, 1]
    np.testing.assert_array_equal(data.targets["tags"], [[1], [np.nan], [0]])
    np.testing.assert_array_equal(data.targets["n"], [1, 2, np.nan])
    assert data.names == ("t.jsonl:1", "t.jsonl:2", "t.jsonl:3")


def test_parquet(tmp_path, write):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {
        "image": [row[0] for row in ROWS],
        "kind": [row[1] for row in ROWS],
        "n": [1.0, None, 3.0],
        "tags": [["x"], None, ["x", "y"]],
    }
    parquet.write_table(arrow.table(columns), tmp_path / "t.parquet")
    outputs = {"kind": Classes(), "n": Number(), "tags": Labels()}
    data = load(tmp_path / "t.parquet", outputs=outputs)
    assert data.targets["kind"].tolist() == [1, 0, 1]
    np.testing.assert_array_equal(data.targets["n"], [1, np.nan, 3])
    np.testing.assert_array_equal(data.targets["tags"], [[1, 0], [np.nan, np.nan], [1, 1]])
    assert data.names == tuple(row[0] for row in ROWS)


# Real tables.


def test_real_messages_with_stray_quotes():
    path = real_data("sms_spam.tsv")
    data = load_texts(path, text_column="SMS", label_column="Label")
    assert data.class_counts() == {"ham": 4827, "spam": 747}
    assert sum('"' in text for text in data.sources) > 100
    train, validation = data.split(0.2, seed=0)
    assert not set(train.sources) & set(validation.sources)
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
