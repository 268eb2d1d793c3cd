"""What ``kerastl fit`` tells in the end: classes, validation beside baselines, what to mend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kerastl.cli.figures import metrics_table

FEW = 5
"""Validation examples of a class below which its figures say little."""
IMBALANCE = 4.0
"""How many times the largest class may be the smallest before a hint is given."""
_MOST_CLASSES = 30


def summary_of(model: Any, class_weight: Any) -> dict[str, Any]:
    """What of a trained model is shown when its training ends, as JSON data."""
    evaluation = model.evidence.evaluation
    counts = model.provenance.get("class_counts", {})
    found: dict[str, Any] = {"intervals": {}, "baselines": {}, "notes": []}
    estimate = model.provenance.get("estimate")
    if evaluation is not None:
        whole = evaluation.as_dict()
        found = {key: whole[key] for key in found}
    hints = [*_imbalance(counts, class_weight), *_few(counts)]
    told = {} if estimate is None else {"estimate": estimate}
    return {**found, **told, "class_counts": counts, "hints": hints}


def _imbalance(counts: Mapping[str, Any], class_weight: Any) -> Iterator[str]:
    for classes in counts.get("train", {}).values():
        present = {name: count for name, count in classes.items() if count}
        if class_weight is not None or not present:
            continue
        most, least = max(present, key=present.__getitem__), min(present, key=present.__getitem__)
        if present[most] > IMBALANCE * present[least]:
            yield (
                f"{most!r} has {present[most]} training examples and {least!r} {present[least]}. "
                "--class-weight balanced weighs rare classes up."
            )


def _few(counts: Mapping[str, Any]) -> Iterator[str]:
    for part in ("validation", "held_out"):
        for classes in counts.get(part, {}).values():
            few = [f"{name!r} ({count})" for name, count in classes.items() if count < FEW]
            if few:
                yield (
                    f"Fewer than {FEW} {part.replace('_', '-')} examples: {', '.join(few)}. What "
                    "they say of such a class is mostly chance: add examples."
                )


def show_summary(result: Mapping[str, Any], console: Console) -> None:
    """Prints it."""
    for name in _outputs(result["class_counts"]):
        _show_counts(result["class_counts"], name, console)
    if result["metrics"]:
        table = metrics_table(result)
        kind = "Estimate" if result.get("estimate") else "Validation"
        table.title = f"{kind}, {result['metrics'].get('examples', '')} examples"
        console.print(table)
    for text in result["notes"]:
        console.print(f"note: {text}", highlight=False, markup=False)
    for text in result["hints"]:
        console.print(f"hint: {text}", highlight=False, markup=False)


def _outputs(counts: Mapping[str, Any]) -> list[str]:
    return list(counts.get("train", {}))


def _show_counts(counts: Mapping[str, Any], name: str, console: Console) -> None:
    parts = [part for part in counts if name in counts[part]]
    heads = [part.replace("_", " ") for part in parts]
    title = "Examples" if len(_outputs(counts)) == 1 else f"Examples of {escape(name)}"
    table = Table("class", *heads, title=title)
    classes = list(counts["train"][name])
    for label in classes[:_MOST_CLASSES]:
        table.add_row(escape(label), *(str(counts[part][name].get(label, 0)) for part in parts))
    if len(classes) > _MOST_CLASSES:
        table.caption = f"and {len(classes) - _MOST_CLASSES} more (--json has all)"
    console.print(table)
