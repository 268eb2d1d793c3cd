"""``kerastl benchmark``: size, speed, memory and accuracy of a bundle's files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import kerastl
from kerastl.cli import early, output
from kerastl.cli.modules import import_all
from kerastl.cli.options import DATA, IMPORTS, SPLIT, Trusted, command, data_options, row, text
from kerastl.errors import counted


def _benchmark(**values: Any) -> None:
    markdown, data = values["markdown"], values["data"]

    def work() -> dict[str, Any]:
        from kerastl.bundles import benchmark as run
        from kerastl.bundles.benchmarking import as_markdown
        from kerastl.files import atomic_file

        import_all(values["imports"])
        options = {} if data is None else data_options(values)
        options |= {name: values[name] for name in ("split", "threads", "trusted")}
        result = run(values["bundle"], data, **options, progress=output.say)
        if markdown is not None:
            with atomic_file(markdown) as temporary:
                temporary.write_text(as_markdown(result), encoding="utf-8")
        return result

    def check() -> None:
        early.check_bundle(values["bundle"])
        early.check_data(data)
        if markdown is not None and not markdown.resolve().parent.is_dir():
            raise kerastl.ConfigurationError(
                f"--markdown {markdown}: there is no folder {markdown.resolve().parent}."
            )

    output.run(work, _show, as_json=values["as_json"], check=check)


benchmark = command(
    _benchmark,
    doc="Measure each file of a bundle on this machine, in a process of its own.",
    arguments={
        "bundle": Annotated[
            Path, typer.Argument(metavar="BUNDLE", help="A bundle, written by export.")
        ]
    },
    rows=[
        ("data", text("Labelled data, as for fit: the table then shows how good each file is.")),
        ("split", SPLIT),
        *DATA.items(),
        ("threads", row(int | None, None, "Threads for each runtime; default: one for each core.")),
        ("markdown", row(Path | None, None, "Also write the table to this file, as Markdown.")),
        ("trusted", (Trusted, False)),
        ("imports", IMPORTS),
    ],
)


def _show(result: dict[str, Any], console: Console) -> None:
    title = (
        f"{counted(result['threads'], 'thread')} on {counted(result['cores'], 'core')}; "
        "s to load, ms per batch (95 %), MB"
    )
    # Seven columns, two of them of two figures, in 80 characters.
    table = Table(title=title, padding=(0, 1, 0, 0))
    metric = result["metric"]
    # Wider names would not fit.
    heading = {"accuracy": "correct", "precision_at_1": "p@1"}.get(metric, metric.replace("_", " "))
    for title in ("file", "MB", "load", "batch 1", "batch 32", "peak", heading):
        table.add_column(title, no_wrap=True)
    for artifact in result["artifacts"]:
        metrics, peak = artifact["metrics"], artifact["peak_memory_bytes"]
        table.add_row(
            artifact["path"],
            f"{artifact['bytes'] / 1e6:.1f}",
            f"{artifact['load_seconds']:.2f}",
            *(_latency(artifact["latency"][size]) for size in ("1", "32")),
            "-" if peak is None else f"{peak / 1e6:.0f}",
            "-" if metrics is None else f"{metrics[metric]:.3f}",
        )
    console.print(table)


def _latency(figures: dict[str, float]) -> str:
    digits = 1 if figures["median_ms"] < 100 else 0
    return f"{figures['median_ms']:.{digits}f} ({figures['p95_ms']:.{digits}f})"
