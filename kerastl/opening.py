"""``load``: runs and bundles alike."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kerastl.bundles import BundleModel, Predictor, load_bundle
from kerastl.errors import ConfigurationError
from kerastl.model import TrainedModel, load_run

Model = TrainedModel | BundleModel | Predictor | str | os.PathLike[str]
"""A trained model, an opened bundle, or the folder of a run or a bundle."""


def load(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    quantization: str | None = None,
    trusted: bool = False,
) -> Any:
    """Reads a run directory or a bundle.

    Args:
        path: the folder.
        format: of a bundle, the format of the artifact that answers; None takes the first that
            is there and whose runtime is installed.
        quantization: of that artifact; None for float32.
        trusted: you trust the bundle's maker, as ``model.pt2`` needs: see ``kerastl.verify``.

    Returns:
        A ``TrainedModel`` of a run. A ``BundleModel`` of a bundle: it predicts and is measured in
        the same way, and has no network.

    Raises:
        RunError: the run is missing, unfinished or damaged. No code in it is run.
        BundleError: the bundle is missing or damaged, or can run code without being trusted.
        ConfigurationError: the bundle has no such artifact, or one was asked of a run.
        MissingExtraError: the artifact's runtime is not installed.
    """
    folder = Path(path)
    if (folder / "manifest.json").is_file():
        found = load_bundle(folder, format, quantization, trusted=trusted)
        return BundleModel(folder, found)
    if format is not None or quantization is not None:
        raise ConfigurationError(
            f"format and quantization choose an artifact of a bundle, and {path} is not one."
        )
    return load_run(folder)


def open_model(model: Model, *, trusted: bool = False) -> TrainedModel | BundleModel | Predictor:
    """A model as it is, or out of the folder of a run or a bundle."""
    if isinstance(model, TrainedModel | BundleModel | Predictor):
        return model
    if not isinstance(model, str | os.PathLike):
        raise ConfigurationError(
            f"A model is the folder of a run or a bundle, or what was loaded of one. Received: "
            f"{type(model).__name__}."
        )
    opened: TrainedModel | BundleModel = load(model, trusted=trusted)
    return opened
