"""What training consumes: examples with their labels, and a fingerprint of their content."""

from __future__ import annotations

import abc
import copy
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeAlias, final

import numpy as np
import numpy.typing as npt

from kerastl.data.passes import Selection, all_at_once, batched, check_batch_size, one_by_one
from kerastl.data.splits import Groups, split_positions
from kerastl.data.unreadable import OnError, check_on_error, report
from kerastl.errors import ConfigurationError, DataError, counted
from kerastl.inputs import Reader
from kerastl.inputs.images import check_image_size
from kerastl.inputs.resizing import STRETCH
from kerastl.outputs import Output
from kerastl.outputs.encoding import array_of
from kerastl.outputs.names import listed

Array: TypeAlias = npt.NDArray[Any]
Rows: TypeAlias = Sequence[int] | npt.NDArray[np.integer[Any]]

BatchLabels: TypeAlias = Array | dict[str, Array]
"""Labels ``(b, ...)`` of a data set of one output; of several outputs those of each, by name."""

Batch: TypeAlias = tuple[npt.NDArray[np.uint8], BatchLabels]
"""Images ``(b, height, width, 3)`` from 0 to 255 and their labels."""


class Dataset(abc.ABC):
    """Labelled examples.

    Attributes:
        reader: what the examples are, and how they are read.
        outputs: what the labels are, by name, with the classes that the data have.
        where: what the data are called, as a path; empty where nothing named them.
        sources: the examples, as the reader takes them; a stream has none.
        targets: labels ``(n, ...)`` by the outputs' names; a stream has none.
    """

    reader: Reader
    outputs: Mapping[str, Output]
    where: str = ""
    sources: Sequence[Any]
    targets: dict[str, Array]

    @property
    def output(self) -> Output:
        """The only output; raises ConfigurationError where there are several."""
        if len(self.outputs) > 1:
            raise ConfigurationError(
                f"The data set has labels for several outputs: {listed(self.outputs)}. Ask for "
                "outputs and targets, by name."
            )
        return next(iter(self.outputs.values()))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of the indices; ``()`` of numbers and many outputs."""
        return self.output.labelling.class_names if len(self.outputs) == 1 else ()

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    def with_outputs(self, outputs: Mapping[str, Output]) -> Self:
        """The same data for other outputs, whose labels are of the same form and classes."""
        found = copy.copy(self)
        found.outputs = dict(outputs)
        return found

    @property
    @abc.abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 of the content, 64 hexadecimal digits; reads every example when first asked."""

    @abc.abstractmethod
    def batches(
        self, image_size: tuple[int, int], batch_size: int, *, resize: str = STRETCH
    ) -> Iterator[Batch]:
        """Yields one pass over the examples, resized by ``RESIZE_RULE``.

        Take labels from the same pass as their images: only an ``ExampleDataset`` is sure to keep
        its order from pass to pass.

        Args:
            image_size: ``(height, width)`` in pixels.
            batch_size: examples in a batch; the last one may be smaller.
            resize: see ``kerastl.data.decode_image``.

        Yields:
            Images ``(b, height, width, 3)``, uint8 from 0 to 255, and ``BatchLabels``.

        Raises:
            ImageError: an image cannot be decoded and ``on_error`` is ``"raise"``.
            DataError: examples that cannot be trained on.
            ConfigurationError: a size is not valid, or the examples are not images.
        """

    @abc.abstractmethod
    def size_hint(self) -> int | None:
        """The number of examples, or None where it is not known yet."""


@final
class ExampleDataset(Dataset):
    """Labelled examples with random access, in a fixed order.

    Args:
        reader: what the examples are.
        sources: the examples, as the reader takes them.
        outputs: what the labels are, by name.
        targets: labels ``(n, ...)`` by the outputs' names. Where there are several outputs an
            example may lack a label, in the form that ``Output.missing`` gives.
        names: a readable name of each example, such as its relative path; positions without it.
        groups: the group of each example, for splits.
        on_error: ``"warn"`` leaves out examples that turn out unreadable in a pass and warns of
            them at its end; ``"raise"`` raises the reader's error.
        unreadable: names of the examples that were left out before.

    Raises:
        DataError: labels, ``names`` or ``groups`` do not match ``sources`` in length, or a label
            or a source is not valid.
    """

    def __init__(
        self,
        reader: Reader,
        sources: Sequence[Any],
        outputs: Mapping[str, Output],
        targets: Mapping[str, Any],
        *,
        names: Iterable[str] | None = None,
        groups: Groups | None = None,
        on_error: OnError = "warn",
        unreadable: Iterable[str] = (),
    ) -> None:
        self.reader = reader
        self.outputs = dict(outputs)
        self.names = tuple(map(str, range(len(sources)))) if names is None else tuple(names)
        self.groups = groups
        self.on_error = check_on_error(on_error)
        self._unreadable = tuple(unreadable)
        self.origin: tuple[ExampleDataset, Array] | None = None
        self._broken: set[int] = set()
        self._digests: dict[int, str] = {}
        labels = {name: array_of(targets[name], "Labels") for name in self.outputs}
        self._check_sizes(len(sources), labels)
        self.sources = reader.checked(sources, self.names)
        several = len(self.outputs) > 1
        self.targets = {
            name: _read_only(output.checked(labels[name], optional=several))
            for name, output in self.outputs.items()
        }

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        found = [
            f"{name}: {output.kind}, "
            + counted(len(output.labelling.class_names), "class", "classes")
            for name, output in self.outputs.items()
        ]
        total = counted(len(self), self.reader.noun, self.reader.nouns)
        return f"ExampleDataset({total}; {'; '.join(found)})"

    @property
    def labels(self) -> Array:
        """Labels ``(n, ...)`` of the only output; ConfigurationError where there are several."""
        _ = self.output
        return next(iter(self.targets.values()))

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Names of the examples left out so far: at entry, and in passes since."""
        return self._unreadable + tuple(self.names[i] for i in sorted(self._broken))

    @property
    def readable(self) -> list[int]:
        """Positions of the examples that no pass has found unreadable, ascending."""
        return [i for i in range(len(self)) if i not in self._broken]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of class names, and of each example's label and content, in order.

        Of images it is one of their names too. It does not change with times of files or with the
        place of a folder.
        """
        one = len(self.outputs) == 1
        kinds = " ".join(output.labelling.kind for output in self.outputs.values())
        classes = {name: output.labelling.class_names for name, output in self.outputs.items()}
        labels = {name: target.tolist() for name, target in self.targets.items()}
        digest = hashlib.sha256(self.reader.fingerprint_header(kinds).encode())
        digest.update(json.dumps(self.class_names if one else classes).encode())
        for i, content in enumerate(self.digests()):
            label = {name: rows[i] for name, rows in labels.items()}
            said = next(iter(label.values())) if one else label
            row = self.reader.fingerprint_row(self.names[i], self.sources[i], content, said)
            digest.update(json.dumps(row).encode())
        return digest.hexdigest()

    def digests(self) -> tuple[str, ...]:
        """A SHA-256 of each example's content, as hexadecimal digits; computed once."""
        missing = [i for i in range(len(self)) if i not in self._digests]
        self._digests.update(
            all_at_once(
                lambda i: self.reader.digest(self.sources[i]),
                missing,
                threads=self.reader.hashes_in_threads,
            )
        )
        return tuple(self._digests[i] for i in range(len(self)))

    def size_hint(self) -> int:
        """The number of examples, including those that turn out unreadable."""
        return len(self)

    def class_counts(self, output: str | None = None) -> dict[str, int]:
        """The number of examples by class name, zeros included; empty of numbers.

        With several labels per example they may add up to more or less than there are examples.
        Examples without a label, and those that turned out unreadable, are not counted.

        Args:
            output: the name of one of several outputs; None is the only one.

        Raises:
            ConfigurationError: there are several outputs and none is named, or no such one.
        """
        if output is None:
            _ = self.output
            output = next(iter(self.outputs))
        if output not in self.outputs:
            raise ConfigurationError(
                f"There is no output {output!r}. The data set has {listed(self.outputs)}."
            )
        left = np.ones(len(self), dtype=bool)
        left[list(self._broken)] = False
        return self.outputs[output].counts(self.targets[output][left])

    def with_outputs(self, outputs: Mapping[str, Output]) -> Self:
        """The same examples for other outputs, whose labels are of the same form and classes."""
        found = super().with_outputs(outputs)
        found.targets = dict(zip(outputs, self.targets.values(), strict=True))
        return found

    def subset(self, indices: Rows) -> ExampleDataset:
        """The examples at ``indices``, in that order, with the same classes."""
        rows = np.asarray(indices, dtype=np.int64)
        places = rows.tolist()
        chosen = copy.copy(self)
        whole, own = self.origin or (self, np.arange(len(self)))
        chosen.origin = whole, own[rows]
        chosen.names = tuple(self.names[i] for i in places)
        chosen.groups = None if self.groups is None else [self.groups[i] for i in places]
        held = isinstance(self.sources, tuple)
        chosen.sources = (
            tuple(self.sources[i] for i in places) if held else Selection(self.sources, rows)
        )
        chosen.targets = {name: _read_only(label[rows]) for name, label in self.targets.items()}
        chosen._broken = {new for new, old in enumerate(places) if old in self._broken}
        chosen._digests = {
            new: self._digests[old] for new, old in enumerate(places) if old in self._digests
        }
        return chosen

    def joined(self, other: ExampleDataset) -> ExampleDataset | None:
        """The examples of two parts of one data set, in its order; None where they are not that.

        What has turned out unreadable in a part is so in the whole.
        """
        if self.origin is None or other.origin is None or self.origin[0] is not other.origin[0]:
            return None
        rows = np.concatenate([self.origin[1], other.origin[1]])
        found = self.origin[0].subset(np.sort(rows)).with_outputs(self.outputs)
        places = {int(row): place for place, row in enumerate(np.sort(rows))}
        for part in (self, other):
            assert part.origin is not None
            found._broken |= {places[int(part.origin[1][i])] for i in part._broken}
            found._digests |= {places[int(part.origin[1][i])]: d for i, d in part._digests.items()}
        return found

    def split(
        self, fraction: float, *, seed: int, groups: Groups | None = None
    ) -> tuple[ExampleDataset, ExampleDataset]:
        """Splits into training and validation, every class on both sides.

        Groups are those given here, or else those of the data set. Without any, copies of one
        example are kept on one side, so that none leaks into validation.

        Args:
            fraction: share of the validation side, between 0 and 1.
            seed: seed of the choice.
            groups: the group of each example; a group is never on both sides.

        Raises:
            DataError: a class has a single example, or the groups cannot be divided.
            ConfigurationError: ``fraction`` or ``seed`` is not valid.
        """
        train, validation = split_positions(
            self.reader,
            self.outputs,
            self.targets,
            fraction,
            seed=seed,
            groups=groups if groups is not None else self.groups,
            digests=self.digests,
        )
        return self.subset(train), self.subset(validation)

    def batches(
        self,
        image_size: tuple[int, int],
        batch_size: int,
        *,
        resize: str = STRETCH,
        order: Rows | None = None,
    ) -> Iterator[Batch]:
        """Yields one pass over the examples; see ``Dataset.batches``.

        Examples that turn out unreadable are left out with their labels, and one warning at the
        end of the pass counts and names those that are new; later passes do not try them again.
        Where that leaves a class without examples, a DataError is raised. ``order`` holds the
        positions to visit instead of ``0 .. n - 1``, such as a permutation.
        """
        check_batch_size(batch_size)
        size = check_image_size(image_size)
        rows = np.arange(len(self)) if order is None else np.asarray(order, dtype=np.int64)
        decode = functools.partial(self.reader.decode, size=size, resize=resize)
        return self._pass([int(i) for i in rows], decode, int(batch_size))

    def _pass(
        self, rows: list[int], decode: Callable[[Any], Array], batch_size: int
    ) -> Iterator[Batch]:
        failures: dict[int, DataError] = {}
        for batch in batched(self._decoded(rows, decode, 2 * batch_size, failures), batch_size):
            places, arrays = zip(*batch, strict=True)
            labels = {name: target[list(places)] for name, target in self.targets.items()}
            one = len(labels) == 1
            yield np.stack(arrays), next(iter(labels.values())) if one else labels
        if failures:
            self._broken.update(failures)
            named = [
                (self.reader.name_in_messages(self.sources[i], self.names[i]), error)
                for i, error in sorted(failures.items())
            ]
            report(named, self.reader, on_error="warn")
        self._check_classes_left()

    def _decoded(
        self,
        rows: list[int],
        decode: Callable[[Any], Array],
        ahead: int,
        failures: dict[int, DataError],
    ) -> Iterator[tuple[int, Array]]:
        """Positions and arrays of the examples that can be read; the others become failures."""

        def attempt(i: int) -> tuple[int, Array | DataError]:
            try:
                return i, decode(self.sources[i])
            except self.reader.error as error:
                return i, error

        whole = self.sources.sources if isinstance(self.sources, Selection) else self.sources
        known = [i for i in rows if i not in self._broken]
        threads = self.reader.in_threads(whole)
        for i, found in one_by_one(attempt, known, ahead=ahead, threads=threads):
            if not isinstance(found, DataError):
                yield i, found
            elif self.on_error == "raise":
                raise found
            else:
                failures[i] = found

    def _check_classes_left(self) -> None:
        if not self._broken:
            return
        left = np.ones(len(self), dtype=bool)
        left[list(self._broken)] = False
        lost = [
            name
            for output, labels in zip(self.outputs.values(), self.targets.values(), strict=True)
            for name, count in output.counts(labels[left]).items()
            if count == 0 and output.counts(labels)[name] > 0
        ]
        if lost:
            raise DataError(
                f"Every {self.reader.noun} turned out unreadable of: {listed(lost)}. Mend the "
                "files, or take the class out."
            )

    def _check_sizes(self, count: int, labels: Mapping[str, Array]) -> None:
        sizes: dict[str, tuple[int, ...]] = {"names": (len(self.names),)}
        if self.groups is not None:
            sizes["groups"] = (len(self.groups),)
        for name, values in labels.items():
            sizes[f"labels of {name!r}" if len(labels) > 1 else "labels"] = values.shape[:1]
        for what, size in sizes.items():
            if size != (count,):
                raise DataError(
                    f"There are {count} {self.reader.nouns} but {size[0] if size else 'no list of'}"
                    f" {what}. They must match."
                )


def _read_only(labels: Array) -> Array:
    labels.flags.writeable = False
    return labels
