"""Recipes as JSON and back."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from kerastl.errors import ConfigurationError
from kerastl.heads import Head, OwnHead
from kerastl.inputs import Augment
from kerastl.outputs import Output, output_from_config
from kerastl.training import Phase, Probe, Step

_PROBE = {"step": "probe"}
# What fields that came after version 0.1.0 are where its runs do not say it.
_LATER: Mapping[type, Mapping[str, Any]] = {
    Phase: {"optional": False, "least_steps": 0, "views": None},
    Head: {"features": "last"},
}


def to_json(value: Any) -> Any:
    """Turns settings into what JSON holds; nested settings become plain objects."""
    if isinstance(value, Output):
        return value.get_config()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
        # What version 0.1.0 did not know is left out where it changes nothing: its runs go on.
        later = _LATER.get(type(value), {})
        kept = {k: v for k, v in fields.items() if k not in later or v != later[k]}
        # Phases are told by no name: there was nothing else.
        return _PROBE | kept if isinstance(value, Probe) else kept
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def from_json(config: Mapping[str, Any], head: type) -> dict[str, Any]:
    """Turns what ``to_json`` made of a recipe, with a head of that class, into its arguments."""
    values = dict(config)
    values.pop("recipe", None)
    try:
        if isinstance(values.get("plan"), list):
            values["plan"] = tuple(map(step_from_json, values["plan"]))
        if values.get("head") is not None:
            values["head"] = _head_from_json(values["head"], head)
        if values.get("augment") is not None:
            augment = dict(values["augment"])
            values["augment"] = Augment(**{**augment, "crop": tuple(augment["crop"])})
        if isinstance(values.get("image_size"), list):
            values["image_size"] = tuple(values["image_size"])
        if values.get("outputs") is not None:
            values["outputs"] = {
                name: given if isinstance(given, str) else output_from_config(given)
                for name, given in values["outputs"].items()
            }
    except (TypeError, KeyError) as error:
        raise ConfigurationError(f"The recipe cannot be read: {error}.") from error
    return values


def step_from_json(content: Mapping[str, Any]) -> Step:
    """A step of a plan out of what ``to_json`` gave; raises TypeError for settings of no step."""
    if "step" not in content:
        return Phase(**content)
    if content["step"] != _PROBE["step"]:
        raise TypeError(f"there is no step {content['step']!r}")
    return Probe(**{name: value for name, value in content.items() if name != "step"})


def _head_from_json(content: Mapping[str, Any], kind: type[Any]) -> Any:
    if "layers" in content:
        return OwnHead(tuple(content["layers"]))
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
    return kind(**{**_LATER.get(kind, {}), **values})
