"""What is wrong with artifacts beside their answers to the examples, one sentence each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kerastl.bundles.bundle import Artifact
from kerastl.bundles.running import Answers
from kerastl.formats.labels import names_held
from kerastl.outputs import Gate
from kerastl.task import Task

Array = np.ndarray[Any, Any]


def held_faults(answers: Answers, task: Task) -> list[str]:
    """Artifacts that hold other class names, or call their outputs otherwise, than the task."""
    faults = []
    names = names_held(task.outputs)
    for path, fact in answers.facts.items():
        if fact["class_names"] != names:
            faults.append(f"{path} holds the class names {fact['class_names']}, not {names}")
        if fact["outputs"] != sorted(task.outputs):
            faults.append(f"{path} calls its outputs {fact['outputs']}, not {sorted(task.outputs)}")
    return faults


def string_faults(
    answers: Answers, task: Task, reference: Mapping[str, Array], gate: Gate
) -> list[str]:
    """Answers to strings that are not the network's, or whose named label is another.

    Args:
        answers: of all sources.
        task: what comes out.
        reference: the network's outputs for all sources, ``(n, width)`` by name.
        gate: the thresholds.
    """
    faults = []
    for path, found in answers.strings.items():
        wanted = {name: reference[name][answers.positions] for name in task.outputs}
        figures = task.figures(wanted, found, gate, None)
        if not figures["passed"]:
            diff = figures["max_abs_diff"]
            faults.append(
                f"{path} answers strings otherwise than the network, from {task.input.noun} to "
                f"answer: agreement {figures['label_agreement']:.4f}, largest difference "
                f"{'not finite' if diff is None else f'{diff:.2e}'}"
            )
        labels = answers.facts[path]["labels"]
        if labels is not None and labels != task.decode(found):
            faults.append(f"{path} names other labels than its own answers do")
    return faults


def single_faults(
    artifacts: Iterable[Artifact],
    answers: Mapping[str, Mapping[str, Array]],
    task: Task,
    reference: Mapping[str, Array],
    sources: Sequence[Any],
    gate: Gate,
    *,
    allowed: float | None = None,
    labels_too: bool = True,
) -> list[str]:
    """Sources that each float artifact must answer as the network does, one by one.

    Args:
        artifacts: quantised ones are judged on the examples, and of those that failed the report
            says enough.
        answers: by path and output name, ``(n, width)``.
        task: what comes out.
        reference: the network's outputs, ``(n, width)`` by name.
        sources: files, or what no data set holds.
        gate: the thresholds.
        allowed: largest difference where it is another than the gate's.
        labels_too: whether decisions have to agree.
    """
    faults = []
    if allowed is not None:
        gate = Gate(allowed, gate.label_agreement if labels_too else 0.0)
    for artifact in artifacts:
        if artifact.quantization is not None or not artifact.passed:
            continue
        found = answers[artifact.path]
        for row, source in enumerate(sources):
            wanted = {name: values[row : row + 1] for name, values in reference.items()}
            got = {name: values[row : row + 1] for name, values in found.items()}
            figures = task.figures(wanted, got, gate, None)
            if not figures["passed"]:
                faults.append(
                    f"{artifact.path} answers {task.input.shown(source)} otherwise: "
                    f"{_shown(task, got)}, not {_shown(task, wanted)}; largest difference "
                    f"{figures['max_abs_diff']}"
                )
    return faults


def _shown(task: Task, answers: Mapping[str, Array]) -> str:
    return ", ".join(output.shown(answers[name][0]) for name, output in task.outputs.items())
