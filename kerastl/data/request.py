"""What is asked of data, whatever their source: which examples, which labels, how strictly."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from kerastl.data.dataset import Array, ExampleDataset
from kerastl.data.splits import Groups
from kerastl.data.unreadable import OnError, report
from kerastl.errors import ConfigurationError, DataWarning, some_of
from kerastl.inputs import Reader
from kerastl.outputs import Classes, Output, Source
from kerastl.outputs.names import given_class_names, listed


@dataclasses.dataclass(frozen=True)
class Request:
    """How data are read; see ``load`` for the attributes.

    The outputs are named, and have the classes that are expected where these are known.
    """

    reader: Reader
    outputs: Mapping[str, Output]
    groups: Groups | Callable[[str], Hashable] | None = None
    encoding: str | None = None
    on_error: OnError = "warn"
    allow_missing: bool = False

    def source(self, where: str, name: str, **details: Any) -> Source:
        """Where the labels of an output stand; ``details`` are further fields of ``Source``."""
        several = len(self.outputs) > 1
        return Source(
            f"{where} (output {name!r})" if several else where,
            allow_missing=self.allow_missing,
            optional=several,
            **details,
        )

    def one_class(self, what: str) -> tuple[str, Output]:
        """The only output and its name, of data with one class per example.

        ``what`` are the data, as the beginning of the sentence of a ConfigurationError.
        """
        [(name, output), *others] = self.outputs.items()
        if not others and output.one_class:
            return name, output
        wanted = ", ".join(repr(output.kind) for output in self.outputs.values())
        raise ConfigurationError(
            f"{what} gives each {self.reader.noun} one class, and labels of the kind {wanted} "
            "were asked for. Give a table, or a pair (x, y)."
        )

    def check_groups_by_name(self, what: str) -> None:
        """Refuses groups that are listed one by one for data whose examples have names."""
        if self.groups is not None and not callable(self.groups):
            raise ConfigurationError(
                f"For {what}, groups must be a function that gives the group from an example's "
                f"name, such as its relative path. Received: {type(self.groups).__name__}"
            )

    def dataset(
        self,
        where: str,
        sources: Sequence[Any],
        found: Mapping[str, tuple[Output, Array]],
        *,
        names: Sequence[str] | None = None,
        groups: Groups | None = None,
        screen: bool = False,
        where_paths_begin: str = "",
    ) -> ExampleDataset:
        """The data set, without the examples that cannot be read.

        ``found`` holds by name the outputs with their classes, and the labels ``(n, ...)``.
        Examples without ``names`` are numbered, and the request's function gives their groups where
        ``groups`` does not. ``screen`` looks for examples that cannot be read, and
        ``where_paths_begin`` is said of files that are not there.
        """
        bad = self.reader.unreadable(sources) if screen else {}
        titles = names or [str(i) for i in range(len(sources))]
        if groups is None and callable(self.groups):
            groups = [self.groups(title) for title in titles]
        report(
            [(self.reader.name_in_messages(sources[i], titles[i]), e) for i, e in bad.items()],
            self.reader,
            on_error=self.on_error,
            hint=where_paths_begin if any(map(_is_missing, bad.values())) else "",
        )
        good = [i for i in range(len(sources)) if i not in bad]
        for name, (output, labels) in found.items():
            output.check_examples(labels[good], self.source(where, name))
        data = ExampleDataset(
            self.reader,
            sources,
            {name: output for name, (output, _) in found.items()},
            {name: labels for name, (_, labels) in found.items()},
            names=names,
            groups=groups,
            on_error=self.on_error,
            unreadable=[titles[i] for i in bad],
        )
        data.where = where
        self._warn_of_empty(data, where)
        return data.subset(good) if bad else data

    def _warn_of_empty(self, data: ExampleDataset, where: str) -> None:
        if not self.reader.blank_cells:
            return
        empty = [
            name
            for name, source in zip(data.names, data.sources, strict=True)
            if self.reader.is_empty(source)
        ]
        if empty:
            one = len(empty) == 1
            warnings.warn(
                f"{where} holds {len(empty)} empty {self.reader.noun if one else self.reader.nouns}"
                f", which {'is' if one else 'are'} kept: {some_of(empty)}. A model can learn "
                f"nothing from {'it' if one else 'them'} but the share of the classes: remove what "
                "is not meant.",
                DataWarning,
                stacklevel=5,
            )


def _is_missing(error: Exception) -> bool:
    return isinstance(error.__cause__, FileNotFoundError)


def expected_outputs(
    outputs: Output | Mapping[str, Output] | None, class_names: Iterable[str] | None
) -> dict[str, Output]:
    """The outputs by name, with the classes expected of the only one; None is ``Classes``."""
    if outputs is None:
        outputs = Classes()
    named = {outputs.tensor: outputs} if isinstance(outputs, Output) else dict(outputs)
    if not named:
        raise ConfigurationError("outputs is empty. Name one or more.")
    if class_names is None:
        return named
    names = given_class_names(class_names)
    if len(named) > 1:
        raise ConfigurationError(
            f"class_names does not say which of the outputs {listed(named)} it is for. Give it to "
            "the output itself, as in Classes(('cat', 'dog'))."
        )
    return {name: output.with_classes(names) for name, output in named.items()}
