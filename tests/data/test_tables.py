from __future__ import annotations

import pytest

from kerastl.data import UnreadableImageWarning, from_table
from kerastl.errors import DataError, ImageError
from tests.data.conftest import save


@pytest.fixture
def write(tmp_path):
    for i in range(4):
        save(tmp_path / "images" / f"a {i}.png", i)

    def write(text, name="table.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


ROWS = [("images/a 0.png", "dog"), ("images/a 1.png", "cat"), ("images/a 2.png", "dog")]


@pytest.mark.parametrize(
    ("name", "delimiter"), [("t.csv", ","), ("t.TSV", "\t"), ("t.txt", "\t"), ("u.txt", ",")]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_tables(write, name, delimiter, encoding, newline):
    lines = [("image", "label"), *ROWS]
    text = newline.join(delimiter.join(row) for row in lines)
    dataset = from_table(write(text, name, encoding))
    assert dataset.class_names == ("cat", "dog")
    assert dataset.labels.tolist() == [1, 0, 1]
    assert dataset.names == tuple(row[0] for row in ROWS)
    assert dataset.image(0, (4, 4)).shape == (4, 4, 3)


def test_other_columns_absolute_paths_and_empty_rows(write, tmp_path):
    path = tmp_path / "images" / "a 0.png"
    text = f'who,kind,file\nx,"1, 2",{path}\n\n,,\ny,3,"images/a 1.png"\n'
    dataset = from_table(write(text), image_column="file", label_column="kind", group_column="who")
    assert dataset.class_names == ("1, 2", "3")
    assert dataset.groups == ["x", "y"]
    by_function = from_table(
        write(text), image_column="file", label_column="kind", groups=lambda name: name[-5]
    )
    assert by_function.groups == ["0", "1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,lable\na,b\n", "no column 'label'.*'image', 'lable'.*Did you mean 'lable'"),
        ("image,label,label\na,b,c\n", "several columns named 'label'"),
        ("image,label\n", "no rows below its heading"),
        ("", "is empty"),
        ("image,label\na,cat\nb,\nc\nd,dog\n", "no value in column 'label' on lines 3, 4"),
        ("image,label\n,cat\nb,dog\n", "no value in column 'image' on line 2"),
        ("image,label\nimages/a 0.png,cat\n", "single class, 'cat'"),
        ("image,label\na,cat\nb,Cat\n", "differ only by case"),
        ('image,label\n"a,cat\n', "no well-formed table"),
    ],
)
def test_tables_that_cannot_be(write, text, message):
    with pytest.raises(DataError, match=message):
        from_table(write(text))


def test_many_missing_labels_are_not_all_named(write):
    text = "image,label\n" + "a,\n" * 15
    with pytest.raises(DataError, match="lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 5 more"):
        from_table(write(text))


def test_missing_files_are_unreadable(write):
    text = "image,label\nimages/a 0.png,cat\nnone.png,dog\nimages/a 1.png,dog\n"
    with pytest.warns(UnreadableImageWarning, match=r"1 unreadable image.*none\.png"):
        dataset = from_table(write(text))
    assert dataset.unreadable == ("none.png",)
    with pytest.raises(ImageError, match="No such file"):
        from_table(write(text), on_error="raise")


def test_other_encodings_and_missing_tables(write, tmp_path):
    with pytest.raises(DataError, match="not text in UTF-8"):
        from_table(write("image,label\né,b\n", encoding="latin-1"))
    with pytest.raises(DataError, match="cannot be read"):
        from_table(tmp_path / "none.csv")
