"""What parity is measured on: synthetic images where none are given, and how much they tell."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from kerastl.exporting.bundle import Artifact, Gate
from kerastl.metrics import wilson_interval

# A loss of this much, beyond what the gate allows, is to be ruled out by the examples.
UNSEEN_LOSS = 0.1


class FewExamplesWarning(UserWarning):
    """The examples are too few, or too much alike, to tell what a quantised artifact is worth."""


def warn_of_few(artifacts: Iterable[Artifact], gate: Gate, what: str, labels: int | None) -> None:
    """Warns where label agreement on the examples says little.

    Args:
        artifacts: what passed the gate.
        gate: the thresholds.
        what: what the examples are, as in ``"validation images"``.
        labels: how many labels the network gives to the examples; None where it gives none.
    """
    for artifact in artifacts:
        if artifact.quantization is None:
            continue
        agreed = round(artifact.label_agreement * artifact.n)
        low, _ = wilson_interval(agreed, artifact.n)
        if labels == 1:
            reason = f"the network gives all {artifact.n} {what} the same label"
        elif low < gate.quantized_label_agreement - UNSEEN_LOSS:
            reason = (
                f"{agreed} of {artifact.n} {what} tell that it gives the network's label to at "
                f"least {low:.0%} of others (95 % Wilson interval), not to "
                f"{gate.quantized_label_agreement:.0%}"
            )
        else:
            continue
        warnings.warn(
            f"{artifact.path} passed the gate, which says little: {reason}. Prove it on more "
            "examples.",
            FewExamplesWarning,
            stacklevel=4,
        )


def synthetic_images(n: int, size: tuple[int, int], seed: int = 0) -> np.ndarray[Any, Any]:
    """Structured random images: in turn noise, linear gradients and smooth blobs.

    Pure noise drives a convolutional network to nearly one answer; gradients and blobs add the
    low frequencies that photographs have.

    Args:
        n: number of images.
        size: ``(height, width)``.
        seed: seed of the generator.

    Returns:
        uint8 ``(n, height, width, 3)``.
    """
    generator = np.random.default_rng(seed)
    height, width = size
    y, x = np.mgrid[0:height, 0:width]
    y, x = y / max(height - 1, 1), x / max(width - 1, 1)
    images = np.empty((n, height, width, 3), dtype=np.uint8)
    for index in range(n):
        if index % 3 == 0:
            values = generator.uniform(0, 255, (height, width, 3))
        elif index % 3 == 1:
            low, high = generator.uniform(0, 255, (2, 3))
            angle = generator.uniform(0, 2 * np.pi)
            ramp = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5) + 0.5
            values = low + (high - low) * ramp[..., None]
        else:
            values = np.broadcast_to(generator.uniform(0, 255, 3), (height, width, 3)).copy()
            for _ in range(6):
                centre_y, centre_x = generator.uniform(0, 1, 2)
                spread = generator.uniform(0.05, 0.3)
                blob = np.exp(-((y - centre_y) ** 2 + (x - centre_x) ** 2) / (2 * spread**2))
                values += blob[..., None] * generator.uniform(-160, 160, 3)
        images[index] = np.clip(np.rint(values), 0, 255)
    return images
