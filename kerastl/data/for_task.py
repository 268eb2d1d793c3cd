"""The entry for data that a trained model is measured on."""

from __future__ import annotations

import warnings
from typing import Any

from kerastl.data.dataset import Dataset, ExampleDataset
from kerastl.data.loading import load
from kerastl.errors import DataWarning
from kerastl.outputs.names import listed
from kerastl.task import Task


def load_for(task: Task, data: Any, **options: Any) -> Dataset:
    """Loads labelled examples for a trained model: ``load`` with the classes of its task.

    Warns:
        DataWarning: a class has no example.
    """
    outputs = {name: output.for_other_data() for name, output in task.outputs.items()}
    options = {"allow_missing_classes": True, **options}
    found = load(data, reader=task.input.reader, outputs=outputs, **options)
    if isinstance(found, ExampleDataset):
        _warn_of_missing_classes(found)
    return found


def _warn_of_missing_classes(data: ExampleDataset) -> None:
    several = len(data.outputs) > 1
    for name, output in data.outputs.items():
        empty = [key for key, count in output.counts(data.targets[name]).items() if count == 0]
        if empty:
            warnings.warn(
                f"The data have no example of the class{'es' if len(empty) > 1 else ''} "
                f"{listed(empty)}{f' of {name!r}' if several else ''}: nothing is known of how the "
                "model does there.",
                DataWarning,
                stacklevel=4,
            )
