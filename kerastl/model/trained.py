"""A trained model: a network with its class names and its history."""

from __future__ import annotations

import abc
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import keras

from kerastl.model import run_directory
from kerastl.model.predictions import Predictions

if TYPE_CHECKING:
    from kerastl.exporting import Bundle


@dataclasses.dataclass(frozen=True)
class TrainedModel(abc.ABC):
    """What ``fit`` returns and ``load`` reads.

    Attributes:
        network: the plain ``keras.Model``, from inputs to outputs. Preprocessing is inside.
        class_names: in the order of the network's outputs.
        recipe: the settings that it was trained with.
        history: one record a phase (see ``kerastl.training.run_plan``).
        metrics: on the validation data; empty where there were none.
        provenance: versions, seed, hashes, command.
    """

    KIND: ClassVar[str]

    network: keras.Model
    class_names: tuple[str, ...]
    recipe: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @abc.abstractmethod
    def predict(self, inputs: Any) -> Predictions:
        """Predicts the classes of inputs."""

    @abc.abstractmethod
    def evaluate(self, data: Any, **options: Any) -> dict[str, float]:
        """Measures the model on labelled data."""

    @abc.abstractmethod
    def export(self, path: str | os.PathLike[str], **options: Any) -> Bundle:
        """Exports a bundle whose every file was proved to answer like this model."""

    @abc.abstractmethod
    def save_extras(self, run: Path) -> None:
        """Writes what this kind of model needs besides the network, below a run directory."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a run directory; each file appears whole or not at all."""
        documents = {name: getattr(self, name) for name in run_directory.DOCUMENTS}
        run_directory.write(self.network, self.save_extras, documents, Path(path))

<<<<<<< HEAD
    def details(self) -> dict[str, Any]:
        """What a bundle says of its origin; the folders of this machine stay here."""
=======
    def export(
        self,
        path: str | os.PathLike[str],
        *,
        formats: Sequence[str] = ("saved_model", "onnx", "litert"),
        quantize: Sequence[str] = (),
        gate: Any = None,
        litert: Any = None,
        any_size: bool = False,
        overwrite: bool = False,
        progress: Callable[[str], None] | None = None,
    ) -> Bundle:
        """Exports a bundle whose every file was proved to answer like this model.

        Args:
            path: the bundle's folder; must not exist, unless ``overwrite``.
            formats: of ``"saved_model"``, ``"onnx"``, ``"litert"``, ``"openvino"``.
            quantize: further LiteRT files: of ``"float16"``, ``"dynamic"``, ``"int8"``,
                ``"int16x8"``.
            gate: how close is close enough, a ``kerastl.Gate``.
            litert: batch and input of the LiteRT files, a
                ``kerastl.exporting.LiteRTOptions``.
            any_size: files take images of any size and resize them in the graph.
            overwrite: replace a bundle that is there.
            progress: called with one line for each step.

        Raises:
            ParityError: an artifact does not answer like the model; nothing is left at ``path``.
            ExportError: a conversion failed.
            MissingExtraError: a runtime is not installed.
        """
        from kerastl.exporting import Gate, LiteRTOptions, export

        samples = self.samples
        with tempfile.TemporaryDirectory() as folder:
            files = []
            for name, content in samples.files if samples else ():
                files.append(Path(folder) / name)
                files[-1].write_bytes(content)
            return export(
                self.network,
                path,
                class_names=self.class_names,
                formats=tuple(formats),
                quantize=tuple(quantize),
                examples=samples.validation if samples else None,
                labels=samples.labels if samples else None,
                calibration=samples.calibration if samples else None,
                files=files,
                gate=gate or Gate(),
                litert=litert or LiteRTOptions(),
                any_size=any_size,
                overwrite=overwrite,
                details=self._details(),
                progress=progress,
            )

    def _details(self) -> dict[str, Any]:
>>>>>>> routes
        backbone = self.provenance.get("backbone", {})
        recipe = dict(self.recipe)
        if "weights" in recipe:
            recipe["weights"] = _without_folder(recipe["weights"])
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
