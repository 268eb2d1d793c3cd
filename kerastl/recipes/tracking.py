"""What an experiment tracker is told of a recipe's run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerastl.errors import KerastlError
from kerastl.files import read_json, write_json
from kerastl.model import TrainedModel
from kerastl.provenance import versions
from kerastl.recipes.settings import to_json
from kerastl.training import State, TrackedRun, Tracker, tell_again

if TYPE_CHECKING:
    from kerastl.recipes.recipe import Recipe

# In the run directory: the run's identifier by the name of the tracker.
FILE = "tracking.json"
REPORT = "report.html"
_DOCUMENTS = ("recipe.json", "metrics.json")
_ORIGIN = ("data_fingerprint", "validation_fingerprint", "weights_sha256")


def begin(
    tracker: Tracker | None, run: TrackedRun, out: Path | None, *, resume: bool, state: State | None
) -> None:
    """Begins a tracked run, or takes up the one that a run directory remembers.

    ``state`` is where an interrupted run stood.
    """
    if tracker is None:
        return
    known = _identifiers(out) if out is not None and resume else {}
    identifier = tracker.start(run, known.get(tracker.name))
    if out is not None:
        write_json(out / FILE, {**known, tracker.name: identifier})
    if state is not None:
        tell_again(tracker, state)


def finish(tracker: Tracker | None, model: TrainedModel, out: Path | None) -> None:
    """Ends a tracked run."""
    if tracker is not None:
        files = [] if out is None else [out / name for name in _DOCUMENTS]
        tracker.finish(model.metrics, files)


def track_again(tracker: Tracker | None, run: TrackedRun, model: TrainedModel, out: Path) -> None:
    """Tracks a run that was trained before, and its report where there is one."""
    if tracker is not None:
        state = State("", len(model.history), records=[dict(record) for record in model.history])
        begin(tracker, run, out, resume=True, state=state)
        files = [out / name for name in (*_DOCUMENTS, REPORT)]
        tracker.finish(model.metrics, [file for file in files if file.is_file()])


def describe(
    recipe: Recipe[Any], seed: int, origin: Mapping[str, Any], out: Path | None
) -> TrackedRun:
    """A recipe's run; ``origin`` says among other things what the data and weights are."""
    known = {name: origin[name] for name in _ORIGIN if origin.get(name) is not None}
    settings = {**recipe.get_config(), "plan": to_json(recipe.resolved_plan)}
    return TrackedRun(
        name=recipe.NAME if out is None else out.resolve().name,
        parameters={**_flat(settings), "seed": seed, **known},
        tags={
            "kerastl.version": versions()["kerastl"],
            "kerastl.recipe": recipe.NAME,
            "kerastl.backbone": str(recipe.record.name),
        },
    )


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested settings as one level; parts of lists count from 1, and what is None is left out."""
    if isinstance(value, Mapping):
        parts = list(value.items())
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        parts = [(str(index), item) for index, item in enumerate(value, start=1)]
    else:
        return {} if value is None else {name: value}
    found: dict[str, Any] = {}
    for key, item in parts:
        found |= _flat(item, f"{name}.{key}" if name else str(key))
    return found


def _identifiers(out: Path) -> dict[str, str]:
    try:
        return dict(read_json(out / FILE))
    except (OSError, KerastlError, TypeError, ValueError):
        # A run that was not tracked before.
        return {}
