"""The reading half of an input: how its examples are found in files, tables and arrays.

A reader turns what data hold into sources, which an ``Input`` takes: paths of images, strings of
texts. It knows nothing of labels. The data layer (``kerastl.data``) asks it wherever one input
differs from another, and never asks which input it is.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kerastl.errors import ConfigurationError, DataError
from kerastl.inputs.resizing import STRETCH

Array = np.ndarray[Any, Any]


class Reader(abc.ABC):
    """How examples of one kind are read; it has no state, so that readers of one class are equal.

    A new one says what it reads (``noun``, ``column``, ``suffixes``, ``layout``), and how: the
    abstract methods. The rest has defaults.

    Attributes:
        noun: one example, in messages.
        column: the column of a table, and the feature of a TFDS data set, that holds the examples.
        suffixes: in lower case, of the files in a folder that are examples; see ``lacking``.
        layout: two files in their class folders, for messages: ``"photos/cat/1.jpg and ..."``.
        error: what is raised where one example cannot be read, and the others can.
        stray_files_are_examples: whether a file outside of the class folders is surely an example
            and not a README.
        blank_cells: whether an empty field of a table is an example.
        counts_copies: whether a split's share is one of all examples, or of distinct ones. Texts
            repeat one another so often ("ok", a newsletter) that copies would decide the shares.
        hashes_in_threads: whether ``digest`` takes long enough to be worth threads.
        sources_are_files: whether a string that is given as an example names a file.
        streams: whether the examples can come as a tf.data.Dataset, a PyDataset or a grain dataset.
    """

    noun: ClassVar[str]
    column: ClassVar[str]
    suffixes: ClassVar[frozenset[str]]
    layout: ClassVar[str]
    error: ClassVar[type[DataError]] = DataError
    stray_files_are_examples: ClassVar[bool] = True
    blank_cells: ClassVar[bool] = False
    counts_copies: ClassVar[bool] = True
    hashes_in_threads: ClassVar[bool] = False
    sources_are_files: ClassVar[bool] = False
    streams: ClassVar[bool] = False

    @property
    def nouns(self) -> str:
        """Several examples, in messages."""
        return f"{self.noun}s"

    @property
    def lacking(self) -> Mapping[str, str]:
        """Those of ``suffixes`` that cannot be read here, each with the command that changes it."""
        return {}

    @property
    def readable(self) -> frozenset[str]:
        """Suffixes, in lower case, of the files that can be read here."""
        return self.suffixes - set(self.lacking)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    # Sources.

    @abc.abstractmethod
    def from_files(self, paths: Sequence[Path], encoding: str | None) -> Sequence[Any]:
        """Sources of files, each of which is one example; ``encoding`` is of text, None finds it.

        Raises:
            DataError: a file cannot be read, unless ``unreadable`` is what finds it.
        """

    @abc.abstractmethod
    def from_cell(self, value: str, folder: Path) -> Any:
        """The source in a field of a table that lies in a folder."""

    @abc.abstractmethod
    def from_array(self, x: Any) -> Sequence[Any]:
        """Sources of an array or a list; raises DataError where it holds no such examples."""

    def from_features(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        """Sources of a TFDS data source; each row has the feature ``column``."""
        return [rows[i][self.column] for i in range(len(rows))]

    def name_in_table(self, value: str, table: Path, line: int) -> str:
        """What an example of a table is called."""
        return f"{table.name}:{line}"

    def name_in_messages(self, source: Any, name: str) -> str:
        """What an example is called where it cannot be read."""
        return name

    # Checks.

    def checked(self, sources: Sequence[Any], names: Sequence[str]) -> Sequence[Any]:
        """Sources that training can rely on; a DataError says by ``names`` which cannot be one."""
        return tuple(sources) if isinstance(sources, list) else sources

    def unreadable(self, sources: Sequence[Any]) -> dict[int, DataError]:
        """What can be told to be unreadable without much work: errors by position."""
        return {}

    def is_empty(self, source: Any) -> bool:
        """Whether a source is an example that says nothing."""
        return False

    # Content.

    @abc.abstractmethod
    def digest(self, source: Any) -> str:
        """A hash of the content, equal for copies of one example; raises DataError."""

    def fingerprint_header(self, kinds: str) -> str:
        """What the fingerprint of a data set begins with; ``kinds`` are those of its outputs."""
        return f"{self.noun} 1 {kinds}"

    def fingerprint_row(self, name: str, source: Any, digest: str, label: Any) -> list[Any]:
        """What of one example goes into the fingerprint, as JSON data."""
        return [digest, label]

    def file_of(self, source: Any) -> Path | None:
        """The file that a source is, so that it can be shown whole; None where it is not one."""
        return None

    # Decoding.

    def decode(self, source: Any, size: tuple[int, int], resize: str = STRETCH) -> Array:
        """One example as an array of a size; raises ``error`` where it cannot be read."""
        raise ConfigurationError(f"{self.nouns.capitalize()} have no size to be decoded to.")

    def in_threads(self, sources: Sequence[Any]) -> bool:
        """Whether ``decode`` takes long enough to be worth threads."""
        return False
