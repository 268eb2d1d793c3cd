"""A task: what goes in and what comes out."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from kerastl.errors import ConfigurationError
from kerastl.inputs import Input
from kerastl.outputs import Gate, Output, output_from_config, output_named
from kerastl.outputs.details import SHORT_ANSWERS, Details, detailed, detailed_line

Array = np.ndarray[Any, Any]
# Of an answer of several outputs.
_KEYS = ("input", "label", "probability")
# What an artifact that lacks an output gives.
_NONE = np.zeros((0, 0), dtype=np.float32)
Answers = Mapping[str, Array]
"""Outputs of a network or an artifact, by name ``(n, width)``."""


@dataclasses.dataclass(frozen=True)
class Task:
    """What goes in and what comes out; several outputs are learned together on one backbone.

    Attributes:
        input: what an example is.
        outputs: by name, in the order of the network's outputs.
    """

    input: Input
    outputs: Mapping[str, Output]

    @staticmethod
    def of_one(input: Input, output: Output) -> Task:
        """The common case: one output, under the name that artifacts give to its kind."""
        return Task(input, {output.tensor: output})

    def __str__(self) -> str:
        """In one line, as ``"image_classification: 3 classes"``."""
        return f"{self.name}: {'; '.join(output.summary for output in self.outputs.values())}"

    @property
    def name(self) -> str:
        """What manifests call it, as ``"image_classification"``."""
        if len(self.outputs) > 1:
            return f"{self.input.kind}_multi_task"
        return f"{self.input.kind}_{self.only.family}"

    @property
    def only(self) -> Output:
        """The output of a task of one."""
        [output] = self.outputs.values()
        return output

    @property
    def first(self) -> Output:
        """The output that stands for the task where one has to."""
        return next(iter(self.outputs.values()))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes of a task of one output; of several outputs none."""
        return self.first.class_names if len(self.outputs) == 1 else ()

    def by_name(self, arrays: Any) -> dict[str, Array]:
        """What a network gives, one array or a list of them, by the names of the outputs."""
        listed = arrays if isinstance(arrays, list | tuple) else [arrays]
        return dict(zip(self.outputs, listed, strict=True))

    def outputs_config(self) -> dict[str, Any]:
        """The outputs as JSON data."""
        return {name: output.get_config() for name, output in self.outputs.items()}

    def figures(
        self, reference: Answers, answers: Answers, gate: Gate, quantization: str | None
    ) -> dict[str, Any]:
        """How an artifact's answers compare with the network's, over all outputs.

        Returns:
            ``max_abs_diff``, the largest, None where one cannot be told; ``label_agreement``, the
            smallest; ``passed``, whether all did; ``outputs``, with several the same for each.
        """
        found = {
            name: output.figures(reference[name], answers.get(name, _NONE), gate, quantization)
            for name, output in self.outputs.items()
        }
        diffs = [item["max_abs_diff"] for item in found.values()]
        return {
            "max_abs_diff": None if None in diffs else max(diffs),
            "label_agreement": min(item["label_agreement"] for item in found.values()),
            "passed": all(item["passed"] for item in found.values()),
            "outputs": found if len(found) > 1 else {},
        }

    def repeats(self, recorded: Answers, answers: Answers) -> bool:
        """Whether a quantised artifact gives the answers that it gave at export."""
        return all(
            output.repeats(recorded[name], answers.get(name, _NONE))
            for name, output in self.outputs.items()
        )

    def accuracy(self, labels: Mapping[str, Array] | None, answers: Answers) -> float | None:
        """Share of right decisions of a task with one output, or None."""
        if labels is None or len(self.outputs) > 1:
            return None
        [(name, output)] = self.outputs.items()
        found = answers.get(name, _NONE)
        rows = output.present(labels[name])
        fits = found.ndim == 2 and found.shape[1] == output.width and rows.any()
        return output.accuracy(labels[name][rows], found[rows]) if fits else None

    def answers(self, arrays: Answers, details: Details = SHORT_ANSWERS) -> list[dict[str, Any]]:
        """What ``predict`` prints for each example; with several outputs, each under its name."""
        if len(self.outputs) == 1:
            return detailed(self.only, next(iter(arrays.values())), details)
        rows = {
            name: detailed(output, arrays[name], details) for name, output in self.outputs.items()
        }
        count = len(next(iter(rows.values())))
        return [
            {"label": None, "probability": None, **{name: rows[name][i] for name in rows}}
            for i in range(count)
        ]

    def line(self, answer: Mapping[str, Any]) -> str:
        """One of ``answers`` for people."""
        if len(self.outputs) == 1:
            return detailed_line(self.only, answer)
        return "; ".join(f"{n}: {detailed_line(o, answer[n])}" for n, o in self.outputs.items())

    def predictions(self, arrays: Answers) -> Any:
        """What ``TrainedModel.predict`` returns; of several outputs a dict by output name."""
        found = {name: output.predictions(arrays[name]) for name, output in self.outputs.items()}
        return next(iter(found.values())) if len(found) == 1 else found

    def decode(self, arrays: Answers) -> list[Any]:
        """The label of each example; of several outputs a dict of them."""
        labels = {name: output.decode(arrays[name]) for name, output in self.outputs.items()}
        if len(labels) == 1:
            return next(iter(labels.values()))
        return [dict(zip(labels, row, strict=True)) for row in zip(*labels.values(), strict=True)]

    def measure(self, labels: Mapping[str, Array], arrays: Answers) -> dict[str, float]:
        """See ``measure``."""
        return measure(self.outputs, labels, arrays)

    @property
    def metric(self) -> str:
        """The metric that tables show."""
        [name, *others] = self.outputs
        return f"{name}/{self.first.metric}" if others else self.first.metric


def measure(
    outputs: Mapping[str, Output], labels: Mapping[str, Array], arrays: Answers
) -> dict[str, float]:
    """The metrics of outputs; of several each begins with the output's name and a slash.

    An output of which no example has a label has none.
    """
    held = {name: output.present(labels[name]) for name, output in outputs.items()}
    found = {
        name: output.measure(labels[name][held[name]], arrays[name][held[name]])
        for name, output in outputs.items()
        if held[name].any()
    }
    return prefixed(outputs, found)


def prefixed(
    outputs: Mapping[str, Output], found: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """What was found of outputs as one dict; of several each key begins with the output's name."""
    if len(outputs) == 1:
        return dict(next(iter(found.values()), {}))
    return {f"{name}/{key}": value for name, row in found.items() for key, value in row.items()}


def check_output_names(names: Iterable[str]) -> None:
    """Refuses names of outputs that are another key of an answer, or cannot be in a file's name."""
    for name in names:
        if name in _KEYS:
            raise ConfigurationError(
                f"An output cannot be called {name!r}: answers hold {', '.join(map(repr, _KEYS))} "
                "besides. Choose another name."
            )
        if not re.fullmatch(r"\w[\w .,()+-]*", name):
            raise ConfigurationError(
                f"An output cannot be called {name!r}: give a name of letters, digits, blanks and "
                "_ . , ( ) + -, which begins with a letter or a digit."
            )


def outputs_from_manifest(manifest: Mapping[str, Any]) -> dict[str, Output]:
    """The outputs of a bundle, by name; bundles of version 0.1.0 have one."""
    entries = manifest["outputs"]
    if all("output" in entry for entry in entries):
        return {
            entry["name"]: output_from_config(entry["output"]).as_said(str(entry.get("kind")))
            for entry in entries
        }
    [entry] = entries
    config = {
        "class_names": manifest["class_names"],
        "thresholds": manifest.get("thresholds"),
        "dimensions": entry["shape"][1],
    }
    kind = manifest.get("kind", "single_label")
    output = output_named(kind).from_config(config)
    return {entry["name"]: output.as_said(str(entry.get("kind")))}
