"""The step that solves a linear head instead of training it."""

from __future__ import annotations

import dataclasses
import math
import sys
from typing import Any, ClassVar

from kerastl.errors import ConfigurationError
from kerastl.graph import HEAD

DEFAULT_FOLDS = 5
# Of the head that is trained where it cannot be solved.
DEFAULT_HEAD_EPOCHS = 20
DEFAULT_HEAD_RATE = 1e-3


@dataclasses.dataclass(frozen=True)
class Probe:
    """Solves a linear head on the frozen backbone, to its optimum.

    A linear head on fixed features is a convex problem: multinomial logistic regression for one
    class per example, one logistic regression per class for several labels, ridge regression for
    a number. It costs one pass over the data and a fraction of a second, and there is no epoch to
    choose. Class weights and missing labels count as they do in a ``Phase``.

    Attributes:
        l2: the penalty on the squared kernel of the features at unit variance in all, beside the
            sum of the examples' losses; None chooses it by cross-validated likelihood.
        folds: of that cross-validation, at least 2.
        views: how many views of each example are fitted, the one as it is counted in; None takes
            all that there are. Crops and mirror images of the same photos add next to nothing to
            a linear model of features that were trained to ignore them.
        label_smoothing: share of the target that is spread over all classes, in [0, 1).
        name: in tables and histories.
        epochs: where the head cannot be solved, because it has a hidden layer or layers of your
            own, it trains for so many epochs.
        learning_rate: of that training.
    """

    l2: float | None = None
    folds: int = DEFAULT_FOLDS
    views: int | None = 1
    label_smoothing: float = 0.0
    name: str = "head"
    epochs: int = DEFAULT_HEAD_EPOCHS
    learning_rate: float = DEFAULT_HEAD_RATE

    train_from: ClassVar[str] = HEAD
    batch_norm: ClassVar[bool] = False
    fixed: ClassVar[bool] = True
    """Whether it ends in the same way with validation data and without."""

    @property
    def title(self) -> str:
        """The name for tables."""
        return self.name

    @property
    def rounds(self) -> int:
        """How often it goes through the examples."""
        return 1

    @property
    def takes(self) -> int:
        """How many views it can make use of."""
        return sys.maxsize if self.views is None else self.views

    def check(self) -> None:
        """Raises ConfigurationError where a setting cannot be."""
        problems = []
        if self.l2 is not None and not (_is_number(self.l2) and 0 < self.l2 < math.inf):
            problems.append(f"l2={self.l2!r} (above 0, or None)")
        for name, least in (("folds", 2), ("epochs", 1)):
            if not _is_count(getattr(self, name), least):
                problems.append(f"{name}={getattr(self, name)!r} (at least {least})")
        if self.views is not None and not _is_count(self.views, 1):
            problems.append(f"views={self.views!r} (at least 1, or None)")
        if not _is_number(self.label_smoothing) or not 0 <= self.label_smoothing < 1:
            problems.append(f"label_smoothing={self.label_smoothing!r} (in [0, 1))")
        if not _is_number(self.learning_rate) or not 0 < self.learning_rate < math.inf:
            problems.append(f"learning_rate={self.learning_rate!r} (above 0)")
        if problems:
            raise ConfigurationError(f"Probe {self.title!r}: not allowed: {'; '.join(problems)}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
