"""Augmentation of images, deterministic for each (seed, view, example)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from PIL import Image

from kerastl.alignment import Alignment
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
        height, width = image.shape[:2]
        box, mirrored, gain = self._drawn((height, width), seed, view, example)
        cropped = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR, box=box)
        if mirrored:
            cropped = cropped.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return np.clip(np.asarray(cropped) * gain + 0.5, 0, 255).astype(np.uint8)

    def alignment(self, size: tuple[int, int], *, seed: int, view: int, count: int) -> Alignment:
        """Where ``apply`` moves the places of ``count`` images of a size (height, width)."""
        height, width = size
        matrices = np.zeros((count, 2, 3))
        matrices[:, 0, 0] = matrices[:, 1, 1] = 1
        for example in range(count if view else 0):
            (left, top, right, bottom), mirrored, _ = self._drawn(size, seed, view, example)
            x, y = width / (right - left), height / (bottom - top)
            matrices[example] = [[x, 0, -x * left], [0, y, -y * top]]
            if mirrored:
                matrices[example, 0] = [-x, 0, width + x * left]
        return Alignment(matrices)

    def _drawn(
        self, size: tuple[int, int], seed: int, view: int, example: int
    ) -> tuple[tuple[float, float, float, float], bool, float]:
        """What an example is given in a view: the part to keep, whether mirrored, the gain."""
        random = np.random.default_rng([seed, view, example])
        height, width = size
        share = random.uniform(*self.crop)
        stretch = math.exp(random.uniform(-0.22, 0.22))  # aspect ratios of 4:5 to 5:4
        tall = min(1.0, math.sqrt(share) * stretch) * height
        wide = min(1.0, math.sqrt(share) / stretch) * width
        top = random.uniform(0, height - tall)
        left = random.uniform(0, width - wide)
        # Drawn in any case, so that the gain is the same with and without mirroring.
        mirrored = random.random() < 0.5 and self.flip
        gain = 1 + random.uniform(-self.brightness, self.brightness)
        return (left, top, left + wide, top + tall), mirrored, gain
