"""Outputs: what a network says of an example. See ``kerastl.outputs.output``."""

from collections.abc import Mapping
from typing import Any

from kerastl.errors import ConfigurationError, did_you_mean
from kerastl.outputs.classes import Classes
from kerastl.outputs.gate import TIE, Gate
from kerastl.outputs.judging import Confusion, Details, Marks, Table
from kerastl.outputs.labels import Labels
from kerastl.outputs.linear import LinearModel
from kerastl.outputs.number import Number
from kerastl.outputs.output import Output
from kerastl.outputs.predictions import Predictions
from kerastl.outputs.source import Source
from kerastl.outputs.vector import Vector

__all__ = [
    "TIE",
    "Classes",
    "Confusion",
    "Details",
    "Gate",
    "Labels",
    "LinearModel",
    "Marks",
    "Number",
    "Output",
    "Predictions",
    "Source",
    "Table",
    "Vector",
    "output_from_config",
    "output_named",
    "register_output",
]

_OUTPUTS: dict[str, type[Output]] = {
    member.kind: member for member in (Classes, Labels, Number, Vector)
}


def register_output(member: type[Output]) -> type[Output]:
    """Makes an output of your own known by its ``kind``, so that runs and bundles can name it."""
    _OUTPUTS[member.kind] = member
    return member


def output_named(kind: str) -> type[Output]:
    """The output of a kind; raises ConfigurationError for an unknown one."""
    if kind not in _OUTPUTS:
        allowed = ", ".join(map(repr, _OUTPUTS))
        raise ConfigurationError(
            f"kind={kind!r}; allowed are {allowed}.{did_you_mean(str(kind), _OUTPUTS)}"
        )
    return _OUTPUTS[kind]


def output_from_config(config: Mapping[str, Any]) -> Output:
    """An output out of what ``Output.get_config`` gave."""
    return output_named(config["kind"]).from_config(config)
