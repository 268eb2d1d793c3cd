"""Says what is wrong with an artifact that does not answer like the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles.bundle import Artifact
from kerastl.bundles.proof import Proof
from kerastl.bundles.running import run_artifacts
from kerastl.errors import ExportError
from kerastl.outputs import Output
from kerastl.task import Answers, Array

# Enough to tell causes apart; artifacts are run once more for each.
EXAMPLES = 16
# All pairs of columns are compared: of a vector's many numbers on a few examples.
_FEW = 32


def diagnose(
    folder: Path, artifacts: Sequence[Artifact], proof: Proof, answers: Mapping[str, Answers]
) -> list[str]:
    """One sentence for each of the usual causes that is found in artifacts that failed.

    ``answers`` are the artifacts' to the examples, by path and output name.
    """
    task, reference = proof.task, proof.rows(proof.example_rows)
    found, unexplained = [], []
    for artifact in artifacts:
        if artifact.passed:
            continue
        reasons = []
        for name, output in task.outputs.items():
            given = answers[artifact.path].get(name)
            judge = partial(output.figures, gate=proof.gate, quantization=artifact.quantization)
            reason = _in_output(output, reference[name], given, task.input.nouns, judge)
            if reason is not None:
                reasons.append(f"of {name!r}, {reason}" if len(task.outputs) > 1 else reason)
        found += [f"{artifact.path}: {reason}" for reason in reasons]
        if not reasons:
            unexplained.append(artifact)
    return found + _in_the_inputs(folder, unexplained, proof)


def _in_output(
    output: Output,
    reference: Array,
    outputs: Array | None,
    nouns: str,
    figures: Callable[[Array, Array], dict[str, Any]],
) -> str | None:
    if outputs is None:
        return "it lacks an output"
    if outputs.shape != reference.shape:
        return f"it has outputs of the shape {outputs.shape}, not {reference.shape}"
    bad = int((~np.isfinite(outputs).all(axis=1)).sum())
    if bad:
        return (
            f"it answers with values that are not finite on {bad} of {len(outputs)} {nouns}: "
            "a weight is NaN or infinite, or the conversion overflowed"
        )
    few = slice(None) if output.class_names else slice(_FEW)
    order = order_of(reference[few], outputs[few])
    if order is None:
        return None
    restored = np.empty_like(outputs)
    restored[:, order] = outputs
    # Columns that are merely near to one another are no explanation.
    if not figures(reference, restored)["passed"]:
        return None
    first = next(index for index, target in enumerate(order) if index != target)
    return (
        f"its outputs are in another order: output {first} is {output.column(order[first])}, not "
        f"{output.column(first)}"
    )


def order_of(reference: Array, outputs: Array) -> list[int] | None:
    """For each column the network's column that it is nearest to; None where none moved."""
    distances = np.abs(outputs[:, :, None] - reference[:, None, :]).mean(axis=0)
    order = [int(index) for index in distances.argmin(axis=1)]
    if sorted(order) != list(range(len(order))) or order == list(range(len(order))):
        return None
    return order


def _in_the_inputs(folder: Path, artifacts: Sequence[Artifact], proof: Proof) -> list[str]:
    """Runs artifacts on changed inputs: what makes one right says what it does wrong."""
    found: list[str] = []
    left, task = list(artifacts), proof.task
    examples = proof.examples[:EXAMPLES]
    wanted = proof.rows(slice(len(examples)))
    for changed, input, meaning in task.input.suspicions(examples):
        if not left:
            break
        planned = [(artifact.format, artifact.path) for artifact in left]
        entries = {**input.manifest_entries(), "task": task.name}
        try:
            answers = run_artifacts(folder, planned, input, entries, changed, strings=False)
        except ExportError:
            # What fails on other values is no explanation.
            continue
        for artifact in list(left):
            got = answers.outputs[artifact.path]
            if task.figures(wanted, got, proof.gate, artifact.quantization)["passed"]:
                found.append(f"{artifact.path}: {meaning}")
                left.remove(artifact)
    return found
