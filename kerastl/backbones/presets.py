"""Backbones of KerasHub, with weights from presets and local Hugging Face or timm directories.

KerasHub is told which class to build, and converts what a directory holds; settings are read as
JSON and arrays as HDF5 or safetensors. No code comes out of a directory.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerastl.backbones.preprocessing import Scaling, from_statistics
from kerastl.backbones.record import Backbone, Preprocessing, TextBackbone
from kerastl.backbones.weights import (
    IMAGENET,
    NONE,
    OTHER_WAYS,
    PRESET,
    WeightsSource,
    arrays_sha256,
    first_line,
    load_weights,
)
from kerastl.errors import WeightsError
from kerastl.graph.layers import all_layers
from kerastl.optional import require

# Two-tower models hold the backbone of a record in this attribute.
_TOWER = "vision_encoder"
# What may differ between a record and the weights' own settings, since no shape depends on it:
# the size of images, and what is on in training or told by the weights (rates, epsilons).
_FREE = re.compile(r".*_shape|.*drop.*|.*momentum|.*eps(ilon)?|layer_scale_init_value")


@dataclasses.dataclass(frozen=True)
class LoadedPreset:
    """A backbone of KerasHub, from preprocessed images to its own output, and how to preprocess."""

    backbone: Any
    sha256: str | None
    preprocessing: Preprocessing | Scaling


def load(record: Backbone, source: WeightsSource, image_size: tuple[int, int]) -> LoadedPreset:
    """Builds the backbone of a record of KerasHub and fills it with weights.

    Raises:
        WeightsError: the weights cannot be reached, or are of another architecture.
        MissingExtraError: KerasHub, or what it needs to convert, is not installed.
    """
    hub = require("keras_hub", extra="hub", purpose=f"The backbone {record.name}")
    if source.origin == NONE:
        return LoadedPreset(construct(hub, record, image_size), None, record.preprocessing)
    if source.origin not in (IMAGENET, PRESET):
        arguments: dict[str, Any] = {}
        if _fits_positions(getattr(hub.models, record.constructor)):
            arguments["position_embedding_shape"] = (record.image_size, record.image_size)
        backbone = construct(hub, record, image_size, **arguments)
        sha256 = load_weights(backbone, source, backbone=record.name)
        return LoadedPreset(_settle(backbone, image_size), sha256, record.preprocessing)
    name = record.preset if source.origin == IMAGENET else source.name
    if name is None:
        raise WeightsError(
            f"KerasHub publishes no weights of {record.name}: give a local timm or Hugging Face "
            f"directory of that architecture. {OTHER_WAYS}"
        )
    options: dict[str, Any] = {}
    if not record.fixed_size:
        # A tower has the one size that its weights have; the rest are built at the size asked for.
        options[_shape_argument(hub_class(hub, record, "hub"))] = (*image_size, 3)
    loaded = from_preset(hub, record, name, OTHER_WAYS, **options)
    own = tuple(loaded.inputs[0].shape[1:3])
    if None not in own and own != tuple(image_size):
        raise WeightsError(
            f"The weights {name!r} were trained at {own[0]} x {own[1]} pixels, and {record.name} "
            f"is of {image_size[0]} x {image_size[1]}. Choose the backbone of those weights."
        )
    scaling = None if source.path is None else read_scaling(source.path)
    sha256 = source.sha256 or arrays_sha256(loaded)
    return LoadedPreset(_settle(loaded, image_size), sha256, scaling or record.preprocessing)


def hub_class(hub: Any, record: Backbone | TextBackbone, extra: str) -> Any:
    """The class of KerasHub that a record names; raises WeightsError where it is not there."""
    found = getattr(hub.models, record.constructor, None)
    if found is None:
        raise WeightsError(
            f"This version of KerasHub ({hub.__version__}) has no {record.constructor}, which "
            f"{record.name} needs. Install it with: pip install --upgrade 'kerastl[{extra}]'"
        )
    return found


def from_preset(
    hub: Any, record: Backbone | TextBackbone, name: str, other_ways: str, **options: Any
) -> Any:
    """Loads the backbone of a record from a preset or a directory.

    Raises:
        WeightsError: it cannot be loaded, or is of another architecture.
        MissingExtraError: what converts the weights is not installed.
    """
    try:
        loaded = hub.models.Backbone.from_preset(name, **options)
    except ImportError:
        require("safetensors", extra="hub", purpose="Converting Hugging Face and timm weights")
        raise
    except Exception as error:
        raise WeightsError(
            f"KerasHub could not load {name!r} for {record.name}: {first_line(error)} {other_ways}"
        ) from error
    wanted = getattr(hub.models, record.constructor)
    # Not isinstance: the encoder of one family may be a subclass of another's.
    if type(loaded) is not wanted:
        loaded = getattr(loaded, _TOWER, loaded)
    if type(loaded) is not wanted:
        raise WeightsError(
            f"{name!r} holds a {type(loaded).__name__}, and {record.name} is a "
            f"{record.constructor}. Choose the backbone of those weights."
        )
    _check_architecture(record, loaded, name)
    return loaded


def construct(
    hub: Any, record: Backbone, image_size: tuple[int, int], **arguments: Any
) -> keras.Model:
    """Builds the backbone of a record with random weights."""
    made = hub_class(hub, record, "hub")
    settings = {**record.arguments, _shape_argument(made): (*image_size, 3)}
    if _fits_positions(made):
        settings["position_embedding_shape"] = image_size
    backbone = made(**{**settings, **arguments})
    mend_saving(backbone)
    return backbone


def _shape_argument(backbone: Any) -> str:
    parameters = inspect.signature(backbone).parameters
    return "image_shape" if "image_shape" in parameters else "input_shape"


def _fits_positions(backbone: Any) -> bool:
    """Whether a class fits position embeddings to the size of the images."""
    return "position_embedding_shape" in inspect.signature(backbone).parameters


def _check_architecture(record: Backbone | TextBackbone, loaded: Any, name: str) -> None:
    """Raises WeightsError where loaded weights have other settings than a record."""
    config = loaded.get_config()
    for key, wanted in record.arguments.items():
        if _FREE.fullmatch(key):
            continue
        # Settings of later versions and of defaults are not in every configuration.
        found = config.get(key, wanted)
        if _plain(found) != _plain(wanted):
            raise WeightsError(
                f"The weights {name!r} are of another architecture than {record.name}: {key} is "
                f"{found!r}, and {wanted!r} is wanted. Choose the backbone of those weights."
            )


def _plain(value: Any) -> Any:
    """Settings as JSON would hold them: a patch of (16, 16) is one of 16."""
    if isinstance(value, (list, tuple)):
        items = [_plain(item) for item in value]
        return items[0] if len(items) == 2 and items[0] == items[1] else items
    return value


def _settle(loaded: Any, image_size: tuple[int, int]) -> Any:
    """The same backbone with position embeddings of its own size.

    DINOv2 keeps the embeddings that it was trained with beside those it uses, and fits the
    latter anew from the former whenever a file is loaded: what fine-tuning made of them would
    be lost.
    """
    if not _fits_positions(type(loaded)):
        return loaded
    config = {**loaded.get_config(), "position_embedding_shape": image_size}
    for key in ("name", "trainable", "dtype"):
        config.pop(key, None)
    own = type(loaded)(**config)
    used = loaded.embeddings.interpolated_position_embeddings
    for weight, value in zip(own.weights, loaded.weights, strict=True):
        same = tuple(weight.shape) == tuple(value.shape)
        weight.assign(value if same else used)
    mend_saving(own)
    return own


def mend_saving(model: keras.Model) -> None:
    """Makes every file of a backbone of KerasHub hold what it computes with.

    KerasHub saves the position embeddings of a DINOv2 that training moved only where the sum of
    all changes has the right sign; where both sets of embeddings have one size, saving takes
    those in use. Of an EfficientNet it leaves out which blocks have no residual connection, so
    that such a file cannot be loaded. Nothing else within the model is touched.
    """
    for layer in all_layers(model):
        name = type(layer).__name__
        if name == "DINOV2Embedding":
            layer.save_own_variables = functools.partial(_save_positions, layer)
        elif name == "EfficientNetBackbone":
            layer.get_config = functools.partial(_efficientnet_config, layer)


def _efficientnet_config(backbone: Any) -> dict[str, Any]:
    config = type(backbone).get_config(backbone)
    option = "stackwise_nores_option"
    if option not in config:
        blocks = {layer.name: layer for layer in backbone.layers}
        firsts = [blocks.get(f"block{i + 1}a_") for i in range(len(config["stackwise_strides"]))]
        config[option] = [bool(getattr(block, "nores", False)) for block in firsts]
    return dict(config)


def _save_positions(layer: Any, store: Any) -> None:
    used, kept = layer.interpolated_position_embeddings, layer.position_embeddings
    if tuple(used.shape) == tuple(kept.shape):
        kept.assign(used)
    type(layer).save_own_variables(layer, store)


def read_scaling(folder: Path) -> Scaling | None:
    """How pixels are mapped, as a directory of weights says; None where it does not say.

    It is said in ``image_converter.json`` (KerasHub), ``preprocessor_config.json`` (Hugging Face)
    or a ``config.json`` of timm. Raises WeightsError where a file is damaged.
    """
    converter = _read_json(folder / "image_converter.json").get("config", {})
    if converter.get("scale") is not None:
        return Scaling(_numbers(converter["scale"]), _numbers(converter.get("offset") or 0.0))
    processor = _read_json(folder / "preprocessor_config.json")
    if "image_mean" in processor and processor.get("do_normalize", True):
        mean, deviation = tuple(processor["image_mean"]), tuple(processor["image_std"])
        return from_statistics(mean, deviation, processor.get("rescale_factor", 1 / 255))
    trained = _read_json(folder / "config.json").get("pretrained_cfg") or {}
    if "mean" in trained and "std" in trained:
        return from_statistics(tuple(trained["mean"]), tuple(trained["std"]))
    return None


def _numbers(value: Any) -> float | tuple[float, ...]:
    array = np.asarray(value, dtype=np.float64).reshape(-1)
    return float(array[0]) if array.size == 1 else tuple(float(item) for item in array)


def _read_json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read: {first_line(error)}") from error
    return content if isinstance(content, dict) else {}
