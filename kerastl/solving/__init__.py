"""Linear models on fixed features, solved to their optimum (NumPy and SciPy alone)."""

from __future__ import annotations

from kerastl.solving.features import Features
from kerastl.solving.links import LINKS, Link
from kerastl.solving.path import STRENGTHS, CrossValidated, cross_validate
from kerastl.solving.problem import Problem, Solution, solve
from kerastl.solving.threads import one_thread

__all__ = [
    "LINKS",
    "STRENGTHS",
    "CrossValidated",
    "Features",
    "Link",
    "Problem",
    "Solution",
    "cross_validate",
    "one_thread",
    "solve",
]
