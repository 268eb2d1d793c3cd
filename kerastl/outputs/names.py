"""Class names: taken at entry, in sorted order, never guessed.

Names that are all numbers are in the order of the numbers. Runs record their class names, which are
expected from then on, so that those of before that rule keep their order.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from kerastl.errors import DataError, did_you_mean, some_of

_MOST_NAMED = 10
_NUMBER = re.compile(r"[+-]?[0-9]+([.][0-9]+)?")


def normal(name: str) -> str:
    """A name in the Unicode form in which names are compared (NFC)."""
    return unicodedata.normalize("NFC", name)


def given_class_names(names: Iterable[str]) -> tuple[str, ...]:
    """Checks class names given by the user, whose order is kept; raises DataError."""
    if isinstance(names, str):
        raise DataError(
            f"class_names must be a list of names, one a class. Received the string {names!r}."
        )
    received = list(names)
    for name in received:
        if not isinstance(name, str):
            raise DataError(
                f"class_names must be strings. Received: {name!r} of type {type(name).__name__}."
            )
        _check_writable(name)
    result = tuple(normal(name) for name in received)
    doubled = sorted({name for name in result if result.count(name) > 1})
    if doubled:
        raise DataError(f"class_names must be distinct. Given more than once: {listed(doubled)}.")
    if not result:
        raise DataError("class_names is empty. Give one name a class, in the order of the labels.")
    return result


def found_class_names(names: Iterable[str], *, where: str) -> tuple[str, ...]:
    """Class names as they stand in the data, normalised and sorted; DataError if two clash.

    Example:
        >>> found_class_names(["10", "9", "1"], where="the data")
        ('1', '9', '10')
    """
    seen: dict[str, str] = {}
    for name in sorted(set(names)):
        _check_writable(name)
        # Such a pair is one folder on some file systems and two on others.
        other = seen.setdefault(normal(normal(name).casefold()), name)
        if other != name:
            differ = "Unicode form" if normal(other) == normal(name) else "case"
            raise DataError(
                f"{where} has the classes {other!r} and {name!r}, which differ only by {differ}. "
                "Rename or merge them, or list class_names yourself."
            )
    names = sorted(normal(name) for name in seen.values())
    if all(map(_NUMBER.fullmatch, names)):
        names.sort(key=float)
    return tuple(names)


def names_of_numbers(class_names: tuple[str, ...]) -> tuple[str, ...]:
    """The class names that labels given as numbers must come with."""
    if not class_names:
        raise DataError(
            "Labels that are numbers need class_names=[...], one name for each class in the order "
            "of the numbers; they are never guessed."
        )
    return given_class_names(class_names)


def names_of_labels(
    found: Iterable[str], expected: Sequence[str], *, where: str, allow_missing: bool
) -> tuple[str, ...]:
    """The class names of labels that are names: those found, or those expected if any are."""
    if not expected:
        return found_class_names(found, where=where)
    names = given_class_names(expected)
    normalised = sorted({normal(name) for name in found})
    match_class_names(normalised, names, where=where, allow_missing=allow_missing)
    return names


def match_class_names(
    found: Sequence[str], expected: Sequence[str], *, where: str, allow_missing: bool
) -> None:
    """Raises DataError where a class is unknown, or is missing without ``allow_missing``."""
    unknown = [name for name in found if name not in expected]
    missing = [name for name in expected if name not in found]
    if not unknown and (not missing or allow_missing):
        return
    differences = []
    if unknown:
        differences.append(
            f"it has {listed(unknown)}, which {'are' if len(unknown) > 1 else 'is'} not expected"
        )
    if missing and not allow_missing:
        differences.append(f"it has no example of {listed(missing)}")
    hint = did_you_mean(unknown[0], missing) if unknown else ""
    raise DataError(
        f"The classes of {where} differ from those expected (of the training data, or given as "
        f"class_names): {'; '.join(differences)}.{hint} Expected: {listed(expected)}. Add what is "
        "missing, or take the class out everywhere."
    )


def listed(names: Iterable[object]) -> str:
    """Names for a message: quoted, and no more than ten."""
    return some_of([repr(name) for name in names], _MOST_NAMED)


def _check_writable(name: str) -> None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"The class name {name!r} is not valid Unicode. Rename it.") from error
    if not name.strip() or len(name.splitlines()) > 1:
        raise DataError(
            f"The class name {name!r} cannot be one line of labels.txt: a name must not be empty "
            "or hold line breaks. Rename it."
        )
