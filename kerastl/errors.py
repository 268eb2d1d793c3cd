"""Every error that kerastl raises on purpose.

    KerastlError
    ├── ConfigurationError (ValueError)     an argument or setting that cannot be
    │   └── WeightsError                    weights that cannot be reached, or do not fit
    ├── DataError (ValueError)              data that cannot be trained on
    │   ├── ImageError                      one image that cannot be decoded
    │   └── TextError                       one text that cannot be tokenised
    ├── TokenizerError (ValueError)         a tokenizer that gives other ids than it should
    ├── GraphError (ValueError)             a model that cannot be cut or frozen as asked
    ├── TrainingError (RuntimeError)        training that went wrong while it ran
    ├── RunError (ValueError)               a run directory that is missing or damaged
    ├── BundleError (ValueError)            a bundle that is missing or damaged
    ├── ExportError (RuntimeError)          a conversion that failed
    │   └── ParityError                     an artifact that does not answer like the model
    └── MissingExtraError (ImportError)     an optional dependency that is not installed

A message says what was wrong, what was received, what is allowed and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class KerastlError(Exception):
    """Base of every error that kerastl raises on purpose."""


class ConfigurationError(KerastlError, ValueError):
    """An argument or a setting has a value that cannot be."""


class WeightsError(ConfigurationError):
    """Pretrained weights cannot be reached, or do not fit the backbone."""


class DataError(KerastlError, ValueError):
    """Data cannot be trained on or predicted from."""


class ImageError(DataError):
    """One image cannot be decoded."""


class TextError(DataError):
    """One text is no text that can be tokenised."""


class TokenizerError(KerastlError, ValueError):
    """A tokenizer does not give the ids that it should."""


class GraphError(KerastlError, ValueError):
    """A model cannot be cut, frozen or unfrozen as asked."""


class TrainingError(KerastlError, RuntimeError):
    """Training went wrong while it ran."""


class RunError(KerastlError, ValueError):
    """A run directory is missing, incomplete or damaged."""


class BundleError(KerastlError, ValueError):
    """A bundle is missing, incomplete or damaged."""


class ExportError(KerastlError, RuntimeError):
    """A conversion failed."""


class ParityError(ExportError):
    """An exported artifact does not answer like the Keras model.

    Attributes:
        results: the parity result of every artifact that was checked, as plain dicts.
    """

    def __init__(self, message: str, results: Iterable[dict[str, object]] = ()) -> None:
        super().__init__(message)
        self.results = tuple(results)


class MissingExtraError(KerastlError, ImportError):
    """An optional dependency is not installed."""


def did_you_mean(received: str, allowed: Iterable[str]) -> str:
    """Returns ``' Did you mean ...?'`` for near misses of ``received``, else ``''``."""
    near = difflib.get_close_matches(received, list(allowed), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


def counted(count: int, noun: str, nouns: str | None = None) -> str:
    """A number with its noun: ``"1 file"``, ``"1,200 files"``; ``nouns`` where it adds no s.

    Example:
        >>> counted(1, "epoch"), counted(0, "epoch"), counted(2, "class", "classes")
        ('1 epoch', '0 epochs', '2 classes')
    """
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def named(argument: str) -> str:
    """An argument as Python and the command line call it.

    Example:
        >>> named("label_column")
        'label_column= (--label-column)'
    """
    return f"{argument}= (--{argument.replace('_', '-')})"


def some_of(texts: Sequence[str], most: int = 5) -> str:
    """The first of ``texts`` for a message, and how many more there are."""
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more} more" if more > 0 else "")


class DataWarning(UserWarning):
    """Data can be trained on, but hold something that is seldom meant."""
