import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kerastl
from kerastl.errors import ConfigurationError


def image():
    return np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)


def test_view_0_is_the_image():
    np.testing.assert_array_equal(
        kerastl.Augment().apply(image(), seed=1, view=0, example=2), image()
    )


@given(seed=st.integers(0, 9), view=st.integers(1, 9), example=st.integers(0, 9))
def test_the_same_key_gives_the_same_image(seed, view, example):
    key = {"seed": seed, "view": view, "example": example}
    first, second = (kerastl.Augment().apply(image(), **key) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == image().shape
    assert first.dtype == np.uint8


def test_each_part_of_the_key_matters():
    keys = [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2)]
    views = {
        kerastl.Augment().apply(image(), seed=s, view=v, example=e).tobytes() for s, v, e in keys
    }
    assert len(views) == 4


def test_without_flip_nothing_is_mirrored():
    still = kerastl.Augment(crop=(1.0, 1.0), brightness=0.0, flip=False)
    mirrored = kerastl.Augment(crop=(1.0, 1.0), brightness=0.0)
    left = np.zeros((32, 32, 3), np.uint8)
    left[:, :16] = 255
    views = [still.apply(left, seed=0, view=v, example=0)[:, :4].mean() for v in range(1, 12)]
    assert min(views) == 255
    views = [mirrored.apply(left, seed=0, view=v, example=0)[:, :4].mean() for v in range(1, 12)]
    assert min(views) == 0


@pytest.mark.parametrize(
    "settings", [{"views": 0}, {"crop": (0, 1)}, {"crop": (0.9, 0.5)}, {"brightness": 1.0}]
)
def test_settings_that_cannot_be(settings):
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        kerastl.Augment(**settings).check()
