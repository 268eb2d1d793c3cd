"""The words in which artifacts that failed are reported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kerastl.bundles.bundle import Artifact
from kerastl.errors import ParityError
from kerastl.outputs import Gate


def parity_error(
    artifacts: Sequence[Artifact],
    gate: Gate,
    kind: str,
    nouns: str,
    causes: Iterable[str],
    faults: Iterable[str],
) -> ParityError:
    """The error that stops an export.

    Args:
        artifacts: what was measured.
        gate: the thresholds.
        kind: what the examples are, as ``"validation"``.
        nouns: what they are examples of.
        causes: of ``diagnose``.
        faults: what else is wrong.
    """
    report = [
        "The export was stopped: an artifact does not answer like the network, measured on "
        f"{artifacts[0].n} {kind} {nouns}. Nothing was written.",
        describe(artifacts, gate),
        *(f"  CAUSE   {cause}" for cause in causes),
        *(f"  FAILED  {fault}" for fault in faults),
    ]
    if any(not item.passed and item.quantization for item in artifacts):
        report.append(
            f"Leave the quantisation out, calibrate on more {nouns}, or lower "
            "Gate.quantized_label_agreement (--label-agreement), which the manifest then records."
        )
    return ParityError("\n".join(report), [vars(artifact) for artifact in artifacts])


def describe(artifacts: Iterable[Artifact], gate: Gate) -> str:
    """One line per artifact, with its figures and by how much it fell short."""
    lines = []
    for artifact in artifacts:
        diff = artifact.max_abs_diff
        figures = (
            f"label agreement {artifact.label_agreement:.4f} on {artifact.n} examples, largest "
            f"difference {'not finite, or of another shape' if diff is None else f'{diff:.2e}'}"
        )
        failed = [name for name, item in artifact.outputs.items() if not item["passed"]]
        lines.append(
            f"  {'passed' if artifact.passed else 'FAILED'}  {artifact.path}: {figures}"
            + "".join(f"; {reason}" for reason in _shortfalls(artifact, gate))
            + (f"; of {', '.join(map(repr, failed))}" if failed and not artifact.passed else "")
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
