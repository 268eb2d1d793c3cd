"""Results of ``small_data.py``: scores of a cell, lines of a file, tables in Markdown."""

import dataclasses
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from text import table

BINS = 10
REFERENCES = {
    "images": ("sklearn", "keras", "v0.1.0"),
    "texts": ("tfidf", "sklearn", "v0.1.0", "trainer 3", "trainer 20"),
}
"""What every method is compared with."""


def scores(labels, probabilities):
    """Accuracy, log loss in nats, and the calibration error over ten bins of equal mass."""
    shares = np.asarray(probabilities, np.float64)
    shares = np.clip(shares / shares.sum(axis=1, keepdims=True), 1e-7, 1.0)
    right, sure = shares.argmax(axis=1) == labels, shares.max(axis=1)
    error = sum(
        abs(right[rows].mean() - sure[rows].mean()) * len(rows)
        for rows in np.array_split(np.argsort(sure, kind="stable"), BINS)
    )
    return {
        "accuracy": float(right.mean()),
        "log_loss": float(-np.log(shares[np.arange(len(labels)), labels]).mean()),
        "ece": float(error / len(labels)),
    }


def read_results(folder):
    """The lines that are whole."""
    file, rows = folder / "results.jsonl", []
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            print(f"Left out a line that was cut off: {line[:40]}", file=sys.stderr)
    return rows


def append_result(folder, row):
    with (folder / "results.jsonl").open("ab+") as handle:
        before = b""
        if handle.seek(0, os.SEEK_END):
            handle.seek(-1, os.SEEK_END)
            # A line that a kill cut off stays alone.
            before = b"" if handle.read(1) == b"\n" else b"\n"
        handle.write(before + json.dumps(row, default=float).encode() + b"\n")
        handle.flush()
        os.fsync(handle.fileno())


def key_of(row):
    """What a line is of."""
    fields = ("what", "backbone", "image_size", "set", "draw", "method")
    return tuple(row.get(field) for field in fields)


def print_tables(folder):
    groups: dict[tuple, dict] = {}
    for row in read_results(folder):
        # Of a cell that was run again, timed, the last line counts.
        groups.setdefault(key_of(row)[:3], {})[key_of(row)] = row
    for (what, backbone, size), rows in groups.items():
        on = "" if backbone is None else f", {backbone} at {size} px"
        print(f"## {what.capitalize()}{on}")
        Group(list(rows.values()), REFERENCES[what]).print()


@dataclasses.dataclass(frozen=True)
class Group:
    """Lines that can be compared."""

    rows: list[Mapping[str, Any]]
    references: tuple[str, ...]

    @property
    def methods(self):
        return list(dict.fromkeys(row["method"] for row in self.rows))

    @property
    def sets(self):
        return list(dict.fromkeys(row["set"] for row in self.rows))

    def others(self, method):
        return [name for name in self.references if name in self.methods and name != method]

    def cells(self, method, name, key):
        """Values of one set by draw."""
        rows = [row for row in self.rows if (row["method"], row["set"]) == (method, name)]
        return {row["draw"]: row[key] for row in rows}

    def mean(self, method, name, key):
        """Over the draws that there are; NaN of none."""
        found = list(self.cells(method, name, key).values())
        return np.mean(found) if found else np.nan

    def differences(self, method, other, key):
        """The mean difference in the draws that both have, by set."""
        found = {}
        for name in self.sets:
            one, two = (self.cells(m, name, key) for m in (method, other))
            both = [one[draw] - two[draw] for draw in one if draw in two]
            found |= {name: np.mean(both)} if both else {}
        return found

    def print(self):
        percent, plain = (lambda value: f"{100 * value:.1f}"), "{:.3f}".format
        titles = {"accuracy": ("Accuracy in %", percent), "log_loss": ("Log loss", plain),
                  "ece": ("Calibration error", plain)}  # fmt: skip
        for key, (title, form) in titles.items():
            means = np.array([[self.mean(m, s, key) for m in self.methods] for s in self.sets])
            body = [
                (
                    name,
                    *(self.shown(m, name, form(v)) for m, v in zip(self.methods, row, strict=True)),
                )
                for name, row in zip(self.sets, means, strict=True)
            ]
            whole = ["-" if np.isnan(value) else form(value) for value in means.mean(axis=0)]
            print(f"\n{title}, mean over draws (how many, where others have more):\n")
            print(table(("set", *self.methods), [*body, ("mean", *whole)]))
        print("\nDifferences in the same draws, mean over sets +- its standard error:\n")
        body = [row for m in self.methods for o in self.others(m) if (row := self.against(m, o))]
        heading = (
            "method",
            "compared with",
            "sets",
            "points",
            "log loss",
            "sets of lower log loss",
        )
        print(table(heading, body))
        print("\nThe set that is worst beside the best reference there; fit's own estimate:\n")
        heading = ("method", "points there", "estimate - test accuracy", "median s", "cells")
        print(table(heading, [self.alone(method) for method in self.methods]) + "\n")

    def shown(self, method, name, value):
        """A cell of a table, which says where draws are missing."""
        count = len(self.cells(method, name, "draw"))
        most = max(len(self.cells(m, name, "draw")) for m in self.methods)
        if count == 0:
            return "-"
        return value if count == most else f"{value} ({count})"

    def against(self, method, other):
        """A line on how a method differs from another; None where they share no draw."""
        gain, loss = (self.differences(method, other, key) for key in ("accuracy", "log_loss"))
        if not gain:
            return None
        better = sum(value < 0 for value in loss.values())
        points = with_error([100 * value for value in gain.values()], "{:+.1f}", "{:.1f}")
        nats = with_error(loss.values(), "{:+.3f}", "{:.3f}")
        return method, other, len(gain), points, nats, f"{better} of {len(loss)}"

    def alone(self, method):
        lead: dict[str, float] = {}
        for other in self.others(method):
            for name, value in self.differences(method, other, "accuracy").items():
                lead[name] = min(lead.get(name, np.inf), value)
        worst = min(lead, key=lead.__getitem__, default=None)
        rows = [row for row in self.rows if row["method"] == method]
        excess: dict[str, list[float]] = {}
        for row in rows:
            if "accuracy" in row.get("estimate", {}):
                by = 100 * (row["estimate"]["accuracy"] - row["accuracy"])
                excess.setdefault(row["set"], []).append(by)
        means = [np.mean(values) for values in excess.values()]
        seconds = [row["seconds"] for row in rows if row["seconds"] is not None]
        return (
            method,
            "-" if worst is None else f"{100 * lead[worst]:+.1f} ({worst})",
            with_error(means, "{:+.1f}", "{:.1f}") if means else "-",
            f"{np.median(seconds):.0f}" if seconds else "-",
            len(rows),
        )


def with_error(values, form, form_of_error):
    """The mean and its standard error, which one value has none of."""
    values = list(values)
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    told = "?" if np.isnan(error) else form_of_error.format(error)
    return f"{form.format(np.mean(values))} +- {told}"
