"""Options of ``fit --resume``: those that started the run stand where none are given."""

from __future__ import annotations

import enum
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import kerastl

# Of one start of a command, and not of the run.
_OF_A_START = ("data", "out", "resume", "overwrite", "as_json", "given", "find_learning_rate")


def resumed_options(command: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options that count: on ``--resume`` those of the run, where none are given.

    Raises:
        ConfigurationError: the run was started by another ``kerastl fit`` command.
    """
    if not values["resume"] or values["out"] is None:
        return values
    from kerastl.recipes.resuming import saved_options

    saved = saved_options(values["out"])
    started = saved.pop("command", command)
    if started != command:
        raise kerastl.ConfigurationError(
            f"{values['out']} was started with `kerastl fit {started}`, and this is `kerastl fit "
            f"{command}`."
        )
    taken = {
        name: _as(values[name], value)
        for name, value in saved.items()
        if name in values and name not in values["given"]
    }
    return {**values, **taken}


def recording_options(command: str, values: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Records options in the run that is trained meanwhile."""
    from kerastl.provenance import started_with

    plain = {name: _plain(value) for name, value in values.items() if name not in _OF_A_START}
    return started_with({"command": command, **plain})


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _as(default: Any, value: Any) -> Any:
    """A value that was read from JSON, of the type that the command line gives."""
    return type(default)(value) if isinstance(default, enum.Enum) else value
