"""``kerastl benchmark``: size, speed, memory and accuracy of a bundle's files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from kerastl.cli import output
from kerastl.cli.output import Json, Trusted


def benchmark(
    bundle: Annotated[Path, typer.Argument(help="A bundle.")],
    data: Annotated[
        str | None, typer.Option(help="Labelled images, as for fit: adds the accuracy.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Part of a divided folder: train, validation or test.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads of the runtimes; default: one for each core.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the table to this file, as Markdown.")
    ] = None,
    trusted: Trusted = False,
    as_json: Json = False,
) -> None:
    """Measure each file of a bundle on this machine, in a process of its own."""

    def work() -> dict[str, Any]:
        from kerastl.errors import ConfigurationError
        from kerastl.exporting import benchmark as run
        from kerastl.exporting.benchmarking import as_markdown
        from kerastl.files import atomic_file

        if markdown is not None and not markdown.resolve().parent.is_dir():
            raise ConfigurationError(
                f"--markdown {markdown}: there is no folder {markdown.resolve().parent}."
            )
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        result = run(
            bundle,
            data,
            split=split,
            threads=threads,
            trusted=trusted,
            progress=lambda line: console.print(line, markup=False),
        )
        if markdown is not None:
            with atomic_file(markdown) as temporary:
                temporary.write_text(as_markdown(result), encoding="utf-8")
        return result

    output.run(work, _show, as_json=as_json)


def _show(result: dict[str, Any], console: Console) -> None:
    title = (
        f"{result['threads']} threads on {result['cores']} cores; s to load, ms a batch (95 %), MB"
    )
    # Seven columns, two of them of two figures, in 80 characters.
    table = Table(title=title, padding=(0, 1, 0, 0))
    for heading in ("file", "MB", "load", "batch 1", "batch 32", "peak", "correct"):
        table.add_column(heading, no_wrap=True)
    for artifact in result["artifacts"]:
        accuracy, peak = artifact["accuracy"], artifact["peak_memory_bytes"]
        table.add_row(
            artifact["path"],
            f"{artifact['bytes'] / 1e6:.1f}",
            f"{artifact['load_seconds']:.2f}",
            *(_latency(artifact["latency"][size]) for size in ("1", "32")),
            "-" if peak is None else f"{peak / 1e6:.0f}",
            "-" if accuracy is None else f"{accuracy:.3f}",
        )
    console.print(table)


def _latency(figures: dict[str, float]) -> str:
    digits = 1 if figures["median_ms"] < 100 else 0
    return f"{figures['median_ms']:.{digits}f} ({figures['p95_ms']:.{digits}f})"
