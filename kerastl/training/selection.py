"""Keeping the best epoch's weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Score:
    """By what epochs are compared; higher is better.

    It is the mean of metrics, given by Keras's names, each clipped to 0..1 where there are several.
    Records call it ``name``.
    """

    name: str
    metrics: tuple[str, ...]

    def of(self, logs: Mapping[str, Any], prefix: str = "") -> float | None:
        """The score among what ``fit`` or ``evaluate`` logged; None where it is not."""
        names = [prefix + metric for metric in self.metrics]
        if not names or any(name not in logs for name in names):
            return None
        found = [float(logs[name]) for name in names]
        return found[0] if len(found) == 1 else float(np.mean(np.clip(found, 0.0, 1.0)))


@dataclasses.dataclass
class Best:
    """The best state seen so far in a phase.

    Attributes:
        score: (accuracy or other score, minus loss) on the validation data; higher is better.
        epoch: after how many epochs of the phase; 0 is the state before the first.
        values: the trainable variables then.
        highest: the highest score of any epoch so far, which a margin counts from.
        waited: epochs since.
    """

    score: tuple[float, float]
    epoch: int
    values: list[Array]
    highest: float
    waited: int = 0


class KeepBest(keras.callbacks.Callback):
    """Remembers the best epoch, and stops after ``patience`` epochs without a better one.

    The state before the phase is the first candidate, so that a phase never ends worse on the
    validation data than it began.

    Args:
        score: what decides.
        patience: epochs, or None to train to the end.
        read: the values of a model's trainable variables that were validated; None takes those
            that it has.
        margin: how far below the highest score another one is as good; of those the lowest loss
            decides. None takes the highest score, and the loss where two are equal.
        last: keep the last state whatever its score.
    """

    def __init__(
        self,
        score: Score,
        patience: int | None,
        read: Callable[[keras.Model], list[Array]] | None = None,
        margin: Callable[[float], float] | None = None,
        last: bool = False,
    ) -> None:
        super().__init__()
        self.best: Best | None = None
        self._patience = patience
        self._score = score
        self._last = last
        self._margin = margin or (lambda highest: 0.0)
        self._read = read or (lambda model: read_variables(model.trainable_variables))

    def consider(self, score: tuple[float, float], epoch: int) -> None:
        """Weighs the present state; called after each epoch and once before the first."""
        best = self.best
        highest = score[0] if best is None else max(score[0], best.highest)
        least = highest - self._margin(highest)
        if (
            best is None
            or self._last
            or best.score[0] < least
            or (score[0] >= least and score[1] > best.score[1])
        ):
            self.best = Best(score, epoch, self._read(self.model), highest)
        else:
            best.highest = highest
            best.waited += 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Weighs the epoch that ended, and adds its score to the logs."""
        score = self._score.of(logs or {}, "val_")
        if logs is None or score is None:
            return
        logs.setdefault(f"val_{self._score.name}", score)
        self.consider((score, -float(logs["val_loss"])), epoch + 1)
        assert self.best is not None
        if self._patience is not None and self.best.waited >= self._patience:
            self.model.stop_training = True

    def restore(self) -> None:
        """Puts the best state back."""
        if self.best is not None:
            write_variables(self.model.trainable_variables, self.best.values)


def standard_error(examples: int) -> Callable[[float], float]:
    """The standard error of an accuracy in [0, 1] on so many examples.

    It is at least that of a single mistake.

    References:
        That of the models within one standard error of the best another criterion may choose:
        Breiman et al., Classification and Regression Trees, 1984, section 3.4.3.
    """

    def of(accuracy: float) -> float:
        wrong = max(1 - accuracy, 1 / examples)
        return float(np.sqrt(min(accuracy, 1.0) * min(wrong, 1.0) / examples))

    return of


def interpolate(
    model: keras.Model,
    start: list[Array],
    validation: Any,
    best: tuple[float, float],
    *,
    by: Score,
    likely: bool = False,
) -> tuple[float, tuple[float, float]]:
    """Mixes a model's weights with those that it began with, as does best on validation data.

    What is best the score decides, and the loss where two are equal; if ``likely`` the loss alone.
    ``best`` is what ``evaluated`` says of the weights as they are. Returns the share of the new
    weights that did best, 1.0 where none did better than all of them, and its score.
    """
    end = read_variables(model.trainable_variables)
    chosen = 1.0
    for tenth in range(10):
        share = tenth / 10
        mix(model, start, end, share)
        found = evaluated(model, validation, by)
        if found[likely:] > best[likely:]:
            best, chosen = found, share
    mix(model, start, end, chosen)
    return chosen, best


def evaluated(model: keras.Model, validation: Any, by: Score) -> tuple[float, float]:
    """(score, minus loss) of a compiled model on validation data."""
    logs = model.evaluate(validation, verbose=0, return_dict=True)
    score = by.of(logs)
    assert score is not None
    return score, -float(logs["loss"])


def mix(model: keras.Model, start: list[Array], end: list[Array], share: float) -> None:
    """Gives a model a share of its new trainable weights, and the rest of those at the start."""
    values = [
        new if share == 1 else old + np.asarray(share, old.dtype) * (new - old)
        for old, new in zip(start, end, strict=True)
    ]
    write_variables(model.trainable_variables, values)


def read_variables(variables: Any) -> list[Array]:
    """Copies of the values of variables."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def write_variables(variables: Any, values: list[Array]) -> None:
    """Sets variables to values of the same shapes."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
