"""Augmentation of images, deterministic for each (seed, view, example)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from PIL import Image

from kerastl.errors import ConfigurationError

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Augment:
    """How training images are varied.

    A view is one variation of the whole training set; view 0 is the set as it is. Training
    cycles through the views, one an epoch, so that the frozen part of a network is paid for
    once a view, and not once an epoch.

    Attributes:
        views: how many views, the original counted in; at least 1.
        flip: mirror left and right in half of the cases. Switch it off where left and right
            matter: digits, letters, traffic signs.
        crop: least and greatest share of the image's area that is kept, then stretched to the
            full size.
        brightness: greatest relative change of all pixel values, in [0, 1).
        seed: of the views; apart from the run's, so that runs of other seeds share the cached
            activations of the same views.
    """

    views: int = 8
    flip: bool = True
    crop: tuple[float, float] = (0.6, 1.0)
    brightness: float = 0.1
    seed: int = 0

    def check(self) -> None:
        """Raises ConfigurationError where a setting is not valid."""
        if self.views < 1:
            raise ConfigurationError(f"views={self.views}; give at least 1.")
        low, high = self.crop
        if not 0 < low <= high <= 1:
            raise ConfigurationError(f"crop={self.crop}; give 0 < least <= greatest <= 1.")
        if not 0 <= self.brightness < 1:
            raise ConfigurationError(f"brightness={self.brightness}; allowed is [0, 1).")

    def apply(self, image: Array, *, seed: int, view: int, example: int) -> Array:
        """Varies one image uint8 (height, width, 3); view 0 returns it as it is.

        The same arguments give the same image on every machine. ``example`` is the number of the
        example in the training set.
        """
        if view == 0:
            return image
        random = np.random.default_rng([seed, view, example])
        height, width = image.shape[:2]
        share = random.uniform(*self.crop)
        stretch = math.exp(random.uniform(-0.22, 0.22))  # aspect ratios of 4:5 to 5:4
        tall = min(1.0, math.sqrt(share) * stretch) * height
        wide = min(1.0, math.sqrt(share) / stretch) * width
        top = random.uniform(0, height - tall)
        left = random.uniform(0, width - wide)
        flip = random.random() < 0.5
        gain = 1 + random.uniform(-self.brightness, self.brightness)
        cropped = Image.fromarray(image).resize(
            (width, height), Image.Resampling.BILINEAR, box=(left, top, left + wide, top + tall)
        )
        if self.flip and flip:
            cropped = cropped.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return np.clip(np.asarray(cropped) * gain + 0.5, 0, 255).astype(np.uint8)
