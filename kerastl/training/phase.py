"""Phases and plans: what trains, from where, how long and how fast."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

from kerastl.errors import ConfigurationError
from kerastl.graph import ALL, HEAD

DEFAULT_HEAD_EPOCHS = 20
DEFAULT_HEAD_RATE = 1e-3
DEFAULT_FINE_TUNE_EPOCHS = 15
DEFAULT_FINE_TUNE_RATE = 3e-4
RECOMMENDED = "recommended"


@dataclasses.dataclass(frozen=True)
class Phase:
    """One stretch of training with a fixed freeze boundary.

    Attributes:
        train_from: where training begins: ``"head"``; the name of a stage or layer; a negative
            number that counts stages from the end; ``"recommended"``, the stage that the
            backbone's record names; or ``"all"``.
        epochs: passes over the training data, at most.
        learning_rate: the highest rate of the schedule.
        name: in tables and histories; by default made from ``train_from``.
        schedule: ``"cosine"`` falls to 1 % of the learning rate over the phase after a linear
            warm-up; ``"constant"`` stays after the warm-up.
        warmup: fraction of the phase's steps over which the rate rises from 1 %, in [0, 1).
        weight_decay: AdamW's decoupled decay; biases and normalisation parameters are left out.
        label_smoothing: share of the target that is spread over all classes, in [0, 1).
        batch_norm: whether BatchNormalization after the boundary trains. Pretrained statistics
            are better than those of small batches; a network with random weights needs it.
        loss: ``"cross_entropy"``, or ``"focal"``, which weighs down what is classified well
            already (gamma 2; Lin et al., https://arxiv.org/abs/1708.02002).
        gradient_accumulation: steps whose gradients are averaged before the weights change, for
            larger batches than memory holds.
        interpolate: after the phase, go back part of the way to the weights that it began with
            where that does better on the validation data: the best of the mixtures 0, 0.1, ... 1
            (WiSE-FT; Wortsman et al., https://arxiv.org/abs/2109.01903). Needs validation data.
        patience: stop after that many epochs without improvement on the validation data; None
            never stops early. The best epoch's weights are restored in any case.
    """

    train_from: str | int = HEAD
    epochs: int = DEFAULT_HEAD_EPOCHS
    learning_rate: float = DEFAULT_HEAD_RATE
    name: str | None = None
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = 0.1
    weight_decay: float = 1e-4
    label_smoothing: float = 0.0
    batch_norm: bool = False
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    gradient_accumulation: int = 1
    interpolate: bool = False
    patience: int | None = None

    @property
    def title(self) -> str:
        """The name for tables."""
        if self.name:
            return self.name
        return {HEAD: "head", ALL: "full"}.get(str(self.train_from), f"from {self.train_from}")

    def check(self) -> None:
        """Raises ConfigurationError where a setting cannot be."""
        problems = []
        if not isinstance(self.epochs, int) or self.epochs < 1:
            problems.append(f"epochs={self.epochs!r} (a whole number of at least 1)")
        if isinstance(self.train_from, bool) or not isinstance(self.train_from, (str, int)):
            problems.append(f"train_from={self.train_from!r} (a name, or a negative number)")
        if not _is_number(self.learning_rate) or not 0 < self.learning_rate < math.inf:
            problems.append(f"learning_rate={self.learning_rate!r} (above 0)")
        if self.schedule not in ("cosine", "constant"):
            problems.append(f"schedule={self.schedule!r} ('cosine' or 'constant')")
        if not _is_number(self.warmup) or not 0 <= self.warmup < 1:
            problems.append(f"warmup={self.warmup!r} (in [0, 1))")
        if not _is_number(self.label_smoothing) or not 0 <= self.label_smoothing < 1:
            problems.append(f"label_smoothing={self.label_smoothing!r} (in [0, 1))")
        if self.loss not in ("cross_entropy", "focal"):
            problems.append(f"loss={self.loss!r} ('cross_entropy' or 'focal')")
        if not isinstance(self.gradient_accumulation, int) or self.gradient_accumulation < 1:
            problems.append(f"gradient_accumulation={self.gradient_accumulation!r} (at least 1)")
        if not _is_number(self.weight_decay) or not 0 <= self.weight_decay < math.inf:
            problems.append(f"weight_decay={self.weight_decay!r} (0 or above)")
        if self.patience is not None and (not isinstance(self.patience, int) or self.patience < 1):
            problems.append(f"patience={self.patience!r} (at least 1, or None)")
        if problems:
            raise ConfigurationError(f"Phase {self.title!r}: not allowed: {'; '.join(problems)}.")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


Plan = tuple[Phase, ...]


def head_only(
    epochs: int = DEFAULT_HEAD_EPOCHS, learning_rate: float = DEFAULT_HEAD_RATE, **settings: Any
) -> Plan:
    """Trains the head on the frozen backbone: feature extraction, a linear probe."""
    return (Phase(HEAD, epochs, learning_rate, **{"name": "head", **settings}),)


def two_phase(
    head_epochs: int = DEFAULT_HEAD_EPOCHS,
    fine_tune_epochs: int = DEFAULT_FINE_TUNE_EPOCHS,
    *,
    train_from: str | int = RECOMMENDED,
    head_learning_rate: float = DEFAULT_HEAD_RATE,
    learning_rate: float = DEFAULT_FINE_TUNE_RATE,
    **settings: Any,
) -> Plan:
    """Trains the head on the frozen backbone, then fine-tunes the late stages with it.

    Args:
        head_epochs: of the first phase.
        fine_tune_epochs: of the second phase.
        train_from: where the second phase begins (see ``Phase``).
        head_learning_rate: of the first phase.
        learning_rate: of the second phase.
        **settings: further settings of both phases.
    """
    return (
        Phase(HEAD, head_epochs, head_learning_rate, **{"name": "head", **settings}),
        Phase(
            train_from,
            fine_tune_epochs,
            learning_rate,
            **{"name": "fine-tune", "label_smoothing": 0.1, **settings},
        ),
    )


def gradual(
    stages: int = 3,
    epochs: int = 5,
    *,
    head_epochs: int = DEFAULT_HEAD_EPOCHS,
    head_learning_rate: float = DEFAULT_HEAD_RATE,
    learning_rate: float = DEFAULT_FINE_TUNE_RATE,
    decay: float = 2.6,
    **settings: Any,
) -> Plan:
    """Unfreezes one stage after another, from the last to the first.

    Args:
        stages: how many stages are unfrozen, one a phase.
        epochs: of each such phase.
        head_epochs: of the first phase.
        head_learning_rate: of the first phase.
        learning_rate: of the first unfrozen stage.
        decay: each further phase's rate is the one before it over this.
        **settings: further settings of all phases.

    References:
        Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, 2018,
        https://arxiv.org/abs/1801.06146.
    """
    return (
        Phase(HEAD, head_epochs, head_learning_rate, **{"name": "head", **settings}),
        *(
            Phase(
                -(index + 1),
                epochs,
                learning_rate / decay**index,
                **{"name": f"stage -{index + 1}", **settings},
            )
            for index in range(stages)
        ),
    )


def full(
    epochs: int = DEFAULT_HEAD_EPOCHS + DEFAULT_FINE_TUNE_EPOCHS,
    learning_rate: float = 1e-3,
    **settings: Any,
) -> Plan:
    """Trains all weights from the start; with random weights, training from scratch."""
    return (Phase(ALL, epochs, learning_rate, **{"name": "full", **settings}),)


def check_plan(plan: Plan) -> None:
    """Raises ConfigurationError for a plan that is not a tuple of valid phases."""
    if not isinstance(plan, tuple) or not plan or not all(isinstance(p, Phase) for p in plan):
        raise ConfigurationError(
            f"plan={plan!r} is not a tuple of Phase. Use two_phase(), head_only(), gradual(), "
            "full(), or (Phase(...), Phase(...))."
        )
    for phase in plan:
        phase.check()
