"""Says what is wrong with an artifact that does not answer texts like the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kerastl.bundles.bundle import Artifact
from kerastl.bundles.diagnosis import order_of

Array = np.ndarray[Any, Any]
_FEW = 32


def causes(
    artifacts: Iterable[Artifact],
    reference: Array,
    outputs: Mapping[str, Array],
    class_names: Sequence[str],
) -> list[str]:
    """Looks for the usual causes in artifacts that failed.

    Args:
        artifacts: what was measured; those that passed are passed over.
        reference: the network's outputs, ``(n, outputs)``.
        outputs: the artifacts' outputs by path, ``(n, outputs)``.
        class_names: one name per output; empty for a regression and an embedding.

    Returns:
        One sentence for each cause that was found; none where it is another.
    """
    found = []
    for artifact in artifacts:
        if not artifact.passed:
            reason = _reason(reference, outputs[artifact.path], class_names)
            found += [f"{artifact.path}: {reason}"] if reason else []
    return found


def _reason(reference: Array, outputs: Array, class_names: Sequence[str]) -> str | None:
    if outputs.shape != reference.shape:
        return f"it has outputs of the shape {outputs.shape}, not {reference.shape}"
    bad = int((~np.isfinite(outputs).all(axis=1)).sum())
    if bad:
        return (
            f"it answers with values that are not finite on {bad} of {len(outputs)} texts: a "
            "weight is NaN or infinite, or the conversion overflowed"
        )
    # All pairs of columns are compared: of a vector's many numbers on a few texts.
    few = slice(None) if class_names else slice(_FEW)
    order = order_of(reference[few], outputs[few])
    if order is None:
        return None
    first = next(index for index, target in enumerate(order) if index != target)
    if not class_names:
        return (
            f"its dimensions are in another order: dimension {first} is the network's dimension "
            f"{order[first]}"
        )
    return (
        f"its outputs are in another order: output {first} is {class_names[order[first]]!r}, not "
        f"{class_names[first]!r}"
    )
