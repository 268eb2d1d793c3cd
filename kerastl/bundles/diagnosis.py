"""Says what is wrong with an artifact that does not answer like the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles import parity
from kerastl.bundles.bundle import Artifact, Gate
from kerastl.bundles.running import run_artifacts
from kerastl.errors import ExportError

Array = np.ndarray[Any, Any]

EXAMPLES = 32

# What the images are turned into, and what it means if the artifact then answers rightly.
_SUSPICIONS: tuple[tuple[Callable[[Array], Array], str], ...] = (
    (lambda x: x[..., ::-1], "its colour order is BGR, not RGB"),
    (
        lambda x: x / 127.5 - 1,
        "its graph lacks the network's preprocessing: it wants pixels from -1 to 1",
    ),
    (lambda x: x / 255, "its graph lacks the network's preprocessing: it wants pixels from 0 to 1"),
    (lambda x: (x + 1) * 127.5, "its graph maps pixels to -1..1 twice"),
    (lambda x: x * 255, "its graph divides pixels by 255 twice"),
)


def diagnose(
    folder: Path,
    artifacts: Sequence[Artifact],
    images: Array,
    reference: Array,
    outputs: Mapping[str, Array],
    class_names: Sequence[str],
    gate: Gate,
) -> list[str]:
    """Looks for the usual causes in artifacts that failed.

    Args:
        folder: the bundle.
        artifacts: what was measured; those that passed are passed over.
        images: uint8 ``(n, height, width, 3)``.
        reference: the network's outputs, ``(n, classes)``.
        outputs: the artifacts' outputs by path, ``(n, classes)``.
        class_names: one name per output.
        gate: the thresholds.

    Returns:
        One sentence for each cause that was found; none where it is another.
    """
    found = []
    unexplained = []
    for artifact in artifacts:
        if artifact.passed:
            continue
        reason = _in_the_outputs(reference, outputs[artifact.path], class_names, gate, artifact)
        if reason is None:
            unexplained.append(artifact)
        else:
            found.append(f"{artifact.path}: {reason}")
    return found + _in_the_inputs(folder, unexplained, images[:EXAMPLES], reference, gate)


def _in_the_outputs(
    reference: Array, outputs: Array, class_names: Sequence[str], gate: Gate, artifact: Artifact
) -> str | None:
    if outputs.shape != reference.shape:
        return f"it has outputs of the shape {outputs.shape}, not {reference.shape}"
    bad = int((~np.isfinite(outputs).all(axis=1)).sum())
    if bad:
        return (
            f"it answers with values that are not finite on {bad} of {len(outputs)} images: "
            "a weight is NaN or infinite, or the conversion overflowed"
        )
    order = order_of(reference, outputs)
    if order is None:
        return None
    restored = np.empty_like(outputs)
    restored[:, order] = outputs
    if not _agree(reference, restored, gate, artifact):
        return None
    first = next(index for index, target in enumerate(order) if index != target)
    return (
        "its outputs are in another order: "
        f"output {first} is {class_names[order[first]]!r}, not {class_names[first]!r}"
    )


def order_of(reference: Array, outputs: Array) -> list[int] | None:
    """For each column the network's column that it is nearest to; None where none moved."""
    distances = np.abs(outputs[:, :, None] - reference[:, None, :]).mean(axis=0)
    order = [int(index) for index in distances.argmin(axis=1)]
    if sorted(order) != list(range(len(order))) or order == list(range(len(order))):
        return None
    return order


def _in_the_inputs(
    folder: Path, artifacts: list[Artifact], images: Array, reference: Array, gate: Gate
) -> list[str]:
    found: list[str] = []
    left = list(artifacts)
    for change, meaning in _SUSPICIONS:
        if not left:
            break
        changed = np.ascontiguousarray(change(images.astype(np.float32)))
        try:
            answers = run_artifacts(
                folder, [(artifact.format, artifact.path) for artifact in left], changed, []
            )
        except ExportError:
            # What fails on other pixels is no explanation.
            continue
        for artifact in list(left):
            if _agree(reference[: len(images)], answers.outputs[artifact.path], gate, artifact):
                found.append(f"{artifact.path}: {meaning}")
                left.remove(artifact)
    return found


def _agree(reference: Array, outputs: Array, gate: Gate, artifact: Artifact) -> bool:
    difference = parity.max_abs_diff(reference, outputs)
    agreement = float(parity.agreeing(reference, outputs).mean())
    return parity.passes(gate, artifact.quantization, difference, agreement)
