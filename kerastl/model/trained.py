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

if TYPE_CHECKING:
    from kerastl.bundles import Bundle


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
    def predict(self, inputs: Any) -> Any:
        """``Predictions`` of a classifier or a regression; of an embedding vectors (n, d)."""

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

    def details(self) -> dict[str, Any]:
        """What a bundle says of its origin; the folders of this machine stay here."""
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
