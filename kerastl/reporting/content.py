"""What a report says, as JSON data: the page shows these numbers and no others."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import kerastl
from kerastl.evaluation import Evaluation, Row, Section
from kerastl.reporting.collecting import what_to_collect
from kerastl.reporting.facts import Facts

SCHEMA = "report_schema"
_VERSION = 1
# Examples that the page shows of one output; the JSON has all.
MOST_WRONG, MOST_UNCERTAIN, MOST_ERRORS = 300, 12, 24


def content_of(
    facts: Facts,
    evaluation: Evaluation | None,
    *,
    source: str | None,
    latency: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Puts a report together.

    Args:
        facts: of the model.
        evaluation: of data that were given, or of the validation examples; None where neither is
            there.
        source: what the data are called; None where they are the run's validation examples.
        latency: of files, by their paths.
    """
    whole = None if evaluation is None else evaluation.as_dict(top=None)
    if whole is not None:
        for section in whole["outputs"].values():
            section["uncertain"] = section["uncertain"][:MOST_UNCERTAIN]
    notes = [] if evaluation is None else list(evaluation.notes)
    if evaluation is None:
        notes.append(
            f"This {facts.kind} was reported on without data, and keeps no answers to single "
            "examples: give labelled data to see its mistakes."
        )
    return {
        SCHEMA: _VERSION,
        "kerastl": kerastl.__version__,
        "created": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "model": {
            "kind": facts.kind,
            "name": facts.name,
            "task": facts.task.name,
            "title": facts.task.first.title(facts.input.noun),
            "noun": facts.input.noun,
            "nouns": facts.input.nouns,
        },
        "data": source,
        "estimate": facts.estimate,
        "metrics": dict(facts.metrics),
        "verdicts": [] if whole is None else _verdicts(whole),
        "evaluation": whole,
        "counts": {part: dict(found) for part, found in facts.counts.items()},
        "phases": list(facts.phases),
        "files": [{**row, **latency.get(row["path"], {})} for row in facts.files],
        "origin": dict(facts.origin),
        "collect": {} if evaluation is None else what_to_collect(evaluation, facts.counts),
        "notes": notes,
    }


def shown_rows(section: Section) -> list[Row]:
    """The examples that a page shows of one output: wrong ones, then the least certain."""
    wrong = section.mistakes(most_shown(section.rows))
    return [*wrong, *section.uncertain(MOST_UNCERTAIN)]


def most_shown(rows: Any) -> int:
    """How many wrong answers a page shows: of numbers, all of which are a little off, few."""
    told = any(_of(row, "right") is not None for row in rows)
    return MOST_WRONG if told else MOST_ERRORS


def _of(row: Any, key: str) -> Any:
    return row[key] if isinstance(row, Mapping) else getattr(row, key)


def _verdicts(whole: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of each output the metric that counts, with its interval, and what baselines reach."""
    several = len(whole["outputs"]) > 1
    found = []
    for name, section in whole["outputs"].items():
        metric = f"{name}/{section['metric']}" if several else section["metric"]
        pair = whole["intervals"].get(metric)
        baselines = [
            {
                "title": row["title"],
                "value": row["metrics"][metric],
                "interval": row["intervals"].get(metric),
                "difference": row["differences"].get(metric),
            }
            for row in whole["baselines"].values()
            if metric in row["metrics"]
        ]
        found.append(
            {
                "output": name,
                "metric": section["metric"],
                "value": whole["metrics"].get(metric),
                "interval": pair,
                "examples": len(section["rows"]),
                "wrong": sum(row["right"] is False for row in section["rows"]),
                "told": any(row["right"] is not None for row in section["rows"]),
                "lower_is_better": section["lower_is_better"],
                "baselines": baselines,
                "conclusion": _conclusion(baselines, section["lower_is_better"]),
            }
        )
    return found


def _conclusion(baselines: list[dict[str, Any]], lower: bool) -> str | None:
    """How the model stands to its baselines, by the paired differences."""
    pairs = [row["difference"] for row in baselines]
    if not pairs or None in pairs:
        return None
    signed = [sorted(-value if lower else value for value in pair) for pair in pairs]
    if all(low > 0 for low, _ in signed):
        return "better"
    return "worse" if any(high < 0 for _, high in signed) else "unclear"
