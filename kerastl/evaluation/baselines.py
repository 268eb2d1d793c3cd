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
        simple = input.simple_features(sources, self.features) if self.linear else None
        return self.answers_to(len(sources), None if simple is None else simple[0])

    def answers_to(self, count: int, features: Any) -> dict[str, dict[str, Array]]:
        """As ``answers``, to so many examples of which the features are known, or None."""
        found: dict[str, dict[str, Array]] = {}
        if self.constants:
            found["constant"] = {
                name: np.tile(row.astype(np.float32), (count, 1))
                for name, row in self.constants.items()
            }
        if features is not None and self.linear:
            found["linear"] = {name: m.answers(features) for name, m in self.linear.items()}
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
    rows = _some(len(train), seed)
    matrix, features, notes = _features(input, train, rows)
    return _fitted(outputs, train, rows, matrix, features, notes, input.features_name)


def out_of_fold(
    input: Input,
    outputs: Mapping[str, Output],
    train: Examples,
    folds: Array,
    held_folds: Sequence[int],
    *,
    seed: int,
) -> tuple[Baselines, dict[str, tuple[str, dict[str, Array]]]]:
    """Fits baselines, and lets others answer the examples that were left out in turn.

    Args:
        input: what the examples are.
        outputs: by name.
        train: all examples.
        folds: the fold of each, int64 (n,).
        held_folds: those that are left out in turn.
        seed: of the choice among many.

    Returns:
        What was fitted to all; and by ``constant`` and ``linear`` a title and answers
        ``(m, width)`` by output to the examples of the held folds, in their order, fitted without
        the fold of each.
    """
    rows = _some(len(train), seed)
    matrix, features, notes = _features(input, train, rows)
    name = input.features_name
    whole = _fitted(outputs, train, rows, matrix, features, notes, name)
    held = np.flatnonzero(np.isin(folds, held_folds))
    found: dict[str, dict[str, Array]] = {}
    for number in held_folds:
        inside = np.flatnonzero(folds[rows] != number)
        part = None if matrix is None else matrix[inside]
        fitted = _fitted(outputs, train, rows[inside], part, features, notes, name)
        out = folds[held] == number
        own = np.flatnonzero(folds[rows] == number)
        asked = None if matrix is None else matrix[own]
        if matrix is not None and len(own) < out.sum():
            simple = input.simple_features(train.sources(held[out]), features)
            asked = None if simple is None else simple[0]
        for kind, answers in fitted.answers_to(int(out.sum()), asked).items():
            for output, values in answers.items():
                table = found.setdefault(kind, {}).setdefault(
                    output, np.zeros((len(held), values.shape[1]), np.float32)
                )
                table[out] = values
    return whole, {kind: (whole.titles[kind], rows) for kind, rows in found.items()}


def _some(count: int, seed: int) -> Array:
    """At most 10,000 rows of so many, ascending."""
    if count <= MOST_EXAMPLES:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:MOST_EXAMPLES])


def _features(input: Input, train: Examples, rows: Array) -> tuple[Any, dict[str, Any], list[str]]:
    """Simple features of rows, what the input learned of them, and notes on what there is not."""
    try:
        simple = input.simple_features(train.sources(rows))
    except MissingExtraError as error:
        return None, {}, [f"There is no linear baseline. {error}"]
    return (None, {}, []) if simple is None else (simple[0], dict(simple[1]), [])


def _fitted(
    outputs: Mapping[str, Output],
    train: Examples,
    rows: Array,
    matrix: Any,
    features: Mapping[str, Any],
    notes: Sequence[str],
    features_name: str,
) -> Baselines:
    """Baselines of some rows, whose features the matrix holds."""
    constants = {}
    for name, output in outputs.items():
        labels = train.targets[name][rows]
        row = output.constant(labels[output.present(labels)])
        if row is not None:
            constants[name] = row
    linear: dict[str, LinearModel] = {}
    try:
        linear = {} if matrix is None else _linear(outputs, train, rows, matrix)
    except MissingExtraError as error:
        notes = [*notes, f"There is no linear baseline. {error}"]
    titles = {
        "constant": _title(outputs, constants, "constant_name"),
        "linear": f"{_title(outputs, linear, 'linear_name')} on {features_name}",
    }
    used = {"constant": constants, "linear": linear}
    titles = {name: title for name, title in titles.items() if used[name]}
    return Baselines(constants, linear, dict(features) if linear else {}, titles, tuple(notes))


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
