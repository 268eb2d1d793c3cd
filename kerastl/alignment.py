"""Where the places of an example come to lie in what the network gets."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Alignment:
    """How each of n images was moved: one affine map each.

    Points are ``(x, y)`` in pixels, from the left edge and the upper edge; the middle of the
    first pixel is ``(0.5, 0.5)``.

    Attributes:
        matrices: float64 (n, 2, 3); a point becomes ``matrix[:, :2] @ point + matrix[:, 2]``.
    """

    matrices: Array

    def __len__(self) -> int:
        return len(self.matrices)

    def of(self, rows: Array) -> Alignment:
        """That of some images."""
        return Alignment(self.matrices[rows])

    def points(self, points: Array) -> Array:
        """Where k points of each image (n, k, 2) come to lie, float64; maybe outside the image."""
        linear, shift = self.matrices[:, :, :2], self.matrices[:, :, 2]
        found = np.einsum("nij,nkj->nki", linear, np.asarray(points, np.float64))
        return np.asarray(found + shift[:, None, :])

    def inverse(self) -> Alignment:
        """The way back, from what the network gets to the image as it was."""
        linear = np.linalg.inv(self.matrices[:, :, :2])
        shift = -np.einsum("nij,nj->ni", linear, self.matrices[:, :, 2])
        return Alignment(np.concatenate([linear, shift[:, :, None]], axis=2))
