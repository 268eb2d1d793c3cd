"""Checks that pages of a built site fetch nothing from elsewhere.

python tests/site.py site

Links that a reader may follow are no matter; scripts, styles, images, fonts and frames are.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

# The attribute that names what an element fetches. Links of these kinds fetch nothing.
FETCHED = {
    "script": ("src",), "img": ("src", "srcset"), "link": ("href",), "iframe": ("src",),
    "source": ("src", "srcset"), "video": ("src", "poster"), "audio": ("src",), "embed": ("src",),
    "object": ("data",), "use": ("href", "xlink:href"), "image": ("href", "xlink:href"),
}  # fmt: skip
NOT_FETCHED = {"canonical", "next", "prev", "alternate", "edit", "license", "author"}
ELSEWHERE = re.compile(r"(?:https?:)?//", re.IGNORECASE)
IN_STYLES = re.compile(
    r"(?:url\(\s*['\"]?|@import\s+['\"])((?:https?:)?//[^'\")\s]+)", re.IGNORECASE
)


class Page(HTMLParser):
    """Collects what a page fetches from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._style = False

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self._style = tag == "style"
        if tag == "link" and set((values.get("rel") or "").split()) & NOT_FETCHED:
            return
        for name in FETCHED.get(tag, ()):
            value = (values.get(name) or "").strip()
            if ELSEWHERE.match(value):
                self.found.append(f"<{tag} {name}={value!r}>")
        self.found += IN_STYLES.findall(values.get("style") or "")

    def handle_endtag(self, tag):
        self._style = self._style and tag != "style"

    def handle_data(self, data):
        if self._style:
            self.found += IN_STYLES.findall(data)


def fetched_from_elsewhere(folder: Path) -> dict[str, list[str]]:
    """What each file of a site fetches from elsewhere, where it does."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".html":
            page = Page()
            page.feed(path.read_text(encoding="utf-8"))
            hits = page.found
        elif path.suffix == ".css":
            hits = IN_STYLES.findall(path.read_text(encoding="utf-8"))
        else:
            continue
        if hits:
            found[str(path.relative_to(folder))] = hits
    return found


def main() -> int:
    """Prints what is fetched from elsewhere; returns 1 where anything is."""
    folder = Path(sys.argv[1])
    pages = len(list(folder.rglob("*.html")))
    found = fetched_from_elsewhere(folder)
    for path, hits in found.items():
        print(f"{path}: {', '.join(hits)}")
    print(f"{pages} pages, {len(found)} of them fetch something from elsewhere")
    return 1 if found or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
