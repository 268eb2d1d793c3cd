"""How far numbers lie off, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_PARTS = 10


def residual_figures(error: Array) -> dict[str, float]:
    """Figures of errors float64 (n,), answer less truth, in the unit of the numbers.

    Returns:
        ``mean_error`` (the bias), ``error_deviation``, and of the sizes ``median_abs_error``,
        ``p90_abs_error`` and ``max_abs_error``.
    """
    size = np.abs(error)
    return {
        "mean_error": float(error.mean()),
        "error_deviation": float(error.std()),
        "median_abs_error": float(np.median(size)),
        "p90_abs_error": float(np.percentile(size, 90)),
        "max_abs_error": float(size.max()),
    }


def residuals_by_tenth(values: Array, error: Array) -> list[dict[str, float]]:
    """Errors of the smallest tenth of the true values (n,), of the next, and so on.

    Returns:
        Of each tenth that holds examples ``from`` and ``to``, its least and greatest value;
        ``mean_error``, ``mae`` and ``examples``.
    """
    parts = np.array_split(np.argsort(values, kind="stable"), _PARTS)
    return [
        {
            "from": float(values[rows].min()),
            "to": float(values[rows].max()),
            "mean_error": float(error[rows].mean()),
            "mae": float(np.abs(error[rows]).mean()),
            "examples": len(rows),
        }
        for rows in parts
        if len(rows)
    ]
