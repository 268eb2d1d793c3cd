"""Which layers of a quantised file stay in float: chosen on examples that no gate sees.

Measured on MobileNet and MobileNetV2, half or more of what 8-bit activations add to the error
comes from the first layers: few channels, large maps, and every later layer amplifies it. They
hold next to no weights, so that keeping them in float costs time and hardly a byte. Single layers
kept in float change nothing, since their neighbours still round what goes in and out. So leading
layers are kept, fewer first. Where activations are float between the layers (``dynamic``), single
layers can be kept, and the caller orders them by the damage that they do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kerastl.formats.litert_graph import run

Array = np.ndarray[Any, Any]

SELECTION_EXAMPLES = 512
# Fewer calibration images than this are not divided.
LEAST_TO_DIVIDE = 16
# The share of the second image in a blend.
BLEND = (0.1, 0.5)


@dataclass(frozen=True)
class Trial:
    """How many layers stay in float, and what the file then is, measured on selection examples.

    Differences are over all outputs, from the float file's; ``milliseconds`` are per example, in
    batches, on the exporting machine.
    """

    float_layers: int
    label_agreement: float
    mean_difference: float
    bytes: int
    milliseconds: float


@dataclass(frozen=True)
class Choice:
    """The bytes of the file that was chosen, and how.

    ``float_layers`` are positions among the layers with weights. ``trials`` are all that were made,
    fewest float layers first. ``target`` is the agreement that was looked for.
    """

    data: bytes
    float_layers: tuple[int, ...]
    trials: tuple[Trial, ...]
    target: float

    def describe(self, examples: int) -> dict[str, Any]:
        """The choice as JSON data."""
        return {
            "examples": examples,
            "source": "blends of calibration images",
            "target_label_agreement": self.target,
            "trials": [asdict(trial) for trial in self.trials],
        }


def divide(images: Array, labels: Array) -> tuple[Array, Array]:
    """Divides calibration images: three quarters to calibrate on, one to choose layers on.

    ``labels``, ``(n,)``, say which images the network answers alike; each is shared out in
    proportion. With too few images to divide, both parts are all of them.
    """
    if len(images) < LEAST_TO_DIVIDE:
        return images, images
    order = np.argsort(labels, kind="stable")
    held_back = np.sort(order[3::4])
    return images[np.setdiff1d(np.arange(len(images)), held_back)], images[held_back]


def selection_examples(images: Array, labels: Array, seed: int = 0) -> Array:
    """Blends of two images each, of different labels where there are any: uint8 ``(512, ...)``.

    A network is sure of the images that it was trained on: quantisation flips no label among
    them, measured on four networks, while it flipped one in ten of new photos. Blends lie as
    close to the boundaries between classes as new photos do, or closer.
    """
    generator = np.random.default_rng(seed)
    first = generator.integers(0, len(images), SELECTION_EXAMPLES)
    second = np.empty_like(first)
    for index, chosen in enumerate(first):
        others = np.flatnonzero(labels != labels[chosen])
        second[index] = generator.choice(others if len(others) else len(images))
    shares = generator.uniform(*BLEND, SELECTION_EXAMPLES)
    blends = np.empty((SELECTION_EXAMPLES, *images.shape[1:]), np.uint8)
    for index, share in enumerate(shares):
        one, other = images[first[index]], images[second[index]]
        blends[index] = np.rint(one * (1 - share) + other * share)
    return blends


def ladder(layers: int) -> list[int]:
    """How many layers to keep in float, trial by trial.

    >>> ladder(53)
    [0, 3, 6, 13, 19, 26, 33, 39]
    """
    shares = (0, 1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4)
    return sorted({int(share * layers) for share in shares})


def choose(
    quantize: Callable[[Sequence[int]], bytes],
    order: Callable[[], Sequence[int]],
    layers: int,
    examples: Array,
    reference: Mapping[str, Array],
    *,
    agreement: Callable[[Mapping[str, Array]], float],
    gate: float,
) -> Choice:
    """Quantises with more and more layers in float until the labels agree.

    What is looked for is half of the disagreement that the gate allows: at the gate's own
    figure every second file would fail it on other examples, by chance.

    Args:
        quantize: makes the file with these layers in float, given by position.
        order: positions of all layers, the first to be kept in float first; asked for only
            where the file with none in float falls short.
        layers: how many there are.
        examples: uint8 ``(n, height, width, 3)``, none of the gate's.
        reference: the float file's outputs for them, by name.
        agreement: the share of a file's answers that decide as the float file's do.
        gate: the label agreement that the gate asks for.

    Returns:
        The first file that reaches the target; if none does, the one that agreed most.
    """
    target = (1 + gate) / 2
    trials: list[Trial] = []
    best: tuple[float, bytes, tuple[int, ...]] | None = None
    ordered: Sequence[int] = ()
    for count in ladder(layers):
        ordered = order() if count and not ordered else ordered
        kept = tuple(sorted(ordered[:count]))
        data = quantize(kept)
        start = time.perf_counter()
        outputs = run(data, examples)
        seconds = time.perf_counter() - start
        agreed = agreement(outputs)
        trials.append(
            Trial(
                float_layers=count,
                label_agreement=round(agreed, 4),
                mean_difference=round(mean_difference(reference, outputs), 5),
                bytes=len(data),
                milliseconds=round(1000 * seconds / len(examples), 2),
            )
        )
        if best is None or agreed > best[0]:
            best = agreed, data, kept
        if agreed >= target:
            break
    assert best is not None
    return Choice(best[1], best[2], tuple(trials), target)


def mean_difference(reference: Mapping[str, Array], outputs: Mapping[str, Array]) -> float:
    """Mean absolute difference over all numbers of all outputs."""
    apart = [np.abs(reference[name] - outputs[name]).ravel() for name in reference]
    return float(np.concatenate(apart).mean())
