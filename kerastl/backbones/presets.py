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
from kerastl.optional import require

# Two-tower models hold the backbone of a record in this attribute.
_TOWER = "vision_encoder"
# What may differ between a record and the weights' own settings, since no shape depends on it:
# the size of images, and what is on in training or told by the weights (rates, epsilons).
_FREE = re.compile(r".*_shape|.*drop.*|.*momentum|.*eps(ilon)?|layer_scale_init_value")


@dataclasses.dataclass(frozen=True)
class LoadedPreset:
    """A backbone of KerasHub.

    Attributes:
        backbone: from preprocessed images to the backbone's own output.
        sha256: of the weights; None for random ones.
        preprocessing: how pixels are mapped.
    """

    backbone: Any
    sha256: str | None
    preprocessing: Preprocessing | Scaling


def load(record: Backbone, source: WeightsSource, image_size: tuple[int, int]) -> LoadedPreset:
    """Builds the backbone of a record and fills it with weights.

    Args:
        record: of source ``"keras_hub"``.
        source: which weights.
        image_size: height and width in pixels, which the record allows.

    Raises:
        WeightsError: the weights cannot be reached, or are of another architecture.
        MissingExtraError: KerasHub, or what it needs to convert, is not installed.
    """
    hub = require("keras_hub", extra="hub", purpose=f"The backbone {record.name}")
    if source.origin == NONE:
        return LoadedPreset(construct(hub, record, image_size), None, record.preprocessing)
    if source.origin not in (IMAGENET, PRESET):
        return _from_file(hub, record, source, image_size)
    name = record.preset if source.origin == IMAGENET else source.name
    if name is None:
        raise WeightsError(
            f"KerasHub publishes no weights of {record.name}: give a local timm or Hugging Face "
            f"directory of that architecture. {OTHER_WAYS}"
        )
    loaded = _from_preset(hub, record, name, image_size)
    check_architecture(record, loaded, name)
    own = tuple(loaded.inputs[0].shape[1:3])
    if None not in own and own != tuple(image_size):
        raise WeightsError(
            f"The weights {name!r} were trained at {own[0]} x {own[1]} pixels, and {record.name} "
            f"is of {image_size[0]} x {image_size[1]}. Choose the backbone of those weights."
        )
    scaling = None
    if source.path is not None:
        scaling = read_scaling(source.path)
    sha256 = source.sha256 or arrays_sha256(loaded)
    return LoadedPreset(
        _settle(hub, record, loaded, image_size), sha256, scaling or record.preprocessing
    )


def construct(
    hub: Any, record: Backbone, image_size: tuple[int, int], **arguments: Any
) -> keras.Model:
    """Builds the backbone of a record with random weights."""
    kind = getattr(hub.models, record.constructor, None)
    if kind is None:
        raise WeightsError(
            f"This version of KerasHub ({hub.__version__}) has no {record.constructor}, which "
            f"{record.name} needs. Install it with: pip install --upgrade 'kerastl[hub]'"
        )
    settings = {**record.arguments, _shape_argument(kind): (*image_size, 3)}
    if "position_embedding_shape" in inspect.signature(kind).parameters:
        settings["position_embedding_shape"] = image_size
    backbone = kind(**{**settings, **arguments})
    mend_saving(backbone)
    return backbone


def _shape_argument(kind: Any) -> str:
    parameters = inspect.signature(kind).parameters
    return "image_shape" if "image_shape" in parameters else "input_shape"


def _from_preset(hub: Any, record: Backbone, name: str, image_size: tuple[int, int]) -> Any:
    kind = getattr(hub.models, record.constructor)
    # A tower has the one size that its weights have; the rest can be built at the size asked for.
    options = {} if record.fixed_size else {_shape_argument(kind): (*image_size, 3)}
    try:
        loaded = hub.models.Backbone.from_preset(name, **options)
    except ImportError as error:
        raise require_safetensors(error) from error
    except Exception as error:
        raise WeightsError(
            f"KerasHub could not load {name!r} for {record.name}: {first_line(error)} {OTHER_WAYS}"
        ) from error
    if not isinstance(loaded, kind):
        loaded = getattr(loaded, _TOWER, loaded)
    if not isinstance(loaded, kind):
        raise WeightsError(
            f"{name!r} holds a {type(loaded).__name__}, and {record.name} is a "
            f"{record.constructor}. Choose the backbone of those weights."
        )
    return loaded


def require_safetensors(error: ImportError) -> Exception:
    """The error for weights that KerasHub cannot convert for want of a package."""
    try:
        require("safetensors", extra="hub", purpose="Converting Hugging Face and timm weights")
    except ImportError as missing:
        return missing
    return error


def check_architecture(record: Backbone | TextBackbone, loaded: Any, name: str) -> None:
    """Holds the settings of loaded weights against those of a record.

    Raises:
        WeightsError: they are of another architecture.
    """
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


def _settle(hub: Any, record: Backbone, loaded: Any, image_size: tuple[int, int]) -> Any:
    """The same backbone with position embeddings of its own size.

    DINOv2 keeps the embeddings that it was trained with beside those it uses, and fits the
    latter anew from the former whenever a file is loaded: what fine-tuning made of them would
    be lost.
    """
    kind = type(loaded)
    if "position_embedding_shape" not in inspect.signature(kind).parameters:
        return loaded
    config = {
        key: value
        for key, value in loaded.get_config().items()
        if key not in ("name", "trainable", "dtype")
    }
    own = kind(**{**config, "position_embedding_shape": image_size})
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
    that such a file cannot be loaded.

    Args:
        model: any model; nothing else within it is touched.
    """
    for layer in model._flatten_layers():
        kind = type(layer).__name__
        if kind == "DINOV2Embedding":
            layer.save_own_variables = functools.partial(_save_positions, layer)
        elif kind == "EfficientNetBackbone":
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


def _from_file(
    hub: Any, record: Backbone, source: WeightsSource, image_size: tuple[int, int]
) -> LoadedPreset:
    arguments: dict[str, Any] = {}
    kind = getattr(hub.models, record.constructor)
    if "position_embedding_shape" in inspect.signature(kind).parameters:
        arguments["position_embedding_shape"] = (record.image_size, record.image_size)
    backbone = construct(hub, record, image_size, **arguments)
    sha256 = load_weights(backbone, source, backbone=record.name)
    return LoadedPreset(_settle(hub, record, backbone, image_size), sha256, record.preprocessing)


def read_scaling(folder: Path) -> Scaling | None:
    """How pixels are mapped, as a directory of weights says; None where it does not say.

    Args:
        folder: with ``image_converter.json`` (KerasHub), ``preprocessor_config.json`` (Hugging
            Face) or a ``config.json`` of timm.

    Raises:
        WeightsError: a file is damaged.
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
