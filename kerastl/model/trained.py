"""A trained model: a network with its task and its history."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerastl.data import load_for
from kerastl.data.unlabelled import sources_of
from kerastl.errors import DataError
from kerastl.model import run_directory
from kerastl.model.predicting import predict_examples, predict_sources
from kerastl.outputs import Gate
from kerastl.samples import Samples
from kerastl.task import Task

if TYPE_CHECKING:
    from kerastl.bundles import Bundle, LiteRTOptions

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """What ``fit`` returns and ``load`` reads.

    Attributes:
        network: the plain ``keras.Model``, from inputs to outputs. Preprocessing is inside.
        task: what goes in and what comes out.
        recipe: the settings that it was trained with.
        history: one record for each phase (see ``kerastl.training.run_plan``).
        metrics: on the validation data; empty where there were none.
        provenance: versions, seed, hashes, command.
        samples: examples that prove and calibrate an export, or None.
    """

    network: keras.Model
    task: Task
    recipe: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    samples: Samples | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the network's outputs; empty where there are no classes."""
        return self.task.class_names

    def outputs(self, inputs: Any, *, on_error: str = "raise") -> dict[str, Array]:
        """What the network gives, float32 ``(n, width)`` by output name.

        Args:
            inputs: one example or any number of them: of images paths, PIL images, encoded bytes
                or arrays (height, width, 3) of pixels in 0..255, which are decoded and resized as
                the training images were; of texts strings. Or the path of a folder (of texts as
                a ``Path``), for the files below it in the order of their paths.
            on_error: ``"warn"`` leaves out what cannot be read, with a warning that names it.

        Raises:
            DataError: one of them cannot be read, or with ``"warn"`` none of them.
        """
        sources = sources_of(inputs, self.task.input, on_error=on_error)
        return predict_sources(self.network, self.task, sources)

    def predict(self, inputs: Any, *, on_error: str = "raise") -> Any:
        """``Predictions`` of examples; of an embedding vectors float32 (n, dimensions).

        Args:
            inputs: see ``outputs``.
            on_error: see ``outputs``.

        Returns:
            In the order of the inputs; of several outputs a dict of these by output name.

        Raises:
            DataError: one of the inputs cannot be read.
        """
        return self.task.predictions(self.outputs(inputs, on_error=on_error))

    def evaluate(self, data: Any, **options: Any) -> dict[str, float]:
        """Measures the model on labelled data.

        Args:
            data: any kind of data that ``fit`` takes.
            **options: of ``kerastl.data.load``, as ``split="test"`` or ``label_column="topic"``.

        Returns:
            Of one class per example ``accuracy`` with its 95 % interval, ``macro_f1``, ``loss``
            and ``examples``; see ``kerastl.metrics`` for other outputs. Of several outputs each
            name begins with the output's and a slash.

        Raises:
            DataError: the data's classes are not the model's.
        """
        dataset = load_for(self.task, data, **options)
        with tempfile.TemporaryDirectory(prefix="kerastl-") as scratch:
            examples = self.task.input.examples(dataset, Path(scratch))
            if not len(examples):
                raise DataError(f"There is not a single {self.task.input.noun}.")
            found = predict_examples(self.network, self.task.outputs, examples)
            return self.task.measure(examples.targets, found)

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        formats: Sequence[str] = ("saved_model", "onnx", "litert"),
        quantize: Sequence[str] = (),
        gate: Gate | None = None,
        litert: LiteRTOptions | None = None,
        any_size: bool = False,
        overwrite: bool = False,
        progress: Callable[[str], None] | None = None,
    ) -> Bundle:
        """Exports a bundle whose every file was proved to answer like this model.

        Args:
            path: the bundle's folder; must not exist, unless ``overwrite``.
            formats: of ``"saved_model"``, ``"onnx"``, ``"litert"``, ``"openvino"``, ``"torch"``.
            quantize: further files: of ``"float16"``, ``"dynamic"``, ``"int8"``, ``"int16x8"``, or
                ``"FORMAT:QUANTIZATION"`` for only one format.
            gate: how close is close enough.
            litert: batch and input of the LiteRT files.
            any_size: of images: files take them as they are and resize them in the graph.
            overwrite: replace a bundle that is there.
            progress: called with one line for each step.

        Raises:
            ParityError: an artifact does not answer like the model; nothing is left at ``path``.
            ExportError: a conversion failed.
            MissingExtraError: a runtime is not installed.
        """
        from kerastl.bundles import LiteRTOptions, Subject, export_subject

        return export_subject(
            Subject(self.network, self.task, self.samples or Samples(), self.details()),
            path,
            formats=tuple(formats),
            quantize=tuple(quantize),
            gate=gate or Gate(),
            litert=litert or LiteRTOptions(),
            any_size=any_size,
            overwrite=overwrite,
            progress=progress,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a run directory; each file appears whole or not at all."""
        run_directory.write(self, Path(path))

    def details(self) -> dict[str, Any]:
        """What a bundle says of its origin; the folders of this machine stay here."""
        backbone = self.provenance.get("backbone", {})
        recipe = dict(self.recipe)
        for name in ("weights", "tokenizer"):
            if recipe.get(name) is not None:
                recipe[name] = _without_folder(str(recipe[name]))
        return {
            "backbone": backbone.get("name"),
            "licence": backbone.get("licence"),
            "weights_sha256": self.provenance.get("weights_sha256"),
            "data_fingerprint": self.provenance.get("data_fingerprint"),
            "metrics": dict(self.metrics),
            "versions": self.provenance.get("versions", {}),
            "training": {
                "recipe": recipe,
                "seed": self.provenance.get("seed"),
                "phases": [
                    {key: value for key, value in record.items() if key != "history"}
                    for record in self.history
                ],
            },
            "preprocessing": backbone.get("preprocessing"),
            "weights": _without_folder(backbone.get("weights")),
        }


def _without_folder(weights: str | None) -> str | None:
    if weights is None or weights.startswith("pkg:"):
        return weights
    return Path(weights).name
