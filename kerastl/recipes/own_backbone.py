"""A Keras model of the user's own as a backbone."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, get_args

import keras

from kerastl.backbones import INPUT, apply_preprocessing
from kerastl.backbones.record import Preprocessing
from kerastl.errors import ConfigurationError
from kerastl.provenance import sha256_arrays


def record_of(model: keras.Model, fine_tune_from: str = "all", **more: Any) -> Any:
    """What a recipe asks of a backbone's record; nothing is known of its licence and paper."""
    return SimpleNamespace(
        name=model.name,
        fine_tune_from=fine_tune_from,
        licence=None,
        paper=None,
        stage_pattern=None,
        source="own",
        **more,
    )


OWN = "own"
"""The origin of weights that a model of the user's own has."""


def config_of(model: keras.Model) -> dict[str, str]:
    """What settings hold of a model: its name, and a hash of its weights."""
    return {"name": model.name, "sha256": digest_of(model)}


def refuse_own(config: Mapping[str, Any]) -> None:
    """Raises ConfigurationError for settings whose backbone is a model of the user's own."""
    if isinstance(config.get("backbone"), Mapping):
        raise ConfigurationError(
            f"The settings do not hold the backbone {config['backbone'].get('name')!r}, which is "
            "a model of your own: build the recipe anew."
        )


def digest_of(model: keras.Model) -> str:
    """SHA-256 of a model's weights."""
    return sha256_arrays(model.get_weights())


def side_of(model: keras.Model) -> int | None:
    """Height in pixels of the images that a model takes; None where it takes any."""
    inputs = _inputs(model)
    shape = tuple(inputs[0].shape) if inputs else ()
    return shape[1] if len(shape) > 1 else None


def _inputs(model: Any) -> Any:
    # A Sequential model that was not built yet raises.
    return getattr(model, "inputs", None) or ()


def check_own(model: Any) -> None:
    """Raises ConfigurationError for what is not a Keras model of one input."""
    if not isinstance(model, keras.Model) or len(_inputs(model)) != 1:
        raise ConfigurationError(
            f"backbone={model!r}; give a Functional or Sequential Keras model of one input."
        )


def copied(model: keras.Model) -> keras.Model:
    """A copy: training goes on in place, and the user's model stays as it is."""
    made = keras.models.clone_model(model)
    made.set_weights(model.get_weights())
    return made


def check_preprocessing(preprocessing: Any, *, own: bool) -> None:
    """Raises ConfigurationError where a model's preprocessing is not named, or another's is."""
    allowed = ", ".join(map(repr, get_args(Preprocessing)))
    if own and preprocessing not in get_args(Preprocessing):
        raise ConfigurationError(
            f"preprocessing={preprocessing!r}; say how pixels from 0 to 255 are mapped to what "
            f"your model takes: {allowed} ('included' if your model does it itself)."
        )
    if not own and preprocessing is not None:
        raise ConfigurationError(
            f"preprocessing={preprocessing!r} is for a backbone of your own: a named one brings "
            "its own. Leave it out."
        )


def base_of_images(model: keras.Model, preprocessing: Any, size: tuple[int, int]) -> keras.Model:
    """The model behind its preprocessing, from ``"image"`` (n, height, width, 3) in 0..255.

    Raises:
        ConfigurationError: it does not take images of that size.
    """
    image = keras.Input((*size, 3), name=INPUT, dtype="float32")
    try:
        features = copied(model)(apply_preprocessing(image, preprocessing))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"The backbone {model.name!r} does not take images of {size[0]} x {size[1]} pixels: "
            f"{str(error).strip().splitlines()[0]} Its input is {model.inputs[0].shape}: give "
            "image_size="
        ) from error
    return keras.Model(image, features)
