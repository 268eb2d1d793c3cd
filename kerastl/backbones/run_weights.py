"""The backbone of a run as pretrained weights: the start of another training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerastl.backbones.weights import WeightsSource, first_line
from kerastl.errors import WeightsError
from kerastl.files import read_json

_MODEL = "model.keras"
_PROVENANCE = "provenance.json"


def check_run(source: WeightsSource, backbone: str) -> None:
    """Raises WeightsError where a run is not finished, or is of another backbone."""
    assert source.path is not None
    try:
        named = read_json(source.path / _PROVENANCE)["backbone"]["name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{source.path} is not a finished run: its {_PROVENANCE} cannot be read."
        ) from error
    if named != backbone:
        raise WeightsError(
            f"The run {source.path} has the backbone {named!r}, and {backbone!r} is wanted. Give "
            f"backbone={named!r} (--backbone {named})."
        )


def fill_from_run(model: keras.Model, source: WeightsSource, preprocessing: str) -> str | None:
    """Fills a backbone with the weights that it has in a run; its head stays behind.

    Args:
        model: the backbone, as the run's network begins.
        source: of a run.
        preprocessing: what the backbone's own is, as provenance describes it.

    Returns:
        SHA-256 of the run's network.

    Raises:
        WeightsError: the run's network does not begin with this backbone.
    """
    assert source.path is not None
    _check_preprocessing(source.path, preprocessing)
    try:
        # Safe mode refuses all that would run code out of the file.
        network = keras.saving.load_model(source.path / _MODEL, compile=False, safe_mode=True)
    except Exception as error:
        raise WeightsError(
            f"The network of the run {source.path} cannot be read: {first_line(error)}"
        ) from error
    theirs = network.weights[: len(model.weights)]
    unlike = [
        f"{mine.path} {tuple(mine.shape)}"
        for mine, other in zip(model.weights, theirs, strict=False)
        if mine.name != other.name or tuple(mine.shape) != tuple(other.shape)
    ]
    if unlike or len(theirs) < len(model.weights):
        first = unlike[0] if unlike else f"there are {len(theirs)} tensors"
        raise WeightsError(
            f"The network of the run {source.path} does not begin with this backbone: {first} of "
            f"{len(model.weights)} has no counterpart. Check the backbone's settings, such as "
            "image_size."
        )
    model.set_weights([np.asarray(weight) for weight in theirs])
    return source.sha256


def _check_preprocessing(run: Path, preprocessing: str) -> None:
    told: Any = read_json(run / _PROVENANCE)["backbone"].get("preprocessing")
    if told is not None and told != preprocessing:
        raise WeightsError(
            f"The run {run} maps its inputs by {told!r}, which came with its weights; this "
            f"backbone does it by {preprocessing!r}. Start from the weights that the run started "
            "from."
        )
