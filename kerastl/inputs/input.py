"""The first family of a task: what goes into a network.

An input knows how one example is read and checked, how examples become arrays for the network and
for an exported file, what an export is proved on where there are no data, and what a bundle has to
say and to carry so that the way from a file or a string to the arrays can be walked again.
Every flow of kerastl asks it instead of asking what it is.

A new input is one file like those beside this one: see docs/extending.md.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kerastl.inputs.examples import Examples, Readable
from kerastl.inputs.reading import Reader

Array = np.ndarray[Any, Any]
BATCH = 32


@dataclasses.dataclass(frozen=True)
class Spec:
    """One tensor that an exported file takes, without its batch dimension.

    Attributes:
        name: of the tensor.
        dtype: as ``"float32"``.
        shape: None where a dimension has any size.
        axes: names of the dimensions that have any size, by position, the batch being 0.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    axes: Mapping[int, str] = dataclasses.field(default_factory=dict)


class Input(abc.ABC):
    """What goes into a network: a value that a run and a bundle can write down."""

    kind: ClassVar[str]
    """What tasks, runs and manifests call it."""

    noun: ClassVar[str]
    """One example, in messages."""

    reader: ClassVar[Reader]
    """How data sets are read."""

    # Reading.

    @abc.abstractmethod
    def as_list(self, given: Any) -> list[Any]:
        """One example, or any number of them, as a list of sources; raises ConfigurationError."""

    @abc.abstractmethod
    def batches(
        self, sources: Sequence[Any], *, size: int = BATCH, length: int | None = None
    ) -> Iterator[tuple[Array, Array]]:
        """What the network takes, batch by batch.

        Args:
            sources: examples, as ``as_list`` gives them.
            size: examples in a batch, at most.
            length: of sequences, the length that all have to have; None takes what is needed.

        Yields:
            Positions of the sources, int64 ``(b,)``, each of which comes once, and their arrays
            ``(b, ...)``.

        Raises:
            DataError: a source cannot be read.
        """

    @abc.abstractmethod
    def examples(self, data: Readable, folder: Path) -> Examples:
        """The examples of a data set, read once for training.

        Args:
            data: labelled examples.
            folder: where a file is made for what does not fit in memory.
        """

    # Arrays of exported files.

    @abc.abstractmethod
    def specs(self) -> tuple[Spec, ...]:
        """The tensors that an exported file takes."""

    @abc.abstractmethod
    def feeds(self, batch: Array) -> dict[str, Array]:
        """What an exported file takes for a batch of ``batches``: arrays by tensor name."""

    # Proof.

    @abc.abstractmethod
    def builtin(self) -> list[Any]:
        """Sources that an export is proved on where a model has no samples."""

    def probes(self) -> list[Any]:
        """Sources that no data set holds, and that every float file must answer as the model."""
        return []

    @property
    def probe_difference(self) -> float | None:
        """Largest difference that answers to probes may show; None holds them to the gate."""
        return None

    @abc.abstractmethod
    def store(self, folder: Path, name: str, sources: Sequence[Any]) -> None:
        """Writes sources so that another process can read them."""

    @abc.abstractmethod
    def stored(self, folder: Path, name: str) -> list[Any]:
        """Reads what ``store`` wrote."""

    def shown(self, source: Any) -> str:
        """A source in messages."""
        return repr(source)[:40]

    # Bundles.

    @property
    @abc.abstractmethod
    def preprocessing(self) -> Mapping[str, Any]:
        """``preprocessing`` of a manifest: ``in_graph`` and ``description``."""

    @abc.abstractmethod
    def manifest_entries(self) -> dict[str, Any]:
        """The manifest's sections on the input: ``input``, and what else it needs."""

    @property
    def files(self) -> tuple[str, ...]:
        """Files that ``write_files`` puts into a bundle."""
        return ()

    def write_files(self, folder: Path) -> None:
        """Writes what a bundle must carry."""
        del folder

    @property
    def packages(self) -> Mapping[str, str]:
        """Modules that are needed to make arrays of sources, and the extra that brings each."""
        return {}

    @property
    def nouns(self) -> str:
        """Several examples, in messages."""
        return f"{self.noun}s"
