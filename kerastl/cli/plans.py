"""Plans as the command line names them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import kerastl


class PlanName(enum.StrEnum):
    """Plans by name."""

    TWO_PHASE = "two-phase"
    AUTO = "auto"
    HEAD_ONLY = "head-only"
    GRADUAL = "gradual"
    LP_FT = "lp-ft"
    FULL = "full"


def check_plan(values: Mapping[str, Any]) -> None:
    """Raises ConfigurationError where the options of a plan cannot be read."""
    if "plan" in values:
        _numbers(values["epochs"], int, "--epochs", 2)
        _numbers(values["learning_rate"], float, "--learning-rate", 2)


def make_plan(recipe: Any, values: Mapping[str, Any]) -> Any:
    """The plan that options describe; the recipe's settings stand where one is not given."""
    from kerastl.recipes.plans import plan_named

    name = values["plan"]
    phases = 1 if name in (PlanName.HEAD_ONLY, PlanName.FULL) else 2
    begun = values["train_from"]
    return plan_named(
        recipe,
        name.value,
        epochs=_numbers(values["epochs"], int, "--epochs", 2),
        learning_rates=_numbers(values["learning_rate"], float, "--learning-rate", phases),
        train_from=None if begun is None else stage_of(begun),
    )


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
