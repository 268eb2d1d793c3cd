"""What is wrong with the artifacts of a text bundle: their figures, and faults beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerastl.bundles import parity
from kerastl.bundles.bundle import Artifact, Gate
from kerastl.bundles.text_parity import Decisions, output_name
from kerastl.bundles.text_running import TextAnswers

Array = np.ndarray[Any, Any]

_SHOWN = 40


def figures(
    decisions: Decisions, gate: Gate, quantization: str | None, reference: Array, outputs: Array
) -> dict[str, Any]:
    """The parity of an artifact's outputs, by the names of ``Artifact``."""
    diff = parity.max_abs_diff(reference, outputs)
    agreement = float(decisions.agreeing(reference, outputs, gate, quantization).mean())
    return {
        "max_abs_diff": diff,
        "label_agreement": agreement,
        "n": len(reference),
        "passed": decisions.passes(reference, diff, agreement, gate, quantization),
    }


def faults_of(
    answers: TextAnswers, artifacts: Sequence[Artifact], decisions: Decisions, gate: Gate
) -> list[str]:
    """What is wrong with artifacts beside their outputs, one sentence each."""
    faults = []
    for artifact in artifacts:
        fact = answers.facts[artifact.path]
        if fact["class_names"] != list(decisions.class_names):
            faults.append(
                f"{artifact.path} holds the class names {fact['class_names']}, not "
                f"{list(decisions.class_names)}"
            )
        if fact["output"] != output_name(decisions.kind):
            faults.append(
                f"{artifact.path} calls its output {fact['output']!r}, not "
                f"{output_name(decisions.kind)!r}"
            )
        outputs = answers.outputs[artifact.path]
        whole = outputs.shape[1] == len(decisions.class_names)
        if fact.get("labels") and whole and fact["labels"] != decisions.labels(outputs):
            faults.append(f"{artifact.path} names other labels than its own probabilities do")
        apart = fact.get("signatures_differ_by", 0.0)
        if apart > gate.max_abs_diff * decisions.scale(outputs):
            faults.append(
                f"the signatures serving_default and serve_tokens of {artifact.path} differ by "
                f"{apart:.2e}: the tokenizer in its graph gives other ids than tokenizer.json"
            )
    return faults


def probe_faults(
    probes: Sequence[str],
    reference: Array,
    outputs: dict[str, Array],
    artifacts: Sequence[Artifact],
    decisions: Decisions,
    gate: Gate,
) -> list[str]:
    """Texts that no data set holds: float artifacts must answer them as the model does.

    Args:
        probes: the texts.
        reference: the network's outputs for them, ``(n, outputs)``.
        outputs: the artifacts' by path, ``(n, outputs)``.
        artifacts: quantised ones are judged on the examples, and of those that failed the report
            says enough.
        decisions: what the outputs mean.
        gate: the thresholds.
    """
    faults = []
    for artifact in artifacts:
        if artifact.quantization is not None or not artifact.passed:
            continue
        for text, wanted, got in zip(probes, reference, outputs[artifact.path], strict=True):
            measured = figures(decisions, gate, None, wanted[None], got[None])
            if not measured["passed"]:
                faults.append(
                    f"{artifact.path} answers the text {text[:_SHOWN]!a} otherwise: "
                    f"{decisions.shown(got)}, not {decisions.shown(wanted)}; largest difference "
                    f"{measured['max_abs_diff']}"
                )
    return faults
