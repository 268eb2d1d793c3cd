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
from typing import Any, ClassVar, TypeAlias

import numpy as np

from kerastl.errors import ConfigurationError
from kerastl.files import read_json, write_json
from kerastl.inputs.examples import Examples, Readable
from kerastl.inputs.reading import Reader

Array = np.ndarray[Any, Any]
BATCH = 32
GOLDEN_EXAMPLES = 32
GOLDEN_LABELS = "labels.json"

GoldenLabels: TypeAlias = Sequence[Mapping[str, Any]]
"""For each example the network's label under ``"network"``, an artifact's under its path."""

GoldenFiles: TypeAlias = Sequence[tuple[Path, Mapping[str, Any], Mapping[str, Any]]]
"""Source files that are kept whole: path, the network's answer, and labels."""


@dataclasses.dataclass(frozen=True)
class Spec:
    """One tensor that an exported file takes, without its batch dimension.

    Attributes:
        name: of the tensor.
        dtype: as ``"float32"``.
        shape: None where a dimension has any size.
        axes: names of the dimensions that have any size, by position, the batch being 0.
        limits: the largest size of such a dimension that is ever given, by its name.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    axes: Mapping[int, str] = dataclasses.field(default_factory=dict)
    limits: Mapping[str, int] = dataclasses.field(default_factory=dict)


class Input(abc.ABC):
    """What goes into a network: a value that a run and a bundle can write down.

    Attributes:
        kind: what tasks, runs and manifests call it.
        noun: one example, in messages.
        reader: how data sets are read.
        reading_step: what ``examples`` is called where progress is told.
        proof_step: what ``prove`` is called there; None where there is nothing to prove.
        timed_from_arrays: whether latency is measured from the array on, and not from the source.
        calibrates: whether quantised files measure value ranges on training examples.
        equivalent_difference: the largest difference of the answers to ``equivalents`` and to what
            they are of.
        preprocessing: of a manifest: ``in_graph`` and ``description``.
        files: those that ``write_files`` puts into a bundle.
        packages: modules that are needed to make arrays of sources, and the extra that brings each.
        runner_packages: what a script that runs an artifact needs besides its runtime.
        runner_example: what such a script is given.
        features_name: what ``simple_features`` are.
    """

    kind: ClassVar[str]
    noun: ClassVar[str]
    reader: ClassVar[Reader]
    reading_step: ClassVar[str] = "reading"
    proof_step: ClassVar[str | None] = None
    timed_from_arrays: ClassVar[bool] = False
    calibrates: ClassVar[bool] = False
    equivalent_difference: ClassVar[float] = 0.0
    preprocessing: ClassVar[Mapping[str, Any]]
    files: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[Mapping[str, str]] = {}
    runner_packages: ClassVar[tuple[str, ...]] = ("numpy",)
    runner_example: ClassVar[str] = "INPUT"
    features_name: ClassVar[str] = "simple features"

    @property
    def nouns(self) -> str:
        """Several examples, in messages."""
        return f"{self.noun}s"

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
        """The examples of a data set, read once; ``folder`` is for what does not fit in memory."""

    # Arrays of exported files.

    @abc.abstractmethod
    def specs(self, *, fixed_lengths: bool = False) -> tuple[Spec, ...]:
        """The tensors that an exported file takes.

        With ``fixed_lengths`` all sequences have the greatest length, as some formats ask for.
        """

    def of_any_size(self) -> Input:
        """The input of files that take examples as they are, and resize them in the graph."""
        raise ConfigurationError(
            f"any_size is for images, which have a size; {self.nouns} have none. Leave it out."
        )

    def length_in(self, shapes: Mapping[str, tuple[int | None, ...]]) -> int | None:
        """The length of sequences in a file that takes tensors of these shapes; None is any."""
        return None

    def for_export(self, network: Any) -> Any:
        """The network as it takes the tensors of ``specs``, in their order."""
        return network

    def in_graph(self, network: Any, tensors: Sequence[Any]) -> Any:
        """What the network is given of TensorFlow's tensors of ``specs``, inside the graph."""
        return list(tensors) if len(tensors) > 1 else tensors[0]

    def one_by_one(
        self, feeds: Mapping[str, Array], *, length: int | None = None
    ) -> Iterator[dict[str, Array]]:
        """The examples of a batch of ``feeds``, one at a time; see ``batches`` for ``length``."""
        for row in range(len(next(iter(feeds.values())))):
            yield {name: values[row : row + 1] for name, values in feeds.items()}

    @abc.abstractmethod
    def feeds(self, batch: Array) -> dict[str, Array]:
        """What an exported file takes for a batch of ``batches``: arrays by tensor name."""

    # Proof.

    def calibration(self, sources: Sequence[Any]) -> Array:
        """What ranges are measured on, as ``batches`` yields it; raises ConfigurationError."""
        return np.concatenate([batch for _, batch in self.batches(sources)])

    def quantized_formats(self, quantization: str) -> tuple[str, ...]:
        """Formats that make a quantised file where no format is named."""
        return ("litert",)

    @property
    @abc.abstractmethod
    def builtin(self) -> tuple[list[Any], str]:
        """Sources that an export is proved on where a model has no samples, and what they are."""

    def probes(self) -> list[Any]:
        """Sources that no data set holds, and that every float file must answer as the model."""
        return []

    def equivalents(self, sources: Sequence[Any]) -> list[Any]:
        """The same examples as training would make them, where files take them otherwise."""
        return []

    @abc.abstractmethod
    def store(self, folder: Path, name: str, sources: Sequence[Any]) -> None:
        """Writes sources so that another process can read them."""

    @abc.abstractmethod
    def stored(self, folder: Path, name: str) -> list[Any]:
        """Reads what ``store`` wrote."""

    def suspicions(self, sources: Sequence[Any]) -> Iterator[tuple[list[Any], Input, str]]:
        """Changes of sources that make an artifact with a usual fault answer rightly.

        Yields:
            Changed sources, the input that takes them as they are, and what is then wrong with
            the artifact.
        """
        yield from ()

    def pack(self, folder: Path) -> None:  # noqa: B027
        """Writes what another process needs besides a bundle to convert this input."""

    def prove(self, sources: Sequence[Any]) -> dict[str, Any]:
        """Proves the way from sources to arrays against the network's own, in the worker.

        Returns what the manifest's sections say of it, by section.
        """
        return {}

    def shown(self, source: Any) -> str:
        """A source in messages."""
        return repr(source)[:40]

    # Judgement: what an evaluation shows of examples, and baselines on them.

    def excerpt(self, source: Any) -> str | None:
        """A source in tables and pages, shortened; None where words do not show it."""
        return self.shown(source)

    def thumbnail(self, source: Any) -> bytes | None:
        """A source as a small WebP image for a page; None where no image shows it."""
        return None

    def simple_features(
        self, sources: Sequence[Any], state: Mapping[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]] | None:
        """Simple features, on which a linear model is a baseline; None where there are none.

        Args:
            sources: examples, as ``Examples.sources`` gives them.
            state: what was learned of the training examples; None learns it of these.

        Returns:
            Features ``(n, d)``, an array or a sparse matrix of SciPy; and the state, JSON data.

        Raises:
            MissingExtraError: scikit-learn is not installed.
        """
        return None

    # Golden examples: those that travel with a bundle, so that it can be proved again.

    def golden_rows(self, examples: Sequence[Any], probes: Sequence[Any]) -> Array:
        """Which of the examples, followed by the probes, become golden: int64, ascending."""
        count = len(examples)
        return np.unique(np.linspace(0, count - 1, min(count, GOLDEN_EXAMPLES)).astype(int))

    def write_golden(
        self, folder: Path, sources: Sequence[Any], labels: GoldenLabels, files: GoldenFiles
    ) -> None:
        """Writes golden sources, examples and probes, into golden/ of a bundle."""
        self.store(folder, "inputs", sources)
        write_json(folder / GOLDEN_LABELS, list(labels))

    def read_golden(self, folder: Path) -> tuple[list[Any], int, dict[int, dict[str, Any]]]:
        """Reads what ``write_golden`` wrote.

        Returns:
            The sources, files last; how many of them are files; and labels by position.
        """
        sources = self.stored(folder, "inputs")
        return sources, 0, dict(enumerate(read_json(folder / GOLDEN_LABELS)))

    def check_golden(self, folder: Path, manifest: Mapping[str, Any]) -> None:  # noqa: B027
        """Proves that sources still become the arrays of the export; raises BundleError."""

    # Bundles.

    @abc.abstractmethod
    def manifest_entries(self) -> dict[str, Any]:
        """The manifest's sections on the input: ``input``, and what else it needs."""

    def write_files(self, folder: Path) -> None:  # noqa: B027
        """Writes what a bundle must carry."""

    @abc.abstractmethod
    def save(self, run: Path) -> dict[str, Any]:
        """Writes what a run directory must hold; returns JSON data for its task.json."""

    # Card.

    @abc.abstractmethod
    def how_to_feed(self, manifest: Mapping[str, Any]) -> str:
        """How a source becomes what an artifact takes."""

    def notes_on(self, entry: Mapping[str, Any], answers: str) -> list[str]:
        """Sentences on an artifact: ``entry`` of the manifest, which gives ``answers``."""
        return []

    def caveats(self, manifest: Mapping[str, Any]) -> list[str]:
        """Sentences on what was not proved."""
        return []
