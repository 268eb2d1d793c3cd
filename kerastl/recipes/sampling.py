"""The examples that travel with a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerastl.data import Dataset, ExampleDataset, stratified_sample
from kerastl.inputs.examples import Examples
from kerastl.outputs import Output
from kerastl.samples import (
    CALIBRATION_EXAMPLES,
    SOURCE_FILES,
    TRAINING,
    VALIDATION,
    VALIDATION_EXAMPLES,
    Samples,
)

Array = np.ndarray[Any, Any]


def choose_samples(
    data: Dataset | None,
    outputs: Mapping[str, Output],
    train: Examples,
    validation: Examples | None,
    seed: int,
) -> Samples:
    """Chooses examples that prove and calibrate an export, of every class where each has one.

    ``data`` are the validation data, or without any the training data; some of their files are
    kept as they are.
    """
    shown = train if validation is None else validation
    rows = _rows(outputs, shown.targets, VALIDATION_EXAMPLES, seed)
    calibration = _rows(outputs, train.targets, CALIBRATION_EXAMPLES, seed)
    return Samples(
        shown.sources(rows),
        {name: np.asarray(labels[rows]) for name, labels in shown.targets.items()},
        train.sources(calibration),
        _source_files(data, outputs, seed),
        TRAINING if validation is None else VALIDATION,
    )


def _rows(
    outputs: Mapping[str, Output], targets: Mapping[str, Array], count: int, seed: int
) -> Array:
    for name, output in outputs.items():
        classes = output.classes_of(targets[name])
        if classes is not None:
            return stratified_sample(classes, count, seed=seed)
    total = len(next(iter(targets.values())))
    return np.sort(np.random.default_rng(seed).permutation(total)[:count])


def _source_files(
    data: Dataset | None, outputs: Mapping[str, Output], seed: int
) -> tuple[tuple[str, bytes], ...]:
    """A few files of the validation data, where they are files, under names of our own."""
    if not isinstance(data, ExampleDataset):
        return ()
    files: list[tuple[str, bytes]] = []
    for row in _rows(outputs, data.targets, SOURCE_FILES, seed):
        path = data.reader.file_of(data.sources[int(row)])
        if path is not None:
            files.append((f"{len(files)}{path.suffix.lower()}", path.read_bytes()))
    return tuple(files)
