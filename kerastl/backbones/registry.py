"""The backbones that have a name."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Literal, get_args, overload

from kerastl.backbones.applications import APPLICATIONS
from kerastl.backbones.hub import HUB
from kerastl.backbones.record import Backbone, Modality, TextBackbone
from kerastl.backbones.text_hub import TEXT
from kerastl.errors import ConfigurationError, did_you_mean

_IMAGES: tuple[Backbone, ...] = (*APPLICATIONS, *HUB)
_RECORDS: tuple[Backbone | TextBackbone, ...] = (*_IMAGES, *TEXT)
_BY_NAME: Mapping[str, Backbone | TextBackbone] = types.MappingProxyType(
    {record.name: record for record in _RECORDS}
)


@overload
def list_backbones(modality: Literal["image"]) -> tuple[Backbone, ...]: ...
@overload
def list_backbones(modality: Literal["text"]) -> tuple[TextBackbone, ...]: ...
@overload
def list_backbones(modality: None = None) -> tuple[Backbone | TextBackbone, ...]: ...
def list_backbones(modality: Modality | None = None) -> tuple[Backbone | TextBackbone, ...]:
    """All named backbones, in the order of the registry.

    Args:
        modality: ``"image"`` or ``"text"`` for those alone.

    Raises:
        ConfigurationError: ``modality`` is another.

    Examples:
        >>> [record.name for record in list_backbones("text")][:2]
        ['minilm_l6', 'minilm_l12']
    """
    if modality is None:
        return _RECORDS
    if modality not in get_args(Modality):
        raise ConfigurationError(f"modality must be 'image' or 'text'. Received: {modality!r}.")
    return _IMAGES if modality == "image" else TEXT


@overload
def get_backbone(name: str, modality: Literal["image"]) -> Backbone: ...
@overload
def get_backbone(name: str, modality: Literal["text"]) -> TextBackbone: ...
@overload
def get_backbone(name: str, modality: None = None) -> Backbone | TextBackbone: ...
def get_backbone(name: str, modality: Modality | None = None) -> Backbone | TextBackbone:
    """Looks a backbone up by its name.

    Args:
        name: as in ``list_backbones()``.
        modality: what it has to be for; anything without it.

    Raises:
        ConfigurationError: there is none of that name, near misses are suggested; or it is for
            another modality.
    """
    names = [record.name for record in list_backbones(modality)]
    if name in names:
        return _BY_NAME[name]
    if name in _BY_NAME:
        raise ConfigurationError(
            f"The backbone {name!r} is for {_BY_NAME[name].modality}s, and one for {modality}s is "
            f"wanted: {', '.join(names)}."
        )
    raise ConfigurationError(
        f"There is no backbone {name!r}.{did_you_mean(name, names)} "
        f"The names are: {', '.join(names)}."
    )


def split_name(text: str) -> tuple[str, str | None]:
    """Splits ``NAME@WEIGHTS`` into its two parts; the second is None where there is no ``@``."""
    if not isinstance(text, str):
        raise ConfigurationError(f"backbone={text!r}; give a name, as in 'mobilenet_v2'.")
    name, separator, weights = text.partition("@")
    return name, weights if separator else None
