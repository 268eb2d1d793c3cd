"""Reports artifacts that failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kerastl.bundles.bundle import Artifact
from kerastl.bundles.diagnosis import diagnose
from kerastl.bundles.proof import Proof
from kerastl.errors import ParityError, counted
from kerastl.outputs import Gate
from kerastl.task import Answers


def refuse_failed(
    headline: str,
    folder: Path,
    proof: Proof,
    artifacts: Sequence[Artifact],
    answers: Mapping[str, Answers],
    faults: Sequence[str],
    *,
    advice: str | None = None,
) -> None:
    """Raises ParityError where an artifact did not pass, or where there are other faults.

    ``answers`` are the artifacts' to the examples, by path and output name. The report begins with
    ``headline``, and ends with ``advice`` where a quantised artifact failed.
    """
    if not faults and all(artifact.passed for artifact in artifacts):
        return
    causes = diagnose(folder, artifacts, proof, answers)
    report = [
        headline,
        describe(artifacts, proof.gate),
        *(f"  CAUSE   {cause}" for cause in causes),
        *(f"  FAILED  {fault}" for fault in faults),
    ]
    if advice and any(not item.passed and item.quantization for item in artifacts):
        report.append(advice)
    raise ParityError("\n".join(report), [vars(artifact) for artifact in artifacts])


def describe(artifacts: Iterable[Artifact], gate: Gate) -> str:
    """One line per artifact, with its figures and by how much it fell short."""
    lines = []
    for artifact in artifacts:
        diff = artifact.max_abs_diff
        figures = (
            f"label agreement {artifact.label_agreement:.4f} on {counted(artifact.n, 'example')}, "
            "largest difference "
            f"{'not finite, or of another shape' if diff is None else f'{diff:.2e}'}"
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
    threshold, diff = gate.threshold(artifact.quantization), artifact.max_abs_diff
    needed, allowed = threshold["label_agreement"], threshold["max_abs_diff"]
    reasons = []
    if needed is not None and artifact.label_agreement < needed:
        short = needed - artifact.label_agreement
        reasons.append(f"the gate asks for an agreement of {needed:g}, {short:.4f} more")
    if allowed is not None and diff is not None and diff > allowed:
        excess = diff - allowed
        reasons.append(f"the gate allows a difference of {allowed:g}, {excess:.2e} less")
    return reasons
