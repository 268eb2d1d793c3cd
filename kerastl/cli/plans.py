"""Plans as the command line names them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any

import kerastl


class PlanName(enum.StrEnum):
    """Plans by name."""

    TWO_PHASE = "two-phase"
    HEAD_ONLY = "head-only"
    GRADUAL = "gradual"
    LP_FT = "lp-ft"
    FULL = "full"


def make_plan(recipe: Any, values: Mapping[str, Any]) -> Any:
    """The plan that options describe.

    Args:
        recipe: whose settings stand where an option is not given.
        values: of the options ``plan``, ``epochs``, ``learning_rate`` and ``train_from``.

    Raises:
        ConfigurationError: a text that cannot be read, or an option of another plan.
    """
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
    function, keys = _plan_of(name)
    if name is PlanName.FULL:
        usual = [usual[0][1:], usual[1][1:]]
        settings["batch_norm"] = recipe.is_random
    for given, defaults, names in zip((counts, rates), usual, keys, strict=True):
        chosen = [*given, *defaults[len(given) :]][: len(names)]
        settings |= {k: v for k, v in zip(names, chosen, strict=False) if v is not None}
    return function(**settings)


def _plan_of(name: PlanName) -> tuple[Callable[..., Any], tuple[tuple[str, ...], ...]]:
    """The function that makes a plan, and what it calls the epochs and rates of its phases."""
    one = (("epochs",), ("learning_rate",))
    if name is PlanName.HEAD_ONLY:
        return kerastl.head_only, one
    if name is PlanName.FULL:
        return kerastl.full, one
    if name is PlanName.LP_FT:
        keys = (("probe_epochs", "epochs"), ("probe_learning_rate", "learning_rate"))
        return kerastl.lp_ft, keys
    rates = ("head_learning_rate", "learning_rate")
    if name is PlanName.GRADUAL:
        return kerastl.gradual, (("head_epochs", "epochs"), rates)
    return kerastl.two_phase, (("head_epochs", "fine_tune_epochs"), rates)


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
