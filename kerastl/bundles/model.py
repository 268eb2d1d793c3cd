"""A bundle as a model: it predicts and is measured as a trained one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np

from kerastl.bundles.manifest import read_manifest
from kerastl.bundles.predictor import Predictor
from kerastl.evaluation import answer
from kerastl.inputs import Examples
from kerastl.task import Task

Array = np.ndarray[Any, Any]


@final
class BundleModel:
    """What ``kerastl.load`` reads of a bundle: one of its artifacts, in its own runtime.

    Attributes:
        path: the bundle.
        predictor: the artifact that answers.
        manifest: the content of its manifest.json.
    """

    def __init__(self, path: Path, predictor: Predictor) -> None:
        self.path = path
        self.predictor = predictor
        self.manifest: Mapping[str, Any] = read_manifest(path)

    def __repr__(self) -> str:
        return f"BundleModel({str(self.path)!r}: {self.task}, answered by {self.predictor.path})"

    @property
    def task(self) -> Task:
        """What goes in and what comes out."""
        return self.predictor.task

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the outputs; empty where there are no classes."""
        return self.task.class_names

    @property
    def metrics(self) -> Mapping[str, float]:
        """Those that the trained model had on its validation data."""
        return dict(self.manifest.get("metrics") or {})

    def outputs(self, inputs: Any, *, on_error: str = "raise") -> dict[str, Array]:
        """What the artifact gives, float32 ``(n, width)`` by output name; see ``Predictor``."""
        return self.predictor.outputs(inputs, on_error=on_error)

    def answer_examples(self, examples: Examples) -> dict[str, Array]:
        """Outputs by name for examples that were read before, float32 ``(n, width)``."""
        return self.predictor.answer_examples(examples)

    def predict(self, inputs: Any, *, on_error: str = "raise") -> Any:
        """``Predictions`` of examples, as ``TrainedModel.predict`` gives them."""
        return self.task.predictions(self.outputs(inputs, on_error=on_error))

    def evaluate(self, data: Any, **options: Any) -> dict[str, float]:
        """Measures the artifact on labelled data, as ``TrainedModel.evaluate`` does."""
        answered = answer(self, data, **options)
        return self.task.measure(answered.targets, answered.answers)
