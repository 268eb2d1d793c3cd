"""Plans as the command line names them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import kerastl


class PlanName(enum.StrEnum):
    """Plans by name."""

    TWO_PHASE = "two-phase"
    HEAD_ONLY = "head-only"
    GRADUAL = "gradual"
    LP_FT = "lp-ft"
    FULL = "full"


_RATES = ("head_learning_rate", "learning_rate")
_PROBE_RATES = ("probe_learning_rate", "learning_rate")
# The function that makes a plan, and what it calls the epochs and the rates of its phases.
_PLANS: dict[PlanName, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    PlanName.TWO_PHASE: ("two_phase", ("head_epochs", "fine_tune_epochs"), _RATES),
    PlanName.HEAD_ONLY: ("head_only", ("epochs",), ("learning_rate",)),
    PlanName.GRADUAL: ("gradual", ("head_epochs", "epochs"), _RATES),
    PlanName.LP_FT: ("lp_ft", ("probe_epochs", "epochs"), _PROBE_RATES),
    PlanName.FULL: ("full", ("epochs",), ("learning_rate",)),
}


def check_plan(values: Mapping[str, Any]) -> None:
    """Raises ConfigurationError where the options of a plan cannot be read."""
    if "plan" in values:
        _numbers(values["epochs"], int, "--epochs", 2)
        _numbers(values["learning_rate"], float, "--learning-rate", 2)


def make_plan(recipe: Any, values: Mapping[str, Any]) -> Any:
    """The plan that options describe; the recipe's settings stand where one is not given."""
    name = values["plan"]
    phases = 1 if name in (PlanName.HEAD_ONLY, PlanName.FULL) else 2
    counts = _numbers(values["epochs"], int, "--epochs", 2)
    if phases == 1 and len(counts) == 2:
        # Training in one go takes as long as two phases would.
        counts = [sum(counts)]
    rates = _numbers(values["learning_rate"], float, "--learning-rate", phases)
    settings = dict(recipe.plan_settings)
    usual = [
        [settings.pop(key, None) for key in ("head_epochs", "fine_tune_epochs")],
        [settings.pop(key, None) for key in ("head_learning_rate", "learning_rate")],
    ]
    if values["train_from"] is not None:
        if name is not PlanName.TWO_PHASE:
            raise kerastl.ConfigurationError("--train-from goes with --plan two-phase alone.")
        settings["train_from"] = stage_of(values["train_from"])
    function, *keys = _PLANS[name]
    if name is PlanName.FULL:
        usual = [usual[0][1:], usual[1][1:]]
        settings["batch_norm"] = recipe.is_random
    for given, defaults, names in zip((counts, rates), usual, keys, strict=True):
        chosen = [*given, *defaults[len(given) :]][: len(names)]
        settings |= {k: v for k, v in zip(names, chosen, strict=False) if v is not None}
    return getattr(kerastl, function)(**settings)


def stage_of(text: str) -> str | int:
    """A stage by its name, or by its number from the end, as in "-2"."""
    number = text.removeprefix("-")
    return -int(number) if text != number and number.isdigit() else text


def _numbers(text: str | None, number: type, option: str, most: int) -> list[Any]:
    if text is None:
        return []
    try:
        values = [number(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not 1 <= len(values) <= most:
        raise kerastl.ConfigurationError(
            f"{option} {text!r} cannot be read: give up to {most} numbers with commas between, "
            "one for each phase of the plan."
        )
    return values
