from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.shared import real_data


@pytest.fixture
def trashnet() -> Path:
    return real_data("trashnet_small")


def noise(seed: int, size: tuple[int, int] = (12, 10)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def save(path: Path, seed: int = 0, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(seed)).save(path, **options)
    return path


def truncate(path: Path, keep: float = 0.5) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    def make(classes: Iterable[str] = ("cat", "dog"), each: int = 3, root: str = "photos") -> Path:
        base = tmp_path / root
        for k, name in enumerate(classes):
            for i in range(each):
                # The class counts from 1 in the seed, so that every image is another one.
                save(base / name / f"{i}.png", seed=1000 * (k + 1) + i + sum(map(ord, root)))
        return base

    return make


@pytest.fixture
def make_text_folder(tmp_path: Path) -> Callable[..., Path]:
    def make(classes: Iterable[str] = ("ham", "spam"), each: int = 3, root: str = "mails") -> Path:
        for name in classes:
            for i in range(each):
                path = tmp_path / root / name / f"{i}.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{root} {name} text {i}\n")
        return tmp_path / root

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a table beside the folder ``images`` with four of them."""
    for i in range(4):
        save(tmp_path / "images" / f"a {i}.png", i)

    def write(content: str | bytes, name: str = "table.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


class FakeBuilder:
    """What is used of a TFDS builder."""

    name = "fakes"

    def __init__(
        self,
        sizes=None,
        names=("tulip", "daisy"),
        features=("image", "label"),
        make=lambda split, i: noise(i + sum(map(ord, split)) * 100),
    ):
        self.sizes = {"train": 10, "test": 4} if sizes is None else sizes
        self.make = make
        self.feature = features[0]
        label = SimpleNamespace(names=list(names) if names else None)
        self.info = SimpleNamespace(
            splits=dict.fromkeys(self.sizes), features=dict.fromkeys(features, label)
        )

    def as_data_source(self, split):
        if split not in self.sizes:
            raise ValueError(f"unknown split {split}")
        return [
            {self.feature: self.make(split, i), "label": np.int64(i % 2)}
            for i in range(self.sizes[split])
        ]
