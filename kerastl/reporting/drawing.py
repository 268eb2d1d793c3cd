"""Drawings as inline SVG: curves and bars, in the colours of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerastl.optional import require

_WIDTH, _HEIGHT = 360, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 22, 34
_ROW, _NAME = 22, 120
_MOST_BARS = 40
_MOST_LETTERS = 18
_MIDDLE = '<text class="tick" text-anchor="middle" x="{}" y="{}">{}</text>'


class Drawing:
    """Draws; text is escaped, since names of classes are the user's."""

    def __init__(self) -> None:
        self._safe = require("markupsafe", extra="report", purpose="Writing a report").Markup

    def training(self, phases: Sequence[Mapping[str, Any]], key: str) -> Any:
        """A metric of each epoch, of training and of validation, phase after phase.

        A line marks where a phase begins: the freeze boundary moves there.
        """
        epochs = 0
        lines: dict[str, list[tuple[float, float]]] = {"training": [], "validation": []}
        marks = []
        for phase in phases:
            history = phase["history"]
            name = phase["score"] if key == "score" else key
            length = max((len(values) for values in history.values()), default=0)
            if epochs and length:
                marks.append((epochs + 0.5, f"{phase['name']}"))
            for line, column in (("training", name), ("validation", f"val_{name}")):
                places = range(epochs + 1, epochs + 1 + length)
                lines[line] += list(zip(places, history.get(column, ()), strict=False))
            epochs += length
        drawn = {name: points for name, points in lines.items() if points}
        if not drawn:
            return ""
        title = f"{phases[0]['score'] if key == 'score' else key} by epoch".replace("_", " ")
        return self._curves(title, drawn, "epoch", marks=marks, whole=True)

    def chart(self, table: Mapping[str, Any]) -> Any:
        """The drawing that a table asks for; nothing where it asks for none."""
        rows = table["rows"]
        if table["chart"] is None or not rows:
            return ""
        how, x, y = table["chart"]
        told = [row for row in rows if row[y] is not None]
        if how == "bars":
            return self._bars(table["title"], [(shown(row[x]), row[y]) for row in told], y)
        points = sorted((row[x], row[y]) for row in told)
        ideal = {"ideal": [(0.0, 0.0), (1.0, 1.0)]} if how == "reliability" else {}
        return self._curves(table["title"], {y: points, **ideal}, x, share=True) if points else ""

    def _bars(self, title: str, rows: Sequence[tuple[str, float]], name: str) -> Any:
        rows = rows[:_MOST_BARS]
        most = max([abs(value) for _, value in rows] + [1e-12])
        # Shares are drawn as shares of the whole.
        most = 1.0 if 0.2 <= most <= 1 else most
        height, room = _ROW * len(rows) + 8, _WIDTH - _NAME - 14
        parts = [
            self._safe('<text class="name" x="{}" y="{}">{}</text>').format(
                _NAME - 6, _ROW * i + 17, _short(label)
            )
            + self._safe('<rect class="bar" x="{}" y="{}" width="{}" height="14"/>').format(
                _NAME, _ROW * i + 6, round(room * abs(value) / most, 1)
            )
            for i, (label, value) in enumerate(rows)
        ]
        return self._svg(f"{title}: {name.replace('_', ' ')}", height, parts)

    def _curves(
        self,
        title: str,
        lines: Mapping[str, Sequence[tuple[float, float]]],
        x_name: str,
        *,
        marks: Sequence[tuple[float, str]] = (),
        share: bool = False,
        whole: bool = False,
    ) -> Any:
        """Lines through points; ``share``: both axes go from 0 to 1; ``whole``: x counts."""
        points = np.array([point for line in lines.values() for point in line], dtype=float)
        points = points[np.isfinite(points).all(axis=1)]
        if not len(points):
            return ""
        low, high = points.min(axis=0), points.max(axis=0)
        if share and low.min() >= 0 and high.max() <= 1:
            low, high = np.zeros(2), np.ones(2)
        low[1] = min(low[1], 0.0)
        high = np.where(high > low, high, low + 1)
        area = np.array([_WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM])

        def place(x: float, y: float) -> tuple[float, float]:
            part = (np.array([x, y]) - low) / (high - low) * area
            return round(_LEFT + float(part[0]), 1), round(_HEIGHT - _BOTTOM - float(part[1]), 1)

        parts = self._axes(low, high, place, x_name, whole)
        for x, label in marks:
            edge, _ = place(x, low[1])
            # The name stands where there is room for it.
            late = edge > _WIDTH / 2
            parts.append(
                self._safe(
                    '<line class="mark" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>'
                    '<text class="{3}" x="{4}" y="{5}">{6}</text>'
                ).format(
                    edge,
                    _TOP,
                    _HEIGHT - _BOTTOM,
                    "name" if late else "tick",
                    edge + (-3 if late else 3),
                    _HEIGHT - _BOTTOM - 6,
                    _short(label),
                )
            )
        for number, (name, line) in enumerate(lines.items()):
            path = [place(x, y) for x, y in line if np.isfinite((x, y)).all()]
            at = " ".join(f"{x},{y}" for x, y in path)
            parts.append(
                self._safe('<polyline class="line line{}" points="{}"/>').format(number, at)
            )
            parts += [
                self._safe('<circle class="dot dot{}" cx="{}" cy="{}" r="3"/>').format(number, *p)
                for p in path
            ]
            if len(lines) > 1:
                parts.append(
                    self._safe('<text class="key key{}" x="{}" y="{}">{}</text>').format(
                        number, _WIDTH - _RIGHT - 90 * number, 10, name
                    )
                )
        return self._svg(title, _HEIGHT, parts)

    def _axes(self, low: Any, high: Any, place: Any, x_name: str, whole: bool) -> list[Any]:
        parts = []
        for share in (0.0, 0.5, 1.0):
            value = low + share * (high - low)
            _, y = place(low[0], value[1])
            parts.append(
                self._safe(
                    '<line class="grid" x1="{}" x2="{}" y1="{y}" y2="{y}"/>'
                    '<text class="name" x="{}" y="{}">{}</text>'
                ).format(_LEFT, _WIDTH - _RIGHT, _LEFT - 6, y + 4, f"{value[1]:.3g}", y=y)
            )
            if whole and share == 0.5:
                continue
            x, _ = place(value[0], low[1])
            parts.append(
                self._safe(
                    '<text class="tick" text-anchor="middle" x="{}" y="{}">{}</text>'
                ).format(x, _HEIGHT - 18, f"{value[0]:.3g}")
            )
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        parts.append(
            self._safe('<text class="tick" text-anchor="middle" x="{}" y="{}">{}</text>').format(
                middle, _HEIGHT - 4, x_name.replace("_", " ")
            )
        )
        return parts

    def _svg(self, title: str, height: float, parts: Sequence[Any]) -> Any:
        return self._safe(
            '<svg viewBox="0 0 {} {}" role="img" aria-label="{title}"><title>{title}</title>'
            "{}</svg>"
        ).format(_WIDTH, height, self._safe("").join(parts), title=title)


def shown(value: Any) -> str:
    """A label or a number beside a bar."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _short(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"
