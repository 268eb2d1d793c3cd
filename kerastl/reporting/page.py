"""The page: a template filled with a report's content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerastl.optional import require
from kerastl.reporting.content import MOST_UNCERTAIN, most_shown
from kerastl.reporting.drawing import Drawing

_TEMPLATES = Path(__file__).parent / "templates"
# Wider matrices are in the JSON alone: the pairs that are confused most often say what matters.
MOST_CLASSES = 25


def page_of(content: Mapping[str, Any], thumbnails: Mapping[str, str]) -> str:
    """A report's content as one page of HTML that asks for nothing else.

    Args:
        content: as ``content_of`` gives it.
        thumbnails: pictures of examples, as ``data:`` addresses by name.
    """
    jinja2 = require("jinja2", extra="report", purpose="Writing a report")
    drawing = Drawing()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    numbers = _Numbers(content)
    environment.globals.update(
        num=numbers.shown,
        at=pointer,
        draw=drawing,
        most_shown=most_shown,
        MOST_CLASSES=MOST_CLASSES,
        MOST_UNCERTAIN=MOST_UNCERTAIN,
    )
    environment.filters.update(words=words, told=told)
    page: str = environment.get_template("page.html").render(
        **content, thumbnails=thumbnails, numbers=content
    )
    return page


class _Numbers:
    """Shows the content's numbers with the place where each stands, as a JSON pointer."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self._safe = require("markupsafe", extra="report", purpose="Writing a report").Markup

    def shown(self, place: str) -> Any:
        """The number at a place, as ``<data value="0.62781" data-at="/metrics/accuracy">``."""
        value = resolve(self._content, place)
        if value is None:
            return "–"
        if not isinstance(value, int | float) or isinstance(value, bool):
            return told(value)
        return self._safe('<data value="{}" data-at="{}">{}</data>').format(
            repr(value), place, figure(value)
        )


def pointer(*keys: Any) -> str:
    """A JSON pointer (RFC 6901) of keys and positions."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def resolve(content: Any, place: str) -> Any:
    """What stands at a JSON pointer."""
    for part in place.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        content = content[int(key)] if isinstance(content, list | tuple) else content[key]
    return content


def figure(value: float) -> str:
    """A number for people: three decimals, or three digits where that would show nothing."""
    if isinstance(value, int):
        return f"{value:,}"
    if value and (abs(value) < 0.001 or abs(value) >= 1e6):
        return f"{value:.2e}"
    return f"{value:,.3f}" if abs(value) < 1000 else f"{value:,.1f}"


def words(name: str) -> str:
    """A key as words."""
    return str(name).replace("_", " ")


def told(value: Any) -> str:
    """A label or an answer: lists with commas, and numbers shortened."""
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return figure(value) if isinstance(value, float) else str(value)
