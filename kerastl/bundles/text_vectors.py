"""Whether the vectors of an embedding are those of the network."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerastl.bundles import parity

Array = np.ndarray[Any, Any]

LEAST_COSINE = 0.999
LEAST_QUANTIZED_COSINE = 0.98
"""How near an artifact's vector must lie to the network's of the same text."""

# Vectors are used as of length 1: their dot product is taken for their cosine.
_LENGTH = 0.01
# Of two vectors whose 1 - cosine is less rounding alone makes the difference.
_IDENTICAL = 1e-9


def least_cosine(quantization: str | None) -> float:
    """The cosine that a text's vector must reach."""
    return LEAST_COSINE if quantization is None else LEAST_QUANTIZED_COSINE


def cosines(reference: Array, outputs: Array) -> Array:
    """Of each text the cosine of its two vectors, float64 ``(n,)``; 0 where one has no length."""
    return np.asarray(np.sum(_unit(reference) * _unit(outputs), axis=1))


def agreeing(reference: Array, outputs: Array, quantization: str | None) -> Array:
    """Which texts an artifact has the network's vector of: bool ``(n,)``.

    Its vector must be near the network's own of that text (:data:`LEAST_COSINE`), no longer or
    shorter than it by more than 1 %, and no nearer to the network's vector of any other text:
    a search then finds what it would find with the network. Texts whose vectors in the network
    are identical, such as copies, are excused with one another.

    Args:
        reference: the network's vectors, ``(n, d)``.
        outputs: the artifact's, of the same shape; others agree nowhere.
        quantization: of the artifact.
    """
    if reference.shape != outputs.shape:
        return np.zeros(len(reference), dtype=bool)
    finite = np.asarray(np.isfinite(outputs).all(axis=1))
    outputs = np.where(finite[:, None], outputs, 0.0)
    own, found = _unit(reference), _unit(outputs)
    similar = found @ own.T
    near = np.diag(similar)
    identical = 1.0 - own @ own.T <= _IDENTICAL
    nearer = (similar > near[:, None] + parity.TIE) & ~identical
    lengths = np.linalg.norm(outputs, axis=1) - np.linalg.norm(reference, axis=1)
    whole = np.abs(lengths) <= _LENGTH
    return np.asarray(finite & whole & (near >= least_cosine(quantization)) & ~nearer.any(axis=1))


def shown(vector: Array, numbers: int = 4) -> str:
    """The first numbers of a vector, for messages."""
    first = " ".join(f"{value:.4f}" for value in vector[:numbers])
    return f"[{first} ...]" if len(vector) > numbers else f"[{first}]"


def _unit(vectors: Array) -> Array:
    rows = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1.0)
