"""The images that travel with a run."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from kerastl.data import Dataset, ExampleDataset, stratified_sample
from kerastl.model import Samples
from kerastl.model.samples import CALIBRATION_EXAMPLES, SOURCE_FILES, VALIDATION_EXAMPLES
from kerastl.training import ImageExamples


def image_samples(
    train: ImageExamples, validation: ImageExamples | None, data: Dataset | None, seed: int
) -> Samples:
    """Examples that travel with a run of an image classifier.

    Args:
        train: training images.
        validation: validation images, or None.
        data: the data set that they came from, or None.
        seed: of the choice.
    """
    shown = validation if validation is not None else train
    chosen = stratified_sample(shown.labels, VALIDATION_EXAMPLES, seed=seed)
    calibration = stratified_sample(train.labels, CALIBRATION_EXAMPLES, seed=seed)
    return Samples(
        validation=np.asarray(shown.images[chosen]),
        labels=np.asarray(shown.labels[chosen]),
        calibration=np.asarray(train.images[calibration]),
        files=_source_files(data, seed),
    )


def _source_files(data: Dataset | None, seed: int) -> tuple[tuple[str, bytes], ...]:
    """A few files of the validation data, where they are files, under names of our own."""
    if not isinstance(data, ExampleDataset):
        return ()
    files: list[tuple[str, bytes]] = []
    for index in stratified_sample(data.labels, SOURCE_FILES, seed=seed):
        source = data.sources[int(index)]
        if isinstance(source, (str, os.PathLike)) and Path(source).is_file():
            path = Path(source)
            files.append((f"{len(files)}{path.suffix.lower()}", path.read_bytes()))
    return tuple(files)
