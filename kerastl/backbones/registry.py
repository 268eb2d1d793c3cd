"""The backbones that have a name."""

from __future__ import annotations

import types
from collections.abc import Mapping

from kerastl.backbones.applications import APPLICATIONS
from kerastl.backbones.hub import HUB
from kerastl.backbones.record import Backbone
from kerastl.errors import ConfigurationError, did_you_mean

_RECORDS = (*APPLICATIONS, *HUB)
_BY_NAME: Mapping[str, Backbone] = types.MappingProxyType(
    {record.name: record for record in _RECORDS}
)


def list_backbones() -> tuple[Backbone, ...]:
    """All named backbones, in the order of the registry."""
    return _RECORDS


def get_backbone(name: str) -> Backbone:
    """Looks a backbone up by its name.

    Raises:
        ConfigurationError: there is none of that name; near misses are suggested.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    raise ConfigurationError(
        f"There is no backbone {name!r}.{did_you_mean(name, _BY_NAME)} "
        f"The names are: {', '.join(_BY_NAME)}."
    )


def split_name(text: str) -> tuple[str, str | None]:
    """Splits ``NAME@WEIGHTS`` into its two parts; the second is None where there is no ``@``."""
    if not isinstance(text, str):
        raise ConfigurationError(f"backbone={text!r}; give a name, as in 'mobilenet_v2'.")
    name, separator, weights = text.partition("@")
    return name, weights if separator else None
