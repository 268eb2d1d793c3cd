"""A trained model: a network with its task and its history."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import keras
import numpy as np

from kerastl.data.unlabelled import sources_of
from kerastl.errors import ConfigurationError
from kerastl.evaluation import Evidence, answer
from kerastl.inputs import Examples
from kerastl.model import run_directory
from kerastl.model.history import History
from kerastl.model.predicting import predict_examples, predict_sources
from kerastl.outputs import Gate
from kerastl.provenance import sha256_arrays
from kerastl.samples import Samples
from kerastl.task import Task

if TYPE_CHECKING:
    from kerastl.bundles import Bundle, LiteRTOptions

Array = np.ndarray[Any, Any]
# What provenance says of the data that the weights were trained on.
_OF_TRAINING = (
    *("data_fingerprint", "validation_fingerprint", "train_examples", "validation_examples"),
    *("seed", "command", "options"),
)


class ChangedWeightsWarning(UserWarning):
    """A network was changed after its training: what was measured of it no longer holds."""


@dataclasses.dataclass(frozen=True, repr=False)
class TrainedModel:
    """What ``fit`` returns and ``load`` reads.

    Attributes:
        network: the plain ``keras.Model``, from inputs to outputs. Preprocessing is inside.
        task: what goes in and what comes out.
        recipe: the settings that it was trained with.
        history: one record for each phase (see ``kerastl.training.run_plan``); ``history.history``
            joins their epochs, as Keras has them.
        metrics: on the validation data; empty where there were none.
        provenance: versions, seed, hashes, command.
        samples: examples that prove and calibrate an export, or None.
        evidence: what it is measured by: baselines, and which examples it was trained on.
        network_sha256: of the network's weights when they were trained or loaded.
    """

    network: keras.Model
    task: Task
    recipe: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    history: History = dataclasses.field(default_factory=History)
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    samples: Samples | None = None
    evidence: Evidence = dataclasses.field(default_factory=Evidence)
    network_sha256: str | None = None

    def __repr__(self) -> str:
        score = self.metrics.get(self.task.metric)
        measured = "" if score is None else f", {self.task.metric} {score:.3f}"
        backbone = self.provenance.get("backbone", {}).get("name")
        on = "" if backbone is None else f" on {backbone}"
        return f"{type(self).__name__}({self.task}{on}{measured})"

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
        """Measures the model on labelled data; ``kerastl.evaluate`` tells more.

        Args:
            data: any kind of data that ``fit`` takes.
            **options: of ``kerastl.data.load``, as ``split="test"`` or ``label_column="topic"``.

        Returns:
            Of one class per example ``accuracy`` with its 95 % interval, ``macro_f1``, ``loss``
            and ``examples``; see ``kerastl.metrics`` for other outputs. Of several outputs each
            name begins with the output's and a slash.

        Raises:
            DataError: the data have classes that the model does not know.

        Warns:
            DataWarning: a class has no example, or the model was trained on some of the examples.
        """
        answered = answer(self, data, **options)
        self.evidence.shared_with(answered)
        return self.task.measure(answered.targets, answered.answers)

    def answer_examples(self, examples: Examples) -> dict[str, Array]:
        """What the network gives for examples that were read before; see ``outputs``."""
        return predict_examples(self.network, self.task.outputs, examples)

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
            Subject(self.network, self.task, self.samples or Samples(), self.current().details()),
            path,
            formats=tuple(formats),
            quantize=tuple(quantize),
            gate=gate or Gate(),
            litert=litert or LiteRTOptions(),
            any_size=any_size,
            overwrite=overwrite,
            progress=progress,
        )

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Writes a run directory; each file appears whole or not at all.

        Raises:
            ConfigurationError: a finished run is there, and ``overwrite`` is False.
            RunError: the folder cannot be written.
        """
        if run_directory.is_complete(Path(path)) and not overwrite:
            raise ConfigurationError(
                f"{path} holds a finished run already. Choose another folder, or give "
                "overwrite=True."
            )
        run_directory.write(self.current(), Path(path))

    def current(self) -> Self:
        """This model, less what no longer holds where its network's weights were changed.

        Metrics, phases and the data's fingerprints are of the weights that were trained here.
        After ``model.network.fit(...)`` they are left out with a ``ChangedWeightsWarning``.
        """
        if self.network_sha256 in (None, weights_digest(self.network)):
            return self
        warnings.warn(
            "The network's weights were changed after its training. Its metrics, phases and the "
            "fingerprints of its data are left out, since they are those of the old weights: "
            "measure it with model.evaluate(data).",
            ChangedWeightsWarning,
            stacklevel=3,
        )
        kept = {k: v for k, v in self.provenance.items() if k not in _OF_TRAINING}
        return dataclasses.replace(
            self,
            history=History(),
            metrics={},
            provenance={**kept, "weights_changed": True},
            evidence=Evidence(),
        )

    def details(self) -> dict[str, Any]:
        """What a bundle says of its origin; the folders of this machine stay here."""
        backbone = self.provenance.get("backbone", {})
        recipe = dict(self.recipe)
        for name in ("weights", "tokenizer"):
            if recipe.get(name) is not None:
                recipe[name] = _without_folder(str(recipe[name]))
        estimate = self.provenance.get("estimate")
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
                **({} if estimate is None else {"estimate": estimate}),
            },
            "preprocessing": backbone.get("preprocessing"),
            "weights": _without_folder(backbone.get("weights")),
        }


def weights_digest(network: keras.Model) -> str:
    """SHA-256 over all weights of a network."""
    return sha256_arrays(network.get_weights())


def _without_folder(weights: str | None) -> str | None:
    if weights is None or weights.startswith("pkg:"):
        return weights
    return Path(weights).name
