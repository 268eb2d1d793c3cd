"""Plans as the command line names them."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

import kerastl


class PlanName(enum.StrEnum):
    """Plans by name."""

    TWO_PHASE = "two-phase"
    HEAD_ONLY = "head-only"
    GRADUAL = "gradual"
    LP_FT = "lp-ft"
    FULL = "full"


@dataclasses.dataclass(frozen=True)
class Rates:
    """Epochs and learning rates of a plan that the command line does not give.

    Attributes:
        head: epochs and rate of a phase that trains the head.
        fine_tune: epochs and rate of a phase that trains more.
        select: which epoch is kept (see ``Phase``).
    """

    head: tuple[int, float]
    fine_tune: tuple[int, float]
    select: str = "best"


# What suits transformers of text; for images the plans' own defaults stand.
TEXT_RATES = Rates(head=(10, 1e-2), fine_tune=(3, 1e-4), select="one_standard_error")


def make_plan(
    name: PlanName,
    epochs: str | None,
    rates: str | None,
    train_from: str | None,
    random: bool,
    defaults: Rates | None = None,
) -> Any:
    """The plan of a name.

    Args:
        name: which one.
        epochs: of the phases, as in "20,15"; None takes the defaults.
        rates: learning rates of the phases, as in "1e-3,3e-4"; None takes the defaults.
        train_from: the stage from which two-phase fine-tunes.
        random: whether the backbone has random weights.
        defaults: epochs and rates where nothing else is said; None takes those of the plan.

    Raises:
        ConfigurationError: a text that cannot be read, or an option of another plan.
    """
    phases = 1 if name in (PlanName.HEAD_ONLY, PlanName.FULL) else 2
    counts = _numbers(epochs, int, "--epochs", 2)
    if phases == 1 and len(counts) == 2:
        # Training in one go takes as long as two phases would.
        counts = [sum(counts)]
    speeds = _numbers(rates, float, "--learning-rate", phases)
    if defaults is not None:
        usual = [defaults.head, defaults.fine_tune]
        if phases == 1:
            usual = [defaults.fine_tune if name is PlanName.FULL else defaults.head]
        counts += [pair[0] for pair in usual[len(counts) :]]
        speeds += [pair[1] for pair in usual[len(speeds) :]]
    settings: dict[str, Any] = {} if defaults is None else {"select": defaults.select}
    if train_from is not None:
        if name is not PlanName.TWO_PHASE:
            raise kerastl.ConfigurationError("--train-from goes with --plan two-phase alone.")
        settings["train_from"] = stage_of(train_from)
    if phases == 1:
        settings |= dict(zip(["epochs"], counts, strict=False))
        settings |= dict(zip(["learning_rate"], speeds, strict=False))
        if name is PlanName.FULL:
            return kerastl.full(**settings, batch_norm=random)
        return kerastl.head_only(**settings)
    if name is PlanName.LP_FT:
        settings |= dict(zip(["probe_epochs", "epochs"], counts, strict=False))
        settings |= dict(zip(["probe_learning_rate", "learning_rate"], speeds, strict=False))
        return kerastl.lp_ft(**settings)
    second = "fine_tune_epochs" if name is PlanName.TWO_PHASE else "epochs"
    settings |= dict(zip(["head_epochs", second], counts, strict=False))
    settings |= dict(zip(["head_learning_rate", "learning_rate"], speeds, strict=False))
    return (
        kerastl.two_phase(**settings) if name is PlanName.TWO_PHASE else kerastl.gradual(**settings)
    )


def stage_of(text: str) -> str | int:
    """A stage by its name, or by its number from the end, as in "-2"."""
    number = text.removeprefix("-")
    return -int(number) if text != number and number.isdigit() else text


def _numbers(text: str | None, kind: type, option: str, most: int) -> list[Any]:
    if text is None:
        return []
    try:
        values = [kind(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not 1 <= len(values) <= most:
        raise kerastl.ConfigurationError(
            f"{option} {text!r} cannot be read: give up to {most} numbers with commas between, "
            "one for each phase of the plan."
        )
    return values
