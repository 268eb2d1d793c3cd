"""What a model was trained on: enough of each example to know it again."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.data import Dataset, ExampleDataset
from kerastl.errors import DataWarning
from kerastl.files import atomic_file, read_arrays

Array = np.ndarray[Any, Any]
FILE = "examples.npz"
# Hexadecimal digits: a million examples share one of 64 bits by chance once in 10 million runs.
_DIGITS = 16


@dataclasses.dataclass(frozen=True)
class Seen:
    """The beginnings of the SHA-256 digests of examples, uint64, ascending.

    They tell whether an example that one has is among them, and nothing of those that one has
    not. A bundle does not carry them.

    Attributes:
        trained: of the training examples ``(n,)``.
        validated: of the validation examples ``(m,)``.
    """

    trained: Array
    validated: Array

    @staticmethod
    def of(train: Dataset, validation: Dataset | None) -> Seen | None:
        """Of data sets; None of a stream, whose examples have no digests."""
        if not isinstance(train, ExampleDataset):
            return None
        held = validation.digests() if isinstance(validation, ExampleDataset) else ()
        return Seen(_numbers(train.digests()), _numbers(held))

    def count(self, digests: Sequence[str]) -> dict[str, int]:
        """How many examples were ``trained_on``, and how many others ``validated_on``."""
        values = np.array([int(text[:_DIGITS], 16) for text in digests], dtype=np.uint64)
        trained = np.isin(values, self.trained)
        validated = np.isin(values, self.validated) & ~trained
        return {"trained_on": int(trained.sum()), "validated_on": int(validated.sum())}

    def save(self, run: Path) -> None:
        """Writes it into a run directory."""
        with atomic_file(run / FILE) as temporary:
            np.savez(temporary, trained=self.trained, validated=self.validated)

    @staticmethod
    def load(run: Path) -> Seen | None:
        """Reads it; None of runs that have none."""
        if not (run / FILE).exists():
            return None
        return Seen(**read_arrays(run / FILE))


def notes_on_shared(shared: Mapping[str, int], total: int, nouns: str) -> list[str]:
    """What is to be said of examples that the model has seen.

    Warns:
        DataWarning: it was trained on some of them.
    """
    said = []
    if trained := shared["trained_on"]:
        said.append(
            f"{trained} of {total} {nouns} were trained on: the metrics say how well the model "
            "remembers them. Measure it on others."
        )
        warnings.warn(said[0], DataWarning, stacklevel=4)
    if validated := shared["validated_on"]:
        # No warning: this is what validation data are for.
        said.append(
            f"{validated} of {total} {nouns} were used for validation: epochs, and thresholds "
            "where there are any, were chosen on them, which flatters the metrics a little."
        )
    return said


def _numbers(digests: Sequence[str]) -> Array:
    return np.unique(np.array([int(text[:_DIGITS], 16) for text in digests], dtype=np.uint64))
