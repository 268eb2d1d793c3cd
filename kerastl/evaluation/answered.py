"""Labelled examples with a model's answers to them, in the order of the data."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kerastl.data import Dataset, ExampleDataset, load_for
from kerastl.errors import DataError
from kerastl.inputs import Examples, Input
from kerastl.outputs import Output
from kerastl.task import Task

Array = np.ndarray[Any, Any]


class Responds(Protocol):
    """What can be measured: a trained model, or a bundle that was opened."""

    @property
    def task(self) -> Task:
        """What goes in and what comes out."""

    def answer_examples(self, examples: Examples) -> Mapping[str, Array]:
        """Outputs float32 ``(n, width)`` by name, in the order of the examples."""


@dataclasses.dataclass(frozen=True)
class Answered:
    """Examples, their labels and answers; all of length n, in the order of the data.

    Attributes:
        input: what the examples are.
        outputs: by name, with the classes of the labels.
        targets: labels ``(n, ...)`` by the outputs' names.
        answers: float32 ``(n, width)`` by the same names.
        sources: the examples, as the input takes them.
        names: of the examples.
        paths: the files that they are, None where they are not.
        digests: of their content; empty where it is not known.
    """

    input: Input
    outputs: Mapping[str, Output]
    targets: Mapping[str, Array]
    answers: Mapping[str, Array]
    sources: Sequence[Any]
    names: Sequence[str]
    paths: Sequence[str | None]
    digests: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)


def answer(model: Responds, data: Any, **options: Any) -> Answered:
    """Lets a model answer labelled data.

    Args:
        model: what answers.
        data: any kind of data that ``fit`` takes.
        **options: of ``kerastl.data.load``.

    Raises:
        DataError: the data cannot be read, or have classes that the model does not know.

    Warns:
        DataWarning: a class has no example.
    """
    task = model.task
    dataset = load_for(task, data, **options)
    with tempfile.TemporaryDirectory(prefix="kerastl-") as scratch:
        examples = task.input.examples(dataset, Path(scratch))
        if not len(examples):
            raise DataError(f"There is not a single {task.input.noun}.")
        answers = model.answer_examples(examples)
        return answer_loaded(task.input, task.outputs, dataset, examples, answers)


def answer_loaded(
    input: Input,
    outputs: Mapping[str, Output],
    data: Dataset,
    examples: Examples,
    answers: Mapping[str, Array],
) -> Answered:
    """Puts examples that were read, and answers to them, into the order of the data."""
    order = np.argsort(examples.order, kind="stable")
    known = isinstance(data, ExampleDataset) and len(data.readable) == len(examples)
    names = [str(place) for place in range(len(examples))]
    paths: list[str | None] = [None] * len(examples)
    digests: list[str] = []
    if known:
        assert isinstance(data, ExampleDataset)
        rows, found = data.readable, data.digests()
        names, digests = [data.names[i] for i in rows], [found[i] for i in rows]
        files = [data.reader.file_of(data.sources[i]) for i in rows]
        paths = [None if file is None else str(file.absolute()) for file in files]
    return Answered(
        input,
        {name: _with_classes(output, data.outputs[name]) for name, output in outputs.items()},
        {name: examples.targets[name][order] for name in outputs},
        {name: np.asarray(answers[name])[order] for name in outputs},
        examples.sources(order),
        names,
        paths,
        digests,
    )


def _with_classes(output: Output, held: Output) -> Output:
    """An output with the classes of the data, where the network itself gives none."""
    return output.with_classes(held.labelling.class_names) if output.has_classes else output
