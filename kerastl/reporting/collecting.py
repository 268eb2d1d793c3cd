"""What to collect next: classes that are rare, hard or uncertain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kerastl.evaluation import Evaluation, Row, Section

FEW_TRAINED, FEW_MEASURED = 20, 5
"""Training and measured examples of a class below which more are asked for."""
_OFTEN_WRONG = 0.3
_UNSURE = 0.6


def what_to_collect(evaluation: Evaluation, counts: Mapping[str, Any]) -> dict[str, Any]:
    """Of each output with classes the classes of which more examples are wanted, and why.

    Returns:
        By the outputs' names rows with ``class``, ``trained_on`` (None where it is not known),
        ``measured``, ``wrong``, ``unsure`` (right answers of little confidence) and ``reasons``,
        those with the most reasons first.
    """
    found = {}
    for name, section in evaluation.sections.items():
        trained = counts.get("train", {}).get(name, {})
        rows = [_wanted(section, label, trained.get(label)) for label in section.counts]
        wanted = [row for row in rows if row["reasons"]]
        wanted.sort(key=lambda row: (-len(row["reasons"]), -row["wrong"]))
        if section.counts:
            found[name] = wanted
    return found


def _wanted(section: Section, label: str, trained: int | None) -> dict[str, Any]:
    held = [row for row in section.rows if _has(row, label)]
    wrong = sum(_wrong(row, label) for row in held)
    unsure = sum(
        row.right is True and row.confidence is not None and row.confidence < _UNSURE
        for row in held
    )
    reasons = []
    if trained is not None and trained < FEW_TRAINED:
        reasons.append("few training examples")
    if len(held) < FEW_MEASURED:
        reasons.append("few measured examples")
    if held and wrong / len(held) > _OFTEN_WRONG:
        reasons.append("often wrong")
    if held and unsure / len(held) > _OFTEN_WRONG:
        reasons.append("often uncertain")
    return {
        "class": label,
        "trained_on": trained,
        "measured": len(held),
        "wrong": wrong,
        "unsure": unsure,
        "reasons": reasons,
    }


def _has(row: Row, label: str) -> bool:
    return label in row.label if isinstance(row.label, list | tuple) else row.label == label


def _wrong(row: Row, label: str) -> bool:
    """Whether this class was missed; of several labels others may have been wrong."""
    if isinstance(row.answer, list | tuple):
        return label not in row.answer
    return row.right is False
