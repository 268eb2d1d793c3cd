"""``kerastl report``: one page on a run or a bundle, and its numbers as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import kerastl
from kerastl.cli import early, output
from kerastl.cli.modules import import_all
from kerastl.cli.options import DATA, IMPORTS, SPLIT, Trusted, command, data_options, row


def _report(**values: Any) -> None:
    def check() -> None:
        for folder in (values["model"], *(values["bundle"] or ())):
            early.check_run_or_bundle(folder)
        early.check_data(values["data"])

    def work() -> dict[str, Any]:
        import_all(values["imports"])
        options = {} if values["data"] is None else data_options(values)
        if values["split"] is not None:
            options["split"] = values["split"]
        page = kerastl.report(
            values["model"],
            values["data"],
            values["out"],
            bundles=values["bundle"] or (),
            benchmark=values["benchmark"],
            trusted=values["trusted"],
            **options,
        )
        return {"report": str(page), "json": str(page.with_suffix(".json"))}

    output.run(work, _show, as_json=values["as_json"], check=check)


report = command(
    _report,
    doc="Write a page on a run or a bundle: verdict, mistakes, training, files, provenance.",
    arguments={
        "model": Annotated[Path, typer.Argument(metavar="MODEL", help="A run or a bundle.")],
    },
    rows=[
        (
            "data",
            (
                Annotated[
                    str | None,
                    typer.Argument(
                        metavar="[DATA]",
                        help="Labelled data, as for fit; default: the run's validation examples.",
                        show_default=False,
                    ),
                ],
                None,
            ),
        ),
        ("out", row(Path, Path("report.html"), "The page; its numbers go beside it, as .json.")),
        ("bundle", row(list[Path] | None, None, "A bundle of the run whose files are listed.")),
        (
            "benchmark",
            row(Path | None, None, "What `kerastl benchmark --json` printed, for latencies."),
        ),
        ("split", SPLIT),
        *DATA.items(),
        ("trusted", (Trusted, False)),
        ("imports", IMPORTS),
    ],
)


def _show(result: dict[str, Any], console: Console) -> None:
    console.print(f"report: {result['report']}", highlight=False, markup=False)
