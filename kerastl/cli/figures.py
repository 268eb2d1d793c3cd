"""Evaluations on a terminal: metrics beside baselines, tables, and the worst answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

# Wider matrices, and longer tables, are in --json alone.
_MOST_CLASSES, _MOST_ROWS = 12, 30
# What would leave no room for the columns beside it: the expected calibration error.
_SHORT = {"calibration_error": "ECE"}


def show_evaluation(result: Mapping[str, Any], console: Console) -> None:
    """Prints an evaluation, as ``Evaluation.as_dict`` gives it."""
    console.print(metrics_table(result))
    several = len(result["outputs"]) > 1
    for name, section in result["outputs"].items():
        if several:
            console.print(f"\n[bold]{escape(name)}[/]")
        show_section(section, console)
    for note in result["notes"]:
        console.print(f"note: {note}", highlight=False, markup=False)


def metrics_table(result: Mapping[str, Any]) -> Table:
    """Metrics with their intervals, and those of the baselines beside them."""
    table = Table("metric", "value", "95 % interval", title="Metrics")
    for baseline in result["baselines"].values():
        table.add_column(escape(baseline["title"]))
    for name, value in result["metrics"].items():
        if name.endswith(("_low", "_high")):
            # They are the interval of accuracy, which stands beside it.
            continue
        others = [found["metrics"].get(name) for found in result["baselines"].values()]
        cells = (_SHORT.get(name, name), figure(value), interval(result["intervals"].get(name)))
        table.add_row(*cells, *map(figure, others))
    return table


def show_section(section: Mapping[str, Any], console: Console) -> None:
    """Prints what is told of one output."""
    for part in section["tables"].values():
        console.print(_table(part["title"], part["rows"]))
    confusion = section["confusion"]
    if confusion is not None and len(confusion["classes"]) <= _MOST_CLASSES:
        console.print(_matrix(confusion))
    if section["figures"]:
        found = ", ".join(f"{words(k)} {figure(v)}" for k, v in section["figures"].items())
        console.print(found, highlight=False)
    for title, key in (("Worst answers", "mistakes"), ("Least certain answers", "uncertain")):
        if section[key]:
            console.print(f"\n{title}")
        for row in section[key]:
            # Lines, since a table would cut paths.
            console.print(_line(row), highlight=False, markup=False)


def figure(value: Any) -> str:
    """A value of a table."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 1000 else f"{value:.6g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def interval(pair: Sequence[float] | None) -> str:
    """An interval of a table."""
    return "-" if pair is None else f"{figure(pair[0])} to {figure(pair[1])}"


def words(name: str) -> str:
    """A key as words."""
    return name.replace("_", " ")


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    more = len(rows) - _MOST_ROWS
    caption = f"and {more} more (--json has all)" if more > 0 else None
    table = Table(*map(words, rows[0] if rows else ()), title=title, caption=caption)
    for row in rows[:_MOST_ROWS]:
        table.add_row(*(escape(figure(value)) for value in row.values()))
    return table


def _matrix(confusion: Mapping[str, Any]) -> Table:
    classes = [escape(name) for name in confusion["classes"]]
    table = Table("true", *classes, title="Answers by true class")
    for name, row in zip(classes, confusion["matrix"], strict=True):
        table.add_row(name, *(str(count or "") for count in row))
    return table


def _line(row: Mapping[str, Any]) -> str:
    told = {"confidence": row["confidence"], "error": row["error"]}
    found = ", ".join(f"{key} {figure(value)}" for key, value in told.items() if value is not None)
    shown = "" if row["text"] is None else f"  {row['text']}"
    answer = f"{figure(row['answer'])} (true: {figure(row['label'])}; {found})"
    return f"  {row['path'] or row['name']}  {answer}{shown}"
