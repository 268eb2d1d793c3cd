"""Reads a report's page as a browser would see it, and holds it against its JSON."""

import html.parser
import itertools
import json
import re

from kerastl.reporting.page import resolve

VOID = {"meta", "link", "img", "br", "line", "circle", "rect", "polyline"}


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.data, self.headings, self.texts = [], [], [], []
        self._open = []
        self.feed(text)
        self.close()
        assert self._open == [], f"not closed: {self._open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "data":
            self.data.append([dict(attributes), ""])

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, text):
        if self._open and self._open[-1] == "data":
            self.data[-1][1] += text
        if self._open and re.fullmatch("h[1-6]", self._open[-1]):
            self.headings.append((int(self._open[-1][1]), text))
        if not {"style", "script"} & set(self._open):
            self.texts.append(text)

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def checked(path):
    """The page and the JSON of a report, after all that holds of every report was checked."""
    page, content = Page(path.read_text(encoding="utf-8")), read(path)
    for attributes, shown in page.data:
        value = resolve(content, attributes["data-at"])
        assert repr(value) == attributes["value"]
        if isinstance(value, int):
            assert shown.replace(",", "") == str(value)
        else:
            assert abs(float(shown.replace(",", "")) - value) <= max(0.0006, 0.006 * abs(value))
    assert page.data
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "srcset", "action", "data", "poster"):
                assert value.startswith("data:")
    assert not page.of("script")
    assert all(attributes["alt"] for attributes in page.of("img"))
    assert len(page.of("svg")) == sum(attrs.get("role") == "img" for attrs in page.of("svg"))
    assert len([tag for tag, _ in page.tags if tag == "title"]) == len(page.of("svg")) + 1
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert [text for level, text in page.headings if level == 2] == [
        "Verdict",
        *(["Mistakes", "What is confused"] if content["evaluation"] else []),
        *("Classes and figures", "Training", "Calibration and coverage", "Files"),
        *("Provenance and licences", "What to collect next"),
    ]
    return page, content


def read(path):
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
