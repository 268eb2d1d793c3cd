from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from kerastl.data import load, load_pair, load_text_pair, load_texts
from kerastl.data.tfds import builder_of
from kerastl.errors import ConfigurationError, DataError, MissingExtraError, TextError
from kerastl.outputs import Number, Vector
from tests.data.conftest import FakeBuilder


def texts_builder(text=b"caf\xc3\xa9 ", **options):
    options = {"features": ("text", "label"), "names": ("neg", "pos"), **options}
    return FakeBuilder(make=lambda split, i: text + f"{split} {i}".encode(), **options)


def test_random_access():
    dataset = load(FakeBuilder(), split="train")
    assert dataset.class_names == ("tulip", "daisy")
    assert dataset.names[1] == "train/1"
    assert len(dataset) == 10
    images, labels = next(dataset.batches((8, 8), 10))
    assert images.shape == (10, 8, 8, 3)
    assert labels.tolist() == [0, 1] * 5


def test_parts_of_builders():
    assert len(load(FakeBuilder(), split="test")) == 4
    with pytest.raises(DataError, match=r"divided into 'train', 'test'. Name the part"):
        load(FakeBuilder())
    with pytest.raises(DataError, match=r"no validation part. It has: 'train', 'test'"):
        load(FakeBuilder(), split="validation")
    train, validation = load_pair(FakeBuilder())
    assert (len(train), len(validation)) == (8, 2)
    train, validation = load_pair(FakeBuilder({"train": 10, "valid": 6}))
    assert (len(train), len(validation)) == (10, 6)


def test_class_names_in_another_order():
    dataset = load(FakeBuilder(), split="train", class_names=["daisy", "tulip"])
    assert dataset.labels.tolist() == [1, 0] * 5
    with pytest.raises(DataError, match="'tulip', which is not expected"):
        load(FakeBuilder(), split="train", class_names=["daisy", "rose"])


def test_texts():
    data = load_texts(texts_builder(), split="test")
    assert data.sources[1] == "café test 1"
    assert data.names[1] == "test/1"
    assert data.class_names == ("neg", "pos")
    train, validation = load_text_pair(texts_builder())
    assert (len(train), len(validation)) == (8, 2)
    with pytest.raises(TextError, match="example 0 is not in UTF-8"):
        load_texts(texts_builder(text=b"\xff"), split="test")


def test_groups_from_names():
    dataset = load(FakeBuilder(), split="train", groups=lambda name: int(name[-1]) // 2)
    assert dataset.groups == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    with pytest.raises(ConfigurationError, match="For a TFDS data set, groups must be a function"):
        load(FakeBuilder(), split="train", groups=[0] * 10)


def test_labels_that_builders_do_not_give():
    with pytest.raises(ConfigurationError, match="A TFDS data set gives each image one class"):
        load(FakeBuilder(), split="test", outputs=Number())
    assert load(FakeBuilder(), split="test", outputs=Vector()).class_names == ("tulip", "daisy")


def test_a_class_without_examples():
    builder = FakeBuilder(names=("tulip", "daisy", "rose"))
    with pytest.raises(DataError, match="no example of 'rose'"):
        load(builder, split="train")
    assert load(builder, split="train", allow_missing_classes=True).num_classes == 3


def test_other_features():
    with pytest.raises(DataError, match="no feature 'text', which a classification of texts"):
        load_texts(FakeBuilder(), split="test")
    with pytest.raises(DataError, match="no feature 'label'"):
        load(FakeBuilder(features=("image", "boxes")), split="train")
    with pytest.raises(DataError, match="does not name its classes"):
        load(FakeBuilder(names=None), split="train")


def test_data_that_cannot_be_read():
    class Unprepared(FakeBuilder):
        def as_data_source(self, split):
            raise AssertionError("Dataset fakes: could not find data in /nowhere")

    with pytest.raises(DataError, match=r"could not find data.*Other ways: prepare"):
        load(Unprepared(), split="train")


def test_names_of_data_sets(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(MissingExtraError, match=r"kerastl\[tfds\]"):
        load("tfds:tf_flowers")

    def builder(name, file_format):
        assert (name, file_format) == ("tf_flowers", "array_record")
        fake = FakeBuilder()
        fake.download_and_prepare = lambda: None
        return fake

    monkeypatch.setitem(sys.modules, "tensorflow_datasets", SimpleNamespace(builder=builder))
    assert len(load("tfds:tf_flowers", split="test")) == 4
    train, validation = load_pair("tfds:tf_flowers", "tfds:tf_flowers")
    assert (len(train), len(validation)) == (10, 4)

    def unreachable(name, file_format):
        raise ConnectionError("no network")

    monkeypatch.setitem(sys.modules, "tensorflow_datasets", SimpleNamespace(builder=unreachable))
    with pytest.raises(DataError, match=r"no network. Other ways: .*TFDS_DATA_DIR"):
        builder_of("tfds:tf_flowers")
