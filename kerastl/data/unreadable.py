"""Examples that cannot be read: skipped with one warning that counts and names them, or refused."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

from kerastl.errors import ConfigurationError, DataError, counted, did_you_mean, some_of
from kerastl.inputs import Reader

OnError: TypeAlias = Literal["warn", "raise"]
"""Skip examples that cannot be read with a warning, or raise the error."""


class UnreadableWarning(UserWarning):
    """Examples were left out because they cannot be read."""


def check_on_error(on_error: str) -> OnError:
    """Returns a valid ``on_error``; raises ConfigurationError otherwise."""
    if on_error not in get_args(OnError):
        raise ConfigurationError(
            f"on_error (--on-error) must be 'warn' or 'raise'. Received: {on_error!r}."
            f"{did_you_mean(str(on_error), get_args(OnError))}"
        )
    return "raise" if on_error == "raise" else "warn"


def report(
    failures: Sequence[tuple[str, DataError]],
    reader: Reader,
    *,
    on_error: OnError,
    hint: str = "",
) -> None:
    """Warns once of all ``failures``, pairs of a name and its error, or raises the first one."""
    if not failures:
        return
    reason = str(failures[0][1])
    if on_error == "raise":
        others = len(failures) - 1
        raise reader.error(
            reason + (f" {others} more cannot be read either." if others else "") + hint
        )
    warnings.warn(
        f"{counted(len(failures), f'unreadable {reader.noun}', f'unreadable {reader.nouns}')} "
        f"skipped: {some_of([name for name, _ in failures])}. The first because: {reason}{hint}",
        UnreadableWarning,
        stacklevel=3,
    )
