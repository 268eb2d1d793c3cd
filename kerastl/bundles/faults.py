"""What is wrong with artifacts apart from their answers to the examples, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kerastl.bundles.bundle import Artifact
from kerastl.bundles.proof import Proof
from kerastl.bundles.running import Answers
from kerastl.errors import counted
from kerastl.formats.labels import names_held
from kerastl.outputs import Gate
from kerastl.task import Array, Task


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


def string_faults(answers: Answers, proof: Proof) -> list[str]:
    """Answers to strings that are not the network's, or whose named label is another."""
    faults, task = [], proof.task
    for path, found in answers.strings.items():
        wanted = {name: proof.reference[name][answers.positions] for name in task.outputs}
        figures = task.figures(wanted, found, proof.gate, None)
        if not figures["passed"]:
            faults.append(
                f"{path} does not answer strings like the network, from the string to the "
                f"answer: agreement {figures['label_agreement']:.4f}, largest difference "
                f"{_difference(figures)}"
            )
        labels = answers.facts[path]["labels"]
        if labels is not None and figures["passed"] and labels != task.decode(found):
            faults.append(f"{path} names other labels than its own answers do")
    return faults


def single_faults(
    artifacts: Iterable[Artifact], answers: Mapping[str, Mapping[str, Array]], proof: Proof
) -> list[str]:
    """Sources other than the examples that a float artifact does not answer like the network.

    Quantised artifacts are judged on the examples, and of those that failed the report says enough.
    """
    faults, task = [], proof.task
    for artifact in artifacts:
        if artifact.quantization is not None or not artifact.passed:
            continue
        for row, source in enumerate(proof.others):
            wanted, got = (
                {name: values[row : row + 1] for name, values in outputs.items()}
                for outputs in (proof.rows(proof.other_rows), answers[artifact.path])
            )
            figures = task.figures(wanted, got, proof.gate, None)
            if not figures["passed"]:
                faults.append(
                    f"{artifact.path} answers {task.input.shown(source)} differently: "
                    f"{_shown(task, got)}, not {_shown(task, wanted)}; largest difference "
                    f"{_difference(figures)}"
                )
    return faults


def resize_faults(
    answers: Mapping[str, Mapping[str, Array]],
    task: Task,
    wanted: Mapping[str, Mapping[str, Array]],
    files: int,
) -> list[str]:
    """Artifacts that resize examples differently from training.

    ``answers`` are to examples as they come and ``wanted`` to the same as training makes them, both
    by path and output name. The first ``files`` of them must also get the same labels.
    """
    allowed = task.input.equivalent_difference
    near, same = Gate(allowed, label_agreement=0.0), Gate(allowed)
    faults = []
    for path, found in answers.items():
        figures = task.figures(wanted[path], found, near, None)
        decided = {name: values[:files] for name, values in found.items()}
        due = {name: values[:files] for name, values in wanted[path].items()}
        agreement = task.figures(due, decided, same, None)["label_agreement"] if files else 1.0
        if not figures["passed"] or agreement < 1:
            faults.append(
                f"{path} resizes in another way than training: largest difference "
                f"{_difference(figures)} (allowed: {allowed:g}); of {counted(files, 'file')} "
                f"{1 - agreement:.0%} get another label"
            )
    return faults


def _difference(figures: Mapping[str, Any]) -> str:
    diff = figures["max_abs_diff"]
    return "not finite, or of another shape" if diff is None else f"{diff:.2e}"


def _shown(task: Task, answers: Mapping[str, Array]) -> str:
    return ", ".join(output.shown(answers[name][0]) for name, output in task.outputs.items())
