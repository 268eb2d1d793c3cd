"""Plans by name, with the settings that a recipe has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kerastl import training
from kerastl.errors import ConfigurationError, did_you_mean
from kerastl.training import Plan

if TYPE_CHECKING:
    from kerastl.recipes.recipe import Recipe

_RATES = ("head_learning_rate", "learning_rate")
_PROBE_RATES = ("probe_learning_rate", "learning_rate")
# What each plan calls the epochs and the rates of its phases.
_PLANS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "two_phase": (("head_epochs", "fine_tune_epochs"), _RATES),
    "auto": (("head_epochs", "fine_tune_epochs"), _RATES),
    "head_only": (("epochs",), ("learning_rate",)),
    "gradual": (("head_epochs", "epochs"), _RATES),
    "lp_ft": (("probe_epochs", "epochs"), _PROBE_RATES),
    "full": (("epochs",), ("learning_rate",)),
}


def plan_named(
    recipe: Recipe[Any],
    name: str,
    *,
    epochs: Sequence[int] = (),
    learning_rates: Sequence[float] = (),
    train_from: str | int | None = None,
) -> Plan:
    """A plan by name; the recipe's settings stand where none are given.

    ``"auto"`` is ``two_phase`` whose fine-tuning is left out where it is not shown to help.

    Args:
        recipe: with ``plan_settings``.
        name: as ``"two_phase"`` or ``"two-phase"``.
        epochs: of its phases, or a single number for the last one: the head before it is solved
            then. A plan of one phase takes the sum.
        learning_rates: of its phases, likewise.
        train_from: the stage from which ``two_phase`` and ``auto`` fine-tune.

    Raises:
        ConfigurationError: there is no plan of that name, or a setting is not for it.
    """
    known = name.replace("-", "_")
    if known not in _PLANS:
        raise ConfigurationError(
            f"There is no plan {name!r}.{did_you_mean(known, list(_PLANS))} The names are: "
            f"{', '.join(_PLANS)}. Or give the phases: kerastl.two_phase(...), "
            "(kerastl.Phase(...), ...)."
        )
    keys = _PLANS[known]
    counts = list(epochs)
    if len(keys[0]) == 1 and len(counts) == 2:
        # Training in one go takes as long as two phases would.
        counts = [sum(counts)]
    settings = dict(recipe.plan_settings)
    usual = [
        [None, settings.pop("fine_tune_epochs", None)],
        [None, settings.pop("learning_rate", None)],
    ]
    if counts:
        settings.pop("least_steps", None)
    if train_from is not None:
        if known not in ("two_phase", "auto"):
            raise ConfigurationError(
                "train_from (--train-from) goes with the plan two_phase (--plan two-phase) alone."
            )
        settings["train_from"] = train_from
    if known == "full":
        usual = [usual[0][1:], usual[1][1:]]
        settings["batch_norm"] = recipe.is_random
        settings.pop("probe", None)
    for given, defaults, names in zip((counts, learning_rates), usual, keys, strict=True):
        # A single number is of the phase that trains after the head was solved.
        own = [None] * (len(names) - len(given)) + list(given)
        pairs = zip(names, own, defaults, strict=False)
        chosen = {name: usual if value is None else value for name, value, usual in pairs}
        settings |= {name: value for name, value in chosen.items() if value is not None}
    if known == "head_only" and not (counts or learning_rates):
        # Settings of phases that train are not of a head that is solved.
        settings = {name: value for name, value in settings.items() if name == "probe"}
    if known == "auto":
        known, settings["optional"] = "two_phase", True
    plan: Plan = getattr(training, known)(**settings)
    return plan
