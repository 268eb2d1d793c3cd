"""How much an answer tells: the label alone, the classes that come first, or every number."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from kerastl.errors import ConfigurationError
from kerastl.outputs.output import PROBABILITIES, Output

Array = np.ndarray[Any, Any]
TOP: Final = "top"
# Of outputs without classes.
_NUMBERS: Final = "outputs"


@dataclasses.dataclass(frozen=True)
class Details:
    """What answers tell besides their label.

    Args:
        top_k: the classes of the largest numbers, that many of them; None tells none.
        every: every number of the output, by its name.
    """

    top_k: int | None = None
    every: bool = False

    def check(self, outputs: Mapping[str, Output]) -> None:
        """Raises ConfigurationError where the outputs have no such details."""
        if self.top_k is None:
            return
        if not isinstance(self.top_k, int) or isinstance(self.top_k, bool) or self.top_k < 1:
            raise ConfigurationError(
                f"top_k (--top-k) must be a whole number of at least 1. Received: {self.top_k!r}."
            )
        if not any(output.class_names for output in outputs.values()):
            raise ConfigurationError(
                "top_k (--top-k) is for outputs that have classes, and this model has none. Leave "
                "it out."
            )


SHORT_ANSWERS: Final = Details()
"""The label and its probability alone."""


def detailed(output: Output, numbers: Array, details: Details) -> list[dict[str, Any]]:
    """The answers of an output with their details.

    Returns:
        ``Output.answers`` with ``"top"``, a list of labels and probabilities, the largest first,
        and ``"probabilities"``, every number by its class; ``"outputs"`` where there are no
        classes.
    """
    rows = output.answers(numbers)
    shown = np.asarray(output.presented(numbers), dtype=float)
    if details.top_k is not None and output.class_names:
        for row, values in zip(rows, shown, strict=True):
            order = np.argsort(-values, kind="stable")[: details.top_k]
            row[TOP] = [
                {"label": output.class_names[at], "probability": float(values[at])} for at in order
            ]
    if details.every:
        names = names_of_numbers(output)
        key = PROBABILITIES if output.class_names else _NUMBERS
        for row, values in zip(rows, shown, strict=True):
            row[key] = dict(zip(names, values.tolist(), strict=True))
    return rows


def names_of_numbers(output: Output) -> tuple[str, ...]:
    """What the numbers of an output are called: its classes, or its tensor's name and a number."""
    if len(output.class_names) == output.width:
        return output.class_names
    return tuple(f"{output.tensor}_{index}" for index in range(output.width))


def detailed_line(output: Output, answer: Mapping[str, Any]) -> str:
    """One of the answers of ``detailed`` for people."""
    pairs = [(item["label"], item["probability"]) for item in answer.get(TOP, ())]
    pairs = pairs or list(answer.get(PROBABILITIES, answer.get(_NUMBERS, {})).items())
    listed = ", ".join(f"{name} {value:.3f}" for name, value in pairs)
    return f"{output.line(answer)}  ({listed})" if listed else output.line(answer)


def flat(answer: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """An answer as one row of a table: columns by name, values that are no dictionaries.

    The classes that come first are ``label_1``, ``probability_1`` and so on; every number has a
    column of its class's name; what one of several outputs says begins with its name and a slash.
    """
    row: dict[str, Any] = {}
    for key, value in answer.items():
        if key == TOP:
            for place, item in enumerate(value, start=1):
                row |= {f"{prefix}{name}_{place}": found for name, found in item.items()}
        elif key in (PROBABILITIES, _NUMBERS) and isinstance(value, Mapping):
            for name, number in value.items():
                column = f"{prefix}{name}"
                # A class may be called as a column is.
                row[column if column not in row else f"{prefix}{key}/{name}"] = number
        elif isinstance(value, Mapping):
            row |= flat(value, f"{prefix}{key}/")
        else:
            row[f"{prefix}{key}"] = value
    return row
