"""A linear model with an L2 penalty, and its optimum."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Protocol

import numpy as np
import scipy.linalg
import scipy.optimize

from kerastl.solving.features import Features
from kerastl.solving.links import LINKS, Link

Array = np.ndarray[Any, Any]
EXACT = 1e-7
"""How far the optimum may be, as a share of the deviation that chance gives the weights."""
_ITERATIONS = 2000
_MEMORY = 20


@dataclasses.dataclass(frozen=True)
class Solution:
    """A kernel float64 ``(width, k)`` and a bias ``(k,)``, for standardised features.

    Attributes:
        iterations: of the solver.
        converged: whether the optimum was reached.
    """

    kernel: Array
    bias: Array
    iterations: int = 0
    converged: bool = True


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """What a linear model is fitted to.

    The objective is the weighted sum of the examples' losses plus ``l2 / 2`` times the sum of the
    squared kernel of standardised features; each example's loss is the mean over its views. The
    bias is free.

    Attributes:
        features: of ``n`` examples.
        targets: float64 ``(n, k)``, soft ones allowed.
        weights: of the examples, float64 ``(n,)``, 0 or above.
        link: ``"softmax"``, ``"sigmoid"`` or ``"identity"``.
    """

    features: Features
    targets: Array
    weights: Array
    link: str

    @property
    def function(self) -> Link:
        """The link itself."""
        return LINKS[self.link]

    @functools.cached_property
    def curvature(self) -> tuple[Array, Array]:
        """Eigenvalues and eigenvectors of the features' covariance."""
        values, vectors = scipy.linalg.eigh(self.features.covariance())
        return np.maximum(values, 0.0), vectors

    def scores(self, solution: Solution, view: int = 0) -> Array:
        """Scores of a view of all examples, float64 ``(n, k)``."""
        count = self.features.count
        found = np.empty((count, len(solution.bias)))
        first, last = view * count, (view + 1) * count
        for part, block in self.features.blocks():
            low, high = max(part.start, first), min(part.stop, last)
            if low < high:
                rows = block[low - part.start : high - part.start]
                found[low - first : high - first] = rows @ solution.kernel + solution.bias
        return found


def solve(
    problem: Problem,
    l2: float,
    *,
    weights: Array | None = None,
    start: Solution | None = None,
    exact: float = EXACT,
) -> Solution:
    """Finds the optimum.

    Args:
        problem: what is fitted.
        l2: the penalty, above 0.
        weights: of the examples, in place of the problem's: 0 leaves one out.
        start: where to begin.
        exact: see ``EXACT``.
    """
    return solver(problem, weights)(l2, start, exact)


class Solver(Protocol):
    """Finds the optimum at a strength, from where it is told to begin."""

    def __call__(self, l2: float, start: Solution | None, exact: float) -> Solution:
        """See ``solve``."""


def solver(problem: Problem, weights: Array | None = None) -> Solver:
    """What solves a problem at one strength after another, for some weights of the examples."""
    own = problem.weights if weights is None else weights
    if problem.link == "identity":
        return _ridge(problem, own)
    return functools.partial(_minimum, problem, own, _bounded(problem, own))


def _bounded(problem: Problem, weights: Array) -> Array:
    """Targets that have a finite optimum: no column is 0, or 1, for all that count."""
    targets = problem.targets
    total = float(weights.sum())
    if problem.link == "identity" or total <= 0:
        return targets
    shares = weights @ targets / total
    stuck = (shares <= 0) | (shares >= 1)
    if not stuck.any():
        return targets
    # As if each class had been seen half a time more often than it was.
    count = np.count_nonzero(weights)
    width = targets.shape[1]
    if problem.link == "softmax":
        share = 0.5 * width / (count + 0.5 * width)
        return np.asarray(targets * (1 - share) + share / width)
    share = 1 / (count + 1)
    return np.asarray(np.where(stuck, targets * (1 - share) + share / 2, targets))


def _minimum(
    problem: Problem,
    weights: Array,
    targets: Array,
    l2: float,
    start: Solution | None,
    exact: float,
) -> Solution:
    """The optimum of a likelihood.

    The variables are those in which a bound of the second derivative is the identity, so that
    strong and weak directions of the features are learned alike fast.

    References:
        Liu and Nocedal, On the limited memory BFGS method for large scale optimization, 1989,
        https://doi.org/10.1007/BF01589116; the bound: Böhning, Multinomial logistic regression
        algorithm, 1992, https://doi.org/10.1007/BF00048682.
    """
    features, link = problem.features, problem.function
    width, columns = features.width, targets.shape[1]
    total = max(float(weights.sum()), 1e-12)
    values, vectors = problem.curvature
    steep = np.sqrt(link.curvature * total * values + l2)
    steep_bias = np.sqrt(link.curvature * total)
    each = weights / features.views

    def unpacked(z: Array) -> tuple[Array, Array]:
        table = z.reshape(width + 1, columns)
        return vectors @ (table[:-1] / steep[:, None]), table[-1] / steep_bias

    def objective(z: Array) -> tuple[float, Array]:
        kernel, bias = unpacked(z)
        loss = 0.5 * l2 * float((kernel * kernel).sum())
        gradient = l2 * kernel
        gradient_bias = np.zeros(columns)
        for part, block in features.blocks():
            rows = np.arange(part.start, part.stop) % features.count
            share, wanted = each[rows], targets[rows]
            scores = block @ kernel + bias
            loss += float(share @ link.losses(scores, wanted))
            off = (link.answers(scores) - wanted) * share[:, None]
            gradient += block.T @ off
            gradient_bias += off.sum(axis=0)
        turned = (vectors.T @ gradient) / steep[:, None]
        return loss, np.concatenate([turned, gradient_bias[None] / steep_bias]).ravel()

    begun = np.zeros((width + 1, columns))
    if start is not None:
        begun[:-1] = (vectors.T @ start.kernel) * steep[:, None]
        begun[-1] = start.bias * steep_bias
    found = scipy.optimize.minimize(
        objective,
        begun.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _ITERATIONS, "maxcor": _MEMORY, "gtol": exact, "ftol": 0.0},
    )
    kernel, bias = unpacked(found.x)
    highest = float(np.abs(found.jac).max())
    return Solution(kernel, bias, int(found.nit), highest <= max(exact, 1e-4))


def _ridge(problem: Problem, weights: Array) -> Solver:
    """The closed form at any strength, out of one pass over the rows."""
    features = problem.features
    each = weights / features.views
    total = max(float(weights.sum()), 1e-12)
    width, columns = features.width, problem.targets.shape[1]
    outer, cross = np.zeros((width, width)), np.zeros((width, columns))
    mean, wanted_mean = np.zeros(width), weights @ problem.targets / total
    for part, block in features.blocks():
        rows = np.arange(part.start, part.stop) % features.count
        weighed = block * each[rows][:, None]
        outer += weighed.T @ block
        cross += weighed.T @ problem.targets[rows]
        mean += weighed.sum(axis=0)
    mean /= total
    # Around the means, since the bias is free.
    outer -= total * np.outer(mean, mean)
    cross -= total * np.outer(mean, wanted_mean)
    values, vectors = scipy.linalg.eigh(outer)
    turned = vectors.T @ cross

    def at(l2: float, start: Solution | None, exact: float) -> Solution:
        kernel = vectors @ (turned / (np.maximum(values, 0.0) + l2)[:, None])
        return Solution(kernel, wanted_mean - mean @ kernel)

    return at
