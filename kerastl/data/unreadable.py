"""Images that cannot be read: skipped with one warning that counts and names them, or refused."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from kerastl.errors import ConfigurationError, ImageError, did_you_mean
from kerastl.inputs.images import check_header

OnError: TypeAlias = Literal["warn", "raise"]
"""Skip unreadable images with a warning, or raise an ImageError."""

_MOST_NAMED = 5
_THREADS = 4


class UnreadableImageWarning(UserWarning):
    """Images were left out because they cannot be read."""


def check_on_error(on_error: str) -> OnError:
    """Returns ``on_error`` where it is one of the two settings.

    Raises:
        ConfigurationError: it is another value.
    """
    if on_error not in get_args(OnError):
        raise ConfigurationError(
            f"on_error must be 'warn' or 'raise'. Received: {on_error!r}."
            f"{did_you_mean(str(on_error), get_args(OnError))}"
        )
    return "raise" if on_error == "raise" else "warn"


def readable(paths: Sequence[Path], *, on_error: OnError) -> tuple[list[int], list[int]]:
    """Checks the headers of image files, which finds all but damage inside them.

    Args:
        paths: image files.
        on_error: what to do about those that cannot be read.

    Returns:
        The positions of the readable ones and of the others, both ascending.

    Raises:
        ImageError: some cannot be read and ``on_error`` is ``"raise"``.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        errors = list(pool.map(_header_error, paths))
    bad = [i for i, error in enumerate(errors) if error is not None]
    report([(str(paths[i]), errors[i]) for i in bad], on_error=on_error)
    return [i for i, error in enumerate(errors) if error is None], bad


def report(
    failures: Sequence[tuple[str, ImageError | None]], *, on_error: OnError, stacklevel: int = 2
) -> None:
    """Warns once of all ``failures``, pairs of a name and its error, or raises the first.

    Raises:
        ImageError: there is a failure and ``on_error`` is ``"raise"``.
    """
    if not failures:
        return
    first_name, first_error = failures[0]
    reason = str(first_error or f"{first_name} cannot be read.")
    if on_error == "raise":
        others = len(failures) - 1
        raise ImageError(
            f"{reason}" + (f" So are {others} more that cannot be read." if others else "")
        )
    names = ", ".join(name for name, _ in failures[:_MOST_NAMED])
    more = len(failures) - _MOST_NAMED
    plural = "s" if len(failures) > 1 else ""
    warnings.warn(
        f"{len(failures)} unreadable image{plural} skipped: {names}"
        + (f" and {more} more" if more > 0 else "")
        + f". The first because: {reason}",
        UnreadableImageWarning,
        stacklevel=stacklevel + 1,
    )


def _header_error(path: Path) -> ImageError | None:
    try:
        check_header(path)
    except ImageError as error:
        return error
    return None
