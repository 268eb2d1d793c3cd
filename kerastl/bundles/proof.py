"""What artifacts are proved on, and what they have to answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerastl.outputs import Gate
from kerastl.task import Array, Task


@dataclass(frozen=True)
class Proof:
    """What artifacts are run on, and what the network answers.

    Attributes:
        examples: sources that figures are measured on.
        kind: what they are, such as ``"validation"``.
        files: source files, which single answers are held to.
        probes: what no data set holds.
        reference: the network's outputs for all of these, in this order, by output name.
        labels: true labels of the examples by output name, or None.
    """

    task: Task
    gate: Gate
    examples: Sequence[Any]
    kind: str
    files: Sequence[Path]
    probes: Sequence[Any]
    reference: Mapping[str, Array]
    labels: Mapping[str, Array] | None = None

    @property
    def others(self) -> list[Any]:
        """The sources after the examples."""
        return [*self.files, *self.probes]

    @property
    def sources(self) -> list[Any]:
        """All that artifacts are run on."""
        return [*self.examples, *self.others]

    @property
    def example_rows(self) -> slice:
        """Where the examples stand among the sources."""
        return slice(0, len(self.examples))

    @property
    def other_rows(self) -> slice:
        """Where the others stand."""
        return slice(len(self.examples), None)

    def rows(self, rows: slice) -> dict[str, Array]:
        """The network's outputs for some of the sources."""
        return {name: values[rows] for name, values in self.reference.items()}
