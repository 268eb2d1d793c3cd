"""``kerastl cache``: what is kept of frozen parts, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from kerastl.cli import output
from kerastl.cli.options import Json
from kerastl.errors import counted

cache_app = typer.Typer(no_args_is_help=True, help="List and clear cached activations.")

Folder = Annotated[
    Path | None, typer.Option(help="The cache's folder; default: KERASTL_CACHE or your own cache.")
]


def _cache(folder: Path | None) -> Any:
    from kerastl.training import ActivationCache, default_folder

    return ActivationCache(folder or default_folder())


@cache_app.command("list")
def list_entries(folder: Folder = None, as_json: Json = False) -> None:
    """List the entries, the one used last first."""

    def work() -> dict[str, Any]:
        cache = _cache(folder)
        return {"folder": str(cache.folder), "limit": cache.limit, "entries": cache.list()}

    def show(result: dict[str, Any], console: Console) -> None:
        from kerastl.training.cache import age, size_text

        headings = ("key", "data", "examples", "backbone", "cut", "view", "run", "size", "used")
        table = Table(*headings, title=result["folder"])
        for row in result["entries"]:
            table.add_row(
                row["key"][:8],
                _last_parts(row.get("data")),
                f"{row['shape'][0]:,}",
                row.get("backbone") or "-",
                str(row.get("cut")),
                str(row.get("view")),
                _last_parts(row.get("run")),
                size_text(row["bytes"]),
                age(row["used"]),
            )
        console.print(table)
        total = sum(row["bytes"] for row in result["entries"])
        console.print(
            f"{counted(len(result['entries']), 'entry', 'entries')}, {size_text(total)} of at most "
            f"{size_text(result['limit'])}; --json gives whole paths and shapes",
            highlight=False,
        )

    output.run(work, show, as_json=as_json, with_keras=False)


def _last_parts(path: str | None) -> str:
    """The end of a path, which tells it from others in a narrow column."""
    return "/".join(Path(path).parts[-2:]).lstrip("/") if path else "-"


def _show_freed(result: dict[str, Any], console: Console) -> None:
    from kerastl.training.cache import size_text

    console.print(f"{size_text(result['freed'])} freed", highlight=False)


@cache_app.command("clear")
def clear_entries(folder: Folder = None, as_json: Json = False) -> None:
    """Remove all entries that no process is filling."""
    output.run(
        lambda: {"freed": _cache(folder).clear()},
        _show_freed,
        as_json=as_json,
        with_keras=False,
    )
