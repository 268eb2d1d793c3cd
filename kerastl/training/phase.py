"""Phases and plans: what trains, from where, how long and how fast."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any, Literal

from kerastl.errors import ConfigurationError
from kerastl.graph import ALL, HEAD
from kerastl.training.probe import DEFAULT_HEAD_EPOCHS, DEFAULT_HEAD_RATE, Probe

DEFAULT_FINE_TUNE_EPOCHS = 15
# From the optimum of the head there is less to learn.
DEFAULT_SOLVED_EPOCHS = 10
# Fewer steps than that leave the late stages half way, however often few photos were seen.
DEFAULT_FINE_TUNE_STEPS = 100
DEFAULT_FINE_TUNE_VIEWS = 4
DEFAULT_FINE_TUNE_RATE = 3e-4
DEFAULT_PROBE_EPOCHS = 100
DEFAULT_PROBE_PATIENCE = 5
DEFAULT_FULL_RATE = 1e-4
DEFAULT_CONTRASTIVE_EPOCHS = 20
DEFAULT_CONTRASTIVE_RATE = 5e-5
DEFAULT_FEW_SHOT_HEAD_EPOCHS = 60
DEFAULT_FEW_SHOT_HEAD_RATE = 1e-2
RECOMMENDED = "recommended"
LATE = "late"


@dataclasses.dataclass(frozen=True)
class Phase:
    """One stretch of training with a fixed freeze boundary.

    Attributes:
        train_from: where training begins: ``"head"``; the name of a stage or layer; a negative
            number that counts stages from the end; ``"recommended"`` or ``"late"``, the stages that
            the backbone's record names; or ``"all"``.
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
            already (gamma 2; Lin et al., https://arxiv.org/abs/1708.02002), or
            ``"contrastive"``, which trains the vector that the head gets and not the head
            itself (see ``ContrastiveLoss``); then nothing is validated, and the last epoch is
            kept. A ``TextEmbedding`` has no head: its vectors are validated as they train.
        gradient_accumulation: steps whose gradients are averaged before the weights change, for
            larger batches than memory holds.
        interpolate: after the phase, go back part of the way to the weights that it began with
            where that does better on the validation data: the best of the mixtures 0, 0.1, ... 1
            (WiSE-FT; Wortsman et al., https://arxiv.org/abs/2109.01903). Needs validation data.
            ``"likelihood"`` takes the mixture of the lowest loss; a number in (0, 1) is the share
            of the new weights, and needs no data.
        select: which epoch is kept: ``"best"``, the one of the highest validation score;
            ``"one_standard_error"``, of those that are within one standard error of the highest
            accuracy the one of the lowest loss; ``"last"``, the last one, so that nothing is
            chosen on the validation data, and what they say of the model is not flattered. Among
            200 examples 4 more right answers are chance, and with a falling rate the last epoch
            is rarely the worst.
        patience: stop after that many epochs without improvement on the validation data; None
            never stops early. The best epoch's weights are restored in any case.
        layer_decay: discriminative learning rates: the rate of each stage is that of the stage
            after it times this, in (0, 1], as 0.65; the head has the full rate. Weight decay
            follows the rate. (Howard and Ruder, https://arxiv.org/abs/1801.06146; Bao et al.,
            https://arxiv.org/abs/2106.08254.)
        l2_sp: alpha of a penalty alpha / 2 * ||w - w0||^2 on the loss, where w0 are the
            pretrained weights with which the run began, in this phase as in the first; 0 is
            none, 0.01 to 0.1 is usual. It replaces the weight decay of the backbone; head,
            biases and normalisation stay free of it. (L2-SP; Li et al.,
            https://arxiv.org/abs/1802.01483.)
        ema: decay of a moving average of the weights, in (0, 1), as 0.99; None keeps none. The
            averaged weights are what is validated, kept and left in the network, and training
            goes on from the plain ones. The decay rises to this from (1 + t) / (10 + t), t
            counting updates. (Polyak averaging; https://doi.org/10.1137/0330046.)
        lora: rank of low-rank updates; None trains the layers themselves. The Dense,
            EinsumDense, Embedding and Conv layers after the boundary stay as they are, except for a
            product of two thin matrices that is merged into each when the phase is over; the
            head trains as a whole. (Hu et al., https://arxiv.org/abs/2106.09685.)
        lora_layers: a regular expression that is searched in the paths of layers, as
            ``"query|value"``; None gives low-rank updates to all layers that take them.
        lora_bias: whether biases after the boundary train beside the low-rank updates.
        mixup: alpha of mixup: each batch is mixed with itself in another order, inputs and
            targets alike, by a share out of Beta(alpha, alpha); 0 does not, 0.2 is usual. What
            is mixed are the activations at the boundary where they are cached, else the images.
            (Zhang et al., https://arxiv.org/abs/1710.09412; Verma et al.,
            https://arxiv.org/abs/1806.05236.)
        optional: leave the phase out where it is not shown to help: where the likelihood of the
            validation examples does not grow by more than its standard error over the solved head
            before it. Needs validation data and a ``Probe``.
        least_steps: steps that the phase takes at least: it has more epochs where there are few
            examples.
        views: how many of the augmented views the epochs take in turn; None takes all.
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
    loss: Literal["cross_entropy", "focal", "contrastive"] = "cross_entropy"
    gradient_accumulation: int = 1
    interpolate: bool | float | Literal["likelihood"] = False
    patience: int | None = None
    select: Literal["best", "one_standard_error", "last"] = "best"
    layer_decay: float | None = None
    l2_sp: float = 0.0
    ema: float | None = None
    lora: int | None = None
    lora_layers: str | None = None
    lora_bias: bool = False
    mixup: float = 0.0
    optional: bool = False
    least_steps: int = 0
    views: int | None = None

    def lasting(self, steps: int) -> Phase:
        """The phase with as many epochs of so many steps as ``least_steps`` asks for."""
        return dataclasses.replace(self, epochs=max(self.epochs, -(-self.least_steps // steps)))

    @property
    def rounds(self) -> int:
        """How often it goes through the examples."""
        return self.epochs

    @property
    def takes(self) -> int:
        """How many views it can make use of."""
        return self.epochs if self.views is None else min(self.epochs, self.views)

    @property
    def fixed(self) -> bool:
        """Whether it ends in the same way with validation data and without."""
        return self.select == "last" and not self.chooses_mixture

    @property
    def chooses_mixture(self) -> bool:
        """Whether a mixture with the weights at its beginning is chosen on validation data."""
        return self.interpolate is True or self.interpolate == "likelihood"

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
        if self.loss not in ("cross_entropy", "focal", "contrastive"):
            problems.append(f"loss={self.loss!r} ('cross_entropy', 'focal' or 'contrastive')")
        if self.loss == "contrastive" and (self.interpolate or self.mixup or self.label_smoothing):
            problems.append("a contrastive loss with interpolate, mixup or label_smoothing")
        if self.views is not None and (not isinstance(self.views, int) or self.views < 1):
            problems.append(f"views={self.views!r} (at least 1, or None)")
        if not isinstance(self.least_steps, int) or self.least_steps < 0:
            problems.append(f"least_steps={self.least_steps!r} (a whole number, 0 or above)")
        if not isinstance(self.gradient_accumulation, int) or self.gradient_accumulation < 1:
            problems.append(f"gradient_accumulation={self.gradient_accumulation!r} (at least 1)")
        if not _is_number(self.weight_decay) or not 0 <= self.weight_decay < math.inf:
            problems.append(f"weight_decay={self.weight_decay!r} (0 or above)")
        if self.patience is not None and (not isinstance(self.patience, int) or self.patience < 1):
            problems.append(f"patience={self.patience!r} (at least 1, or None)")
        if self.select not in ("best", "one_standard_error", "last"):
            problems.append(f"select={self.select!r} ('best', 'one_standard_error' or 'last')")
        if self.optional and self.chooses_mixture:
            problems.append("optional with a mixture that is chosen (give one of the two)")
        if self.select == "last" and self.patience is not None:
            problems.append("patience with select='last' (stopping early is a choice too)")
        problems += self._options()
        if problems:
            raise ConfigurationError(f"Phase {self.title!r}: not allowed: {'; '.join(problems)}.")

    def _options(self) -> list[str]:
        """What is wrong with the ways of training that a plain phase does without."""
        problems = []
        decay, ema, rank = self.layer_decay, self.ema, self.lora
        if decay is not None and (not _is_number(decay) or not 0 < decay <= 1):
            problems.append(f"layer_decay={decay!r} (in (0, 1], or None)")
        if not _is_number(self.l2_sp) or not 0 <= self.l2_sp < math.inf:
            problems.append(f"l2_sp={self.l2_sp!r} (0 or above)")
        if ema is not None and (not _is_number(ema) or not 0 < ema < 1):
            problems.append(f"ema={ema!r} (in (0, 1), as 0.99, or None)")
        if not _is_number(self.mixup) or not 0 <= self.mixup < math.inf:
            problems.append(f"mixup={self.mixup!r} (0 or above)")
        mixed = self.interpolate
        share = _is_number(mixed) and 0 < mixed < 1  # type: ignore[operator]
        if not (isinstance(mixed, bool) or share or mixed == "likelihood"):
            problems.append(
                f"interpolate={mixed!r} (True, False, 'likelihood', or a share in (0, 1))"
            )
        for name in ("batch_norm", "lora_bias", "optional"):
            if not isinstance(getattr(self, name), bool):
                problems.append(f"{name}={getattr(self, name)!r} (True or False)")
        if rank is None:
            if self.lora_layers is not None or self.lora_bias:
                problems.append("lora_layers and lora_bias without lora (give lora=8, the rank)")
            return problems
        if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
            problems.append(f"lora={rank!r} (the rank, at least 1, or None)")
        if self.train_from == HEAD:
            problems.append(
                "lora where only the head trains (there is no layer of the backbone to adapt: "
                "give train_from a stage, or 'all')"
            )
        if self.batch_norm:
            problems.append("lora with batch_norm=True (it leaves normalisation as it is)")
        if self.l2_sp:
            problems.append("lora with l2_sp (the kernels themselves do not move)")
        if self.lora_layers is not None:
            try:
                re.compile(self.lora_layers)
            except (re.error, TypeError) as error:
                problems.append(f"lora_layers={self.lora_layers!r} (no pattern: {error})")
        return problems


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


Step = Phase | Probe
Plan = tuple[Step, ...]
# What has no meaning where the head alone trains.
_OF_THE_BACKBONE = ("lora", "lora_layers", "lora_bias")


def _head(epochs: int, learning_rate: float, settings: dict[str, Any]) -> Phase:
    """The phase of the head, with those settings of a plan that mean something there."""
    meant = {name: value for name, value in settings.items() if name not in _OF_THE_BACKBONE}
    return Phase(HEAD, epochs, learning_rate, **{"name": "head", **meant})


def _solved(
    epochs: int | None, learning_rate: float | None, probe: Probe | None, settings: dict[str, Any]
) -> Step:
    """The first step of a plan: solved, or trained where epochs or a rate are given for it."""
    if epochs is None and learning_rate is None:
        return probe or Probe()
    probe = probe or Probe()
    return _head(
        probe.epochs if epochs is None else epochs,
        probe.learning_rate if learning_rate is None else learning_rate,
        settings,
    )


def head_only(
    epochs: int | None = None,
    learning_rate: float | None = None,
    *,
    probe: Probe | None = None,
    **settings: Any,
) -> Plan:
    """Fits the head to the frozen backbone: feature extraction.

    Args:
        epochs: None solves the head to its optimum (see ``Probe``); a number trains it by
            gradient descent for so many epochs.
        learning_rate: of that training, which giving a rate asks for too.
        probe: how it is solved.
        **settings: of a ``Phase``; giving one asks for training too.
    """
    if settings and epochs is None and learning_rate is None:
        epochs = DEFAULT_HEAD_EPOCHS
    if epochs is None and learning_rate is None:
        return (probe or Probe(),)
    rate = DEFAULT_HEAD_RATE if learning_rate is None else learning_rate
    count = DEFAULT_HEAD_EPOCHS if epochs is None else epochs
    return (Phase(HEAD, count, rate, **{"name": "head", **settings}),)


def two_phase(
    head_epochs: int | None = None,
    fine_tune_epochs: int | None = None,
    *,
    train_from: str | int | None = None,
    head_learning_rate: float | None = None,
    learning_rate: float = DEFAULT_FINE_TUNE_RATE,
    probe: Probe | None = None,
    **settings: Any,
) -> Plan:
    """Solves the head on the frozen backbone, then fine-tunes the late stages from its optimum.

    After a solved head the last epoch of the fine-tuning is kept. Nothing is chosen on validation
    data then, so that all examples can train (see ``refit`` of a recipe).

    Args:
        head_epochs: None solves the head (see ``Probe``); a number trains it by gradient descent
            for so many epochs.
        fine_tune_epochs: of the second phase; None is 10 after a solved head, or as many as 100
            steps take, and else 15.
        train_from: where the second phase begins (see ``Phase``); None is ``"late"`` after a
            solved head, and else ``"recommended"``.
        head_learning_rate: of a head that trains, which giving a rate asks for too.
        learning_rate: of the second phase.
        probe: how the head is solved.
        **settings: further settings of the phases that train; LoRA's are of the second.

    References:
        Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform
        Out-of-Distribution, 2022, https://arxiv.org/abs/2202.10054.
    """
    first = _solved(head_epochs, head_learning_rate, probe, settings)
    usual: dict[str, Any] = {"name": "fine-tune", "label_smoothing": 0.1}
    if isinstance(first, Probe):
        if fine_tune_epochs is None:
            usual["least_steps"] = DEFAULT_FINE_TUNE_STEPS
        # A head that was solved for the likelihood begins as sure as it should be.
        usual |= {"label_smoothing": 0.05, "views": DEFAULT_FINE_TUNE_VIEWS}
        train_from = LATE if train_from is None else train_from
        if "patience" not in settings:
            usual["select"] = "last"
    begin = RECOMMENDED if train_from is None else train_from
    usually = DEFAULT_SOLVED_EPOCHS if isinstance(first, Probe) else DEFAULT_FINE_TUNE_EPOCHS
    epochs = usually if fine_tune_epochs is None else fine_tune_epochs
    return (first, Phase(begin, epochs, learning_rate, **{**usual, **settings}))


def gradual(
    stages: int = 3,
    epochs: int = 5,
    *,
    head_epochs: int | None = None,
    head_learning_rate: float | None = None,
    learning_rate: float = DEFAULT_FINE_TUNE_RATE,
    decay: float = 2.6,
    probe: Probe | None = None,
    **settings: Any,
) -> Plan:
    """Unfreezes one stage after another, from the last to the first.

    Args:
        stages: how many stages are unfrozen, one per phase.
        epochs: of each such phase.
        head_epochs: None solves the head first (see ``Probe``); a number trains it for so many
            epochs.
        head_learning_rate: of a head that trains.
        learning_rate: of the first unfrozen stage.
        decay: each further phase's rate is the one before it over this.
        probe: how the head is solved.
        **settings: further settings of all phases that train; LoRA's of all but the head's.

    References:
        Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, 2018,
        https://arxiv.org/abs/1801.06146.
    """
    return (
        _solved(head_epochs, head_learning_rate, probe, settings),
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


def lp_ft(
    probe_epochs: int | None = None,
    epochs: int = DEFAULT_FINE_TUNE_EPOCHS,
    *,
    patience: int | None = None,
    probe_learning_rate: float | None = None,
    learning_rate: float = DEFAULT_FULL_RATE,
    probe: Probe | None = None,
    **settings: Any,
) -> Plan:
    """Solves a linear probe, then trains all weights from there.

    Fine-tuning everything under a head of random weights distorts pretrained features before
    the head has become useful; from the head of a probe it keeps them, which shows above all on
    data unlike those it was trained on.

    Args:
        probe_epochs: None solves the probe; a number trains it, for so many epochs at most.
        epochs: of the fine-tuning.
        patience: a probe that trains ends after that many epochs without improvement on the
            validation data (None: 5); without validation data it trains for all of its epochs.
        probe_learning_rate: of a probe that trains, constant after the warm-up: a rate that fell
            with the epochs would end the improvement by itself.
        learning_rate: of the fine-tuning, low.
        probe: how the probe is solved.
        **settings: further settings of the phases that train; LoRA's are of the second.

    References:
        Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform
        Out-of-Distribution, 2022, https://arxiv.org/abs/2202.10054.
    """
    first: Step = probe or Probe(name="probe")
    if (probe_epochs, patience, probe_learning_rate) != (None, None, None):
        first = _head(
            DEFAULT_PROBE_EPOCHS if probe_epochs is None else probe_epochs,
            DEFAULT_HEAD_RATE if probe_learning_rate is None else probe_learning_rate,
            {
                "name": "probe",
                "schedule": "constant",
                "patience": DEFAULT_PROBE_PATIENCE if patience is None else patience,
                **settings,
            },
        )
    return (
        first,
        Phase(ALL, epochs, learning_rate, **{"name": "fine-tune", **settings}),
    )


def few_shot(
    epochs: int = DEFAULT_CONTRASTIVE_EPOCHS,
    head_epochs: int | None = None,
    *,
    train_from: str | int = ALL,
    learning_rate: float = DEFAULT_CONTRASTIVE_RATE,
    head_learning_rate: float | None = None,
    probe: Probe | None = None,
    **settings: Any,
) -> Plan:
    """A plan for a few examples per class: a contrastive fine-tuning, then a new head.

    Args:
        epochs: of the contrastive phase; with few examples an epoch is a step or two.
        head_epochs: None solves the head (see ``Probe``); a number trains it.
        train_from: where the contrastive phase begins (see ``Phase``).
        learning_rate: of the contrastive phase.
        head_learning_rate: of a head that trains.
        probe: how the head is solved.
        **settings: further settings of the phases that train.

    References:
        Tunstall et al., Efficient Few-Shot Learning Without Prompts, 2022,
        https://arxiv.org/abs/2209.11055.
    """
    contrastive = Phase(
        train_from, epochs, learning_rate, **{"name": "contrastive", **settings}, loss="contrastive"
    )
    solved = probe or Probe(
        epochs=DEFAULT_FEW_SHOT_HEAD_EPOCHS, learning_rate=DEFAULT_FEW_SHOT_HEAD_RATE
    )
    return (contrastive, _solved(head_epochs, head_learning_rate, solved, settings))


def full(
    epochs: int = DEFAULT_HEAD_EPOCHS + DEFAULT_FINE_TUNE_EPOCHS,
    learning_rate: float = 1e-3,
    **settings: Any,
) -> Plan:
    """Trains all weights from the start; with random weights, training from scratch."""
    return (Phase(ALL, epochs, learning_rate, **{"name": "full", **settings}),)


def check_plan(plan: Plan) -> None:
    """Raises ConfigurationError for a plan that is not a tuple of valid steps."""
    if not isinstance(plan, tuple) or not plan or not all(isinstance(p, Step) for p in plan):
        raise ConfigurationError(
            f"plan={plan!r} is not a tuple of Phase and Probe. Use two_phase(), head_only(), "
            "gradual(), lp_ft(), full(), or (Probe(), Phase(...))."
        )
    for step in plan:
        step.check()


def phases_of(plan: Plan) -> tuple[Phase, ...]:
    """The steps that train by gradient descent."""
    return tuple(step for step in plan if isinstance(step, Phase))


def fine_tunes(plan: Plan) -> bool:
    """Whether a plan solves a head, and trains it further in the end."""
    solved = any(isinstance(step, Probe) for step in plan)
    return solved and isinstance(plan[-1], Phase)


def trained(plan: Plan) -> Plan:
    """A plan whose head trains in place of being solved."""
    return tuple(
        _head(step.epochs, step.learning_rate, {"name": step.name})
        if isinstance(step, Probe)
        else step
        for step in plan
    )
