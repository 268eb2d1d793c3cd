from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

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
