"""``kerastl evaluate``: how good a run or a bundle is on labelled data, and where it errs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import kerastl
from kerastl.cli import early, output
from kerastl.cli.figures import show_evaluation
from kerastl.cli.modules import import_all
from kerastl.cli.options import DATA, IMPORTS, SPLIT, Trusted, command, data_options, row


def _evaluate(**values: Any) -> None:
    table, top = values["csv"], values["top"]

    def check() -> None:
        early.check_run_or_bundle(values["model"])
        early.check_data(values["data"])
        if table is not None and not table.absolute().parent.is_dir():
            raise kerastl.ConfigurationError(
                f"--csv {table}: there is no folder {table.absolute().parent}."
            )
        if top < 0:
            raise kerastl.ConfigurationError(f"--top {top}: give 0 or more.")

    def work() -> dict[str, Any]:
        import_all(values["imports"])
        options = data_options(values)
        if values["split"] is not None:
            options["split"] = values["split"]
        found = kerastl.evaluate(
            values["model"], values["data"], trusted=values["trusted"], **options
        )
        if table is not None:
            found.write_csv(table)
        return dict(found.as_dict(top))

    output.run(work, show_evaluation, as_json=values["as_json"], check=check)


evaluate = command(
    _evaluate,
    doc="Measure a run or a bundle on labelled data: metrics, intervals, baselines, mistakes.",
    arguments={
        "model": Annotated[Path, typer.Argument(metavar="MODEL", help="A run or a bundle.")],
        "data": Annotated[str, typer.Argument(metavar="DATA", help="Labelled data, as for fit.")],
    },
    rows=[
        ("csv", row(Path | None, None, "Write one line for each example to this file.")),
        ("top", row(int, 10, "How many mistakes, and least certain answers, are listed.")),
        ("split", SPLIT),
        *DATA.items(),
        ("trusted", (Trusted, False)),
        ("imports", IMPORTS),
    ],
)
