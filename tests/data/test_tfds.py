from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from kerastl.data import from_builder, load, load_pair
from kerastl.data.tfds import builder_of
from kerastl.errors import DataError, MissingExtraError
from tests.data.conftest import noise


class FakeBuilder:
    """What is used of a TFDS builder."""

    name = "fakes"

    def __init__(self, sizes=None, names=("tulip", "daisy"), features=("image", "label")):
        self.sizes = {"train": 10, "test": 4} if sizes is None else sizes
        label = SimpleNamespace(names=list(names) if names else None)
        self.info = SimpleNamespace(
            splits=dict.fromkeys(self.sizes), features=dict.fromkeys(features, label)
        )

    def as_data_source(self, split):
        if split not in self.sizes:
            raise ValueError(f"unknown split {split}")
        return [
            {"image": noise(i + 100 * len(split)), "label": np.int64(i % 2)}
            for i in range(self.sizes[split])
        ]


def test_random_access():
    dataset = from_builder(FakeBuilder(), split="train")
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
    dataset = from_builder(FakeBuilder(), split="train", class_names=["daisy", "tulip"])
    assert dataset.labels.tolist() == [1, 0] * 5
    with pytest.raises(DataError, match="'tulip', which is not expected"):
        from_builder(FakeBuilder(), split="train", class_names=["daisy", "rose"])


def test_other_features():
    with pytest.raises(DataError, match="no feature 'label'"):
        from_builder(FakeBuilder(features=("image", "boxes")), split="train")
    with pytest.raises(DataError, match="does not name its classes"):
        from_builder(FakeBuilder(names=None), split="train")


def test_data_that_cannot_be_read():
    class Unprepared(FakeBuilder):
        def as_data_source(self, split):
            raise AssertionError("Dataset fakes: could not find data in /nowhere")

    with pytest.raises(DataError, match=r"could not find data.*Other ways: prepare"):
        from_builder(Unprepared(), split="train")


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
