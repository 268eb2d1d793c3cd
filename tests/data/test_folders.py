from __future__ import annotations

import os
import unicodedata

import pytest

from kerastl.data import IgnoredFilesWarning, UnreadableImageWarning, from_folder
from kerastl.data.folders import split_folders
from kerastl.errors import DataError, ImageError
from tests.data.conftest import save


def test_classes_are_sorted_folders(make_folder):
    dataset = from_folder(make_folder(["zebra", "ant bear", "Ünïcode", "象"], each=2))
    assert dataset.class_names == ("ant bear", "zebra", "Ünïcode", "象")
    assert dataset.names[:3] == ("ant bear/0.png", "ant bear/1.png", "zebra/0.png")
    assert dataset.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_nested_hidden_and_other_files(make_folder):
    folder = make_folder()
    save(folder / "cat" / "deep" / "er" / "x.JPG")
    save(folder / "cat" / ".hidden.png")
    save(folder / ".git" / "y.png")
    save(folder / "cat" / ".thumbnails" / "z.png")
    (folder / "cat" / "notes.txt").write_text("none")
    (folder / "README.md").write_text("none")
    dataset = from_folder(folder)
    assert dataset.class_names == ("cat", "dog")
    assert "cat/deep/er/x.JPG" in dataset.names
    assert len(dataset) == 7


def test_images_outside_the_classes_are_counted(make_folder):
    folder = make_folder()
    save(folder / "stray.png")
    save(folder / "other.jpg")
    with pytest.warns(IgnoredFilesWarning, match="2 images outside any class.*'other.jpg'"):
        assert len(from_folder(folder)) == 6


def test_links_are_followed_but_never_in_circles(make_folder, tmp_path):
    folder = make_folder()
    elsewhere = save(tmp_path / "elsewhere" / "e.png").parent
    (folder / "cat" / "linked").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(elsewhere)
    (folder / "cat" / "up").symlink_to(folder)
    (folder / "cat" / "sibling").symlink_to(folder / "dog")
    (folder / "dog" / "self").symlink_to(folder / "dog" / "self")
    (folder / "bird").symlink_to(save(tmp_path / "birds" / "b.png").parent)
    dataset = from_folder(folder)
    assert dataset.class_counts() == {"bird": 1, "cat": 4, "dog": 3}


def test_broken_links_are_unreadable(make_folder):
    folder = make_folder()
    (folder / "cat" / "gone.png").symlink_to(folder / "nowhere.png")
    with pytest.warns(UnreadableImageWarning, match=r"1 unreadable image skipped: .*gone\.png\."):
        dataset = from_folder(folder)
    assert dataset.unreadable == ("cat/gone.png",)


def test_unreadable_images_at_entry(make_folder):
    folder = make_folder(each=4)
    (folder / "cat" / "0.png").write_bytes(b"")
    (folder / "cat" / "1.png").write_text("text")
    os.mkfifo(folder / "cat" / "pipe.png")
    with pytest.warns(UnreadableImageWarning, match="2 unreadable images .*0.png, .*1.png.*empty"):
        dataset = from_folder(folder)
    assert dataset.class_counts() == {"cat": 2, "dog": 4}
    with pytest.raises(ImageError, match=r"0\.png .*empty.* 1 more"):
        from_folder(folder, on_error="raise")
    for i in (2, 3):
        (folder / "cat" / f"{i}.png").write_bytes(b"")
    with (
        pytest.warns(UnreadableImageWarning),
        pytest.raises(DataError, match="no example that can be read of the class 'cat'"),
    ):
        from_folder(folder)


def test_an_empty_class(make_folder):
    folder = make_folder()
    (folder / "bird").mkdir()
    with pytest.raises(DataError, match="The class 'bird' has no images"):
        from_folder(folder)
    (folder / "bird" / "1.heic").write_text("x")
    with pytest.raises(DataError, match=r"1 of \.heic that are not read"):
        from_folder(folder)


def test_one_class(make_folder):
    folder = make_folder(["cat"])
    with pytest.raises(DataError, match="single class, 'cat'"):
        from_folder(folder)
    assert from_folder(folder, allow_missing_classes=True).class_names == ("cat",)


def test_folders_of_nothing(tmp_path):
    with pytest.raises(DataError, match=r"no folders of images.*photos/cat/1.jpg"):
        from_folder(tmp_path)
    save(tmp_path / "1.png")
    with pytest.raises(DataError, match=r"holds 1 images but no folders.*photos/cat/1.jpg"):
        from_folder(tmp_path)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        from_folder(tmp_path / "none")


def test_class_names_that_clash(make_folder):
    with pytest.raises(DataError, match="'Cat' and 'cat', which differ only by case"):
        from_folder(make_folder(["Cat", "cat"]))
    composed = unicodedata.normalize("NFC", "café")
    decomposed = unicodedata.normalize("NFD", "café")
    with pytest.raises(DataError, match="differ only by Unicode form"):
        from_folder(make_folder([composed, decomposed], root="other"))
    names = from_folder(make_folder([decomposed, "tea"], root="third")).class_names
    assert names == (composed, "tea")
    given = from_folder(make_folder(["Cat", "cat"]), class_names=["cat", "Cat"])
    assert given.class_counts() == {"cat": 3, "Cat": 3}


def test_class_names_given(make_folder):
    folder = make_folder(["a", "b"])
    dataset = from_folder(folder, class_names=["b", "a"])
    assert dataset.labels.tolist() == [1, 1, 1, 0, 0, 0]
    with pytest.raises(DataError, match=r"it has 'b', which is not expected.*no example of 'bb'"):
        from_folder(folder, class_names=["a", "bb"])
    with pytest.raises(DataError, match="no example of 'c'"):
        from_folder(folder, class_names=["a", "b", "c"])
    some = from_folder(folder, class_names=["a", "b", "c"], allow_missing_classes=True)
    assert some.class_names == ("a", "b", "c")


def test_groups_from_names(make_folder):
    dataset = from_folder(make_folder(each=6), groups=lambda name: int(name[4]) // 2)
    assert dataset.groups == [0, 0, 1, 1, 2, 2] * 2
    train, validation = dataset.split(0.3, seed=0)
    assert not set(train.groups) & set(validation.groups)


@pytest.mark.parametrize("name", ["val", "valid", "Validation"])
def test_parts(make_folder, name):
    make_folder(root="all/Train")
    root = make_folder(root=f"all/{name}").parent
    make_folder(root="all/test")
    parts = split_folders(root)
    assert {split: path.name for split, path in parts.items()} == {
        "train": "Train", "validation": name, "test": "test",
    }  # fmt: skip


def test_what_is_not_divided(make_folder):
    assert split_folders(make_folder(["train", "bus"])) == {}
    assert split_folders(make_folder(["train", "test"], root="b")) == {}
    nested = make_folder(["steam", "electric"], root="c/train").parent
    make_folder(["x"], root="c/bus")
    assert split_folders(nested) == {}


def test_a_part_given_twice(make_folder):
    make_folder(root="all/val")
    root = make_folder(root="all/valid").parent
    with pytest.raises(DataError, match="two folders of validation data, 'val' and 'valid'"):
        split_folders(root)
