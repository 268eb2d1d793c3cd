"""Data sets of what is in memory: pairs ``(x, y)``, and examples with labels in their own form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy.typing as npt

from kerastl.data.dataset import ExampleDataset
from kerastl.data.request import Request
from kerastl.errors import ConfigurationError, DataError, counted
from kerastl.inputs import IMAGES, TEXTS
from kerastl.inputs.images import ImageSource
from kerastl.outputs import Classes, output_named
from kerastl.outputs.names import listed

TextKind: TypeAlias = Literal["single_label", "multi_label", "regression"]
"""One class per text, any number of classes per text, or a number."""

_WHERE = "The pair (x, y)"


def from_arrays(x: Any, y: Any, request: Request) -> ExampleDataset:
    """A data set of examples and labels in memory, or in a memory map.

    Examples are what the reader's ``from_array`` takes; labels what ``Output.read_array`` takes,
    of several outputs a mapping of them by name.
    """
    if callable(request.groups):
        raise ConfigurationError("For a pair (x, y), groups must be the group of each example.")
    sources = request.reader.from_array(x)
    named = isinstance(y, Mapping) or len(request.outputs) > 1
    labels = y if named else {next(iter(request.outputs)): y}
    if not isinstance(labels, Mapping) or set(labels) != set(request.outputs):
        raise DataError(
            f"y must be a mapping with the labels of the outputs {listed(request.outputs)}. "
            f"Received: {listed(y) if isinstance(y, Mapping) else type(y).__name__}."
        )
    for given in labels.values():
        count = _count(given)
        if count != len(sources):
            raise DataError(
                f"x holds {counted(len(sources), request.reader.noun, request.reader.nouns)} but y "
                f"holds {'a single value' if count is None else counted(count, 'label')}."
            )
    if not len(sources):
        raise DataError(f"{_WHERE} holds no examples.")
    found = {
        name: output.read_array(labels[name], request.source(_WHERE, name))
        for name, output in request.outputs.items()
    }
    return request.dataset(_WHERE, sources, found, groups=request.groups)


def _count(labels: Any) -> int | None:
    """How many labels there are; None where it is not a list of them."""
    if isinstance(labels, str):
        return None
    try:
        return len(labels)
    except TypeError:
        return None


def ImageDataset(  # noqa: N802 - as a class of its own was called
    sources: Sequence[ImageSource],
    labels: npt.ArrayLike,
    class_names: Iterable[str],
    **options: Any,
) -> ExampleDataset:
    """Images with one class each.

    Args:
        sources: paths, encoded bytes, Pillow images or arrays; see ``decode_image``.
        labels: class indices ``(n,)``, integers.
        class_names: names of the classes, in the order of the indices.
        **options: ``names``, ``groups``, ``on_error`` and ``unreadable`` of ``ExampleDataset``.
    """
    output = Classes(tuple(class_names))
    return ExampleDataset(
        IMAGES, sources, {output.tensor: output}, {output.tensor: labels}, **options
    )


def TextDataset(  # noqa: N802 - as a class of its own was called
    texts: Sequence[str],
    labels: npt.ArrayLike,
    class_names: Iterable[str],
    *,
    kind: TextKind = "single_label",
    **options: Any,
) -> ExampleDataset:
    """Texts with labels of one kind.

    Args:
        texts: strings.
        labels: for ``"single_label"`` class indices ``(n,)``, integers; for ``"multi_label"``
            zeros and ones ``(n, classes)``; for ``"regression"`` finite numbers ``(n,)``.
        class_names: names of the classes, in the order of the indices; ``()`` for regression.
        kind: what the labels are.
        **options: ``names`` and ``groups`` of ``ExampleDataset``.

    Examples:
        >>> data = TextDataset(["good", "bad", "fine", "poor"], [1, 0, 1, 0], ["no", "yes"])
        >>> len(data), data.class_counts()
        (4, {'no': 2, 'yes': 2})
    """
    output, classes = output_named(kind)(), tuple(class_names)
    if classes:
        output = output.with_classes(classes)
    return ExampleDataset(TEXTS, texts, {output.tensor: output}, {output.tensor: labels}, **options)
