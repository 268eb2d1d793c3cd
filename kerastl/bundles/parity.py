"""Compares an artifact's answers with the network's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from kerastl.bundles.bundle import Artifact, Gate
from kerastl.errors import ExportError

Array = np.ndarray[Any, Any]

# Two classes this close in the network's own answer are a tie: rounding decides the label.
TIE = 1e-6


def finite(outputs: Array, what: str) -> Array:
    """Returns the network's own outputs, ``(n, outputs)``.

    Args:
        outputs: of the network.
        what: what they are of, as in ``"images"``.

    Raises:
        ExportError: one of them is not finite.
    """
    if not np.isfinite(outputs).all():
        bad = int((~np.isfinite(outputs).all(axis=1)).sum())
        raise ExportError(
            f"The network itself answers with values that are not finite, on {bad} of "
            f"{len(outputs)} {what}: a weight is NaN or infinite, or the training diverged."
        )
    return outputs


def max_abs_diff(reference: Array, outputs: Array) -> float | None:
    """Largest difference of two arrays; None where shapes differ or a value is not finite."""
    if reference.shape != outputs.shape or not np.isfinite(outputs).all():
        return None
    return float(np.max(np.abs(reference.astype(np.float64) - outputs), initial=0.0))


def agreeing(reference: Array, outputs: Array) -> Array:
    """Which examples get the same label: bool ``(n,)``.

    Args:
        reference: the network's outputs, ``(n, classes)``.
        outputs: the artifact's, of the same shape; others agree nowhere.
    """
    if reference.shape != outputs.shape:
        return np.zeros(len(reference), dtype=bool)
    chosen = outputs.argmax(axis=1)
    lead = reference.max(axis=1) - np.take_along_axis(reference, chosen[:, None], axis=1)[:, 0]
    return np.asarray((lead <= TIE) & np.isfinite(outputs).all(axis=1))


def passes(gate: Gate, quantization: str | None, diff: float | None, agreement: float) -> bool:
    """Whether an artifact with these figures passes the gate."""
    if diff is None:
        return False
    if quantization is not None:
        return agreement >= gate.quantized_label_agreement
    return diff <= gate.max_abs_diff and agreement >= gate.label_agreement


def probabilities_or_scores(outputs: Array) -> str:
    """``"probabilities"`` where rows lie in 0..1 and sum to 1, else ``"scores"``."""
    within = outputs.min() >= -1e-6 and outputs.max() <= 1 + 1e-6
    return "probabilities" if within and np.allclose(outputs.sum(1), 1, atol=1e-3) else "scores"


def describe(artifacts: Iterable[Artifact], gate: Gate) -> str:
    """One line per artifact, with its figures and by how much it fell short."""
    lines = []
    for artifact in artifacts:
        name = artifact.path if artifact.quantization is None else f"{artifact.path}"
        diff = artifact.max_abs_diff
        figures = (
            f"label agreement {artifact.label_agreement:.4f} on {artifact.n} examples, largest "
            f"difference {'not finite, or of another shape' if diff is None else f'{diff:.2e}'}"
        )
        lines.append(
            f"  {'passed' if artifact.passed else 'FAILED'}  {name}: {figures}"
            + "".join(f"; {reason}" for reason in _shortfalls(artifact, gate))
        )
    return "\n".join(lines)


def _shortfalls(artifact: Artifact, gate: Gate) -> list[str]:
    if artifact.passed:
        return []
    threshold = gate.threshold(artifact.quantization)
    needed, allowed = threshold["label_agreement"], threshold["max_abs_diff"]
    reasons = []
    if needed is not None and artifact.label_agreement < needed:
        short = needed - artifact.label_agreement
        reasons.append(f"the gate asks for an agreement of {needed:g}, {short:.4f} more")
    if allowed is not None and artifact.max_abs_diff is not None:
        excess = artifact.max_abs_diff - allowed
        if excess > 0:
            reasons.append(f"the gate allows a difference of {allowed:g}, {excess:.2e} less")
    return reasons
