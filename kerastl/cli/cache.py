"""``kerastl cache``: what is kept of frozen parts, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from kerastl.cli import output
from kerastl.cli.options import Json

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
        from kerastl.training.cache import age

        table = Table("key", "cut", "view", "shape", "size", "used", title=result["folder"])
        for row in result["entries"]:
            table.add_row(
                row["key"][:8],
                str(row.get("cut")),
                str(row.get("view")),
                " x ".join(str(size) for size in row["shape"]),
                f"{row['bytes'] / 1e6:.1f} MB",
                age(row["used"]),
            )
        console.print(table)
        total = sum(row["bytes"] for row in result["entries"])
        console.print(
            f"{total / 1e6:.1f} MB of at most {result['limit'] / 1e9:.0f} GB", highlight=False
        )

    output.run(work, show, as_json=as_json, with_keras=False)


@cache_app.command("clear")
def clear_entries(folder: Folder = None, as_json: Json = False) -> None:
    """Remove all entries that no process is filling."""
    output.run(
        lambda: {"freed": _cache(folder).clear()},
        lambda result, console: console.print(f"{result['freed'] / 1e6:.1f} MB freed"),
        as_json=as_json,
        with_keras=False,
    )
