"""Baselines: answers that cost nothing, and that a model has to beat."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.errors import MissingExtraError
from kerastl.files import atomic_file, read_arrays, read_json, write_json
from kerastl.inputs import Examples, Input
from kerastl.outputs import LinearModel, Output

Array = np.ndarray[Any, Any]
FILE, ARRAYS = "baselines.json", "baselines.npz"
MOST_EXAMPLES = 10_000
"""Training examples that a linear model is fitted to, at most."""


@dataclasses.dataclass(frozen=True)
class Baselines:
    """What was learned of the training examples without a network.

    Attributes:
        constants: the one answer ``(width,)`` of each output that has one.
        linear: a linear model of simple features for each output that has one.
        features: what the input learned of its simple features; JSON data.
        titles: what ``constant`` and ``linear`` are, by these names.
        notes: sentences on what there is not.
    """

    constants: Mapping[str, Array] = dataclasses.field(default_factory=dict)
    linear: Mapping[str, LinearModel] = dataclasses.field(default_factory=dict)
    features: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    titles: Mapping[str, str] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def answers(self, input: Input, sources: Sequence[Any]) -> dict[str, dict[str, Array]]:
        """Answers to examples: by ``constant`` and ``linear``, of each output by name.

        Raises:
            MissingExtraError: features need a library that is not installed.
        """
        found: dict[str, dict[str, Array]] = {}
        if self.constants:
            found["constant"] = {
                name: np.tile(row.astype(np.float32), (len(sources), 1))
                for name, row in self.constants.items()
            }
        simple = input.simple_features(sources, self.features) if self.linear else None
        if simple is not None:
            found["linear"] = {name: m.answers(simple[0]) for name, m in self.linear.items()}
        return found

    def save(self, run: Path) -> None:
        """Writes them into a run directory: JSON and arrays, which hold no code."""
        arrays = {f"constant/{name}": row for name, row in self.constants.items()}
        for name, model in self.linear.items():
            arrays |= {f"weights/{name}": model.weights, f"bias/{name}": model.bias}
        with atomic_file(run / ARRAYS) as temporary:
            np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
        content = {
            "constants": list(self.constants),
            "linear": {name: model.link for name, model in self.linear.items()},
            "features": dict(self.features),
            "titles": dict(self.titles),
            "notes": list(self.notes),
        }
        write_json(run / FILE, content)

    @staticmethod
    def load(run: Path) -> Baselines | None:
        """Reads them; None of runs that have none."""
        if not (run / FILE).exists():
            return None
        content, arrays = read_json(run / FILE), read_arrays(run / ARRAYS)
        return Baselines(
            {name: arrays[f"constant/{name}"] for name in content["constants"]},
            {
                name: LinearModel(arrays[f"weights/{name}"], arrays[f"bias/{name}"], link)
                for name, link in content["linear"].items()
            },
            content["features"],
            content["titles"],
            tuple(content["notes"]),
        )


def fit_baselines(
    input: Input, outputs: Mapping[str, Output], train: Examples, *, seed: int
) -> Baselines:
    """Fits baselines to the training examples, the linear one to at most 10,000 of them.

    Without scikit-learn there is no linear one, and a note says so.
    """
    count = len(train)
    rows = np.arange(count)
    if count > MOST_EXAMPLES:
        rows = np.sort(np.random.default_rng(seed).permutation(count)[:MOST_EXAMPLES])
    constants = {}
    for name, output in outputs.items():
        labels = train.targets[name]
        row = output.constant(labels[output.present(labels)])
        if row is not None:
            constants[name] = row
    titles = {"constant": _title(outputs, constants, "constant_name")}
    linear: dict[str, LinearModel] = {}
    features: dict[str, Any] = {}
    notes: list[str] = []
    try:
        simple = input.simple_features(train.sources(rows))
        if simple is not None:
            matrix, features = simple
            linear = _linear(outputs, train, rows, matrix)
            name = _title(outputs, linear, "linear_name")
            titles["linear"] = f"{name} on {input.features_name}"
    except MissingExtraError as error:
        features = {}
        notes.append(f"There is no linear baseline. {error}")
    used = {"constant": constants, "linear": linear}
    titles = {name: title for name, title in titles.items() if used[name]}
    return Baselines(constants, linear, features if linear else {}, titles, tuple(notes))


def _linear(
    outputs: Mapping[str, Output], train: Examples, rows: Array, matrix: Any
) -> dict[str, LinearModel]:
    found = {}
    for name, output in outputs.items():
        labels = train.targets[name][rows]
        held = np.flatnonzero(output.present(labels))
        model = output.linear(matrix[held], labels[held]) if len(held) else None
        if model is not None:
            found[name] = model
    return found


def _title(outputs: Mapping[str, Output], used: Mapping[str, Any], attribute: str) -> str:
    names = [getattr(output, attribute) for name, output in outputs.items() if name in used]
    return " and ".join(dict.fromkeys(names))
