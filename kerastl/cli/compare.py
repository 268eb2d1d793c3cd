"""``kerastl compare``: whether one model is better than another on the same data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import kerastl
from kerastl.cli import early, output
from kerastl.cli.figures import figure, interval
from kerastl.cli.modules import import_all
from kerastl.cli.options import DATA, IMPORTS, SPLIT, Trusted, command, data_options


def _compare(**values: Any) -> None:
    def check() -> None:
        early.check_run_or_bundle(values["first"])
        early.check_run_or_bundle(values["second"])
        early.check_data(values["data"])

    def work() -> dict[str, Any]:
        import_all(values["imports"])
        options = data_options(values)
        if values["split"] is not None:
            options["split"] = values["split"]
        found = kerastl.compare(
            values["first"],
            values["second"],
            values["data"],
            trusted=values["trusted"],
            **options,
        )
        names = {"first": str(values["first"]), "second": str(values["second"])}
        return {**names, **found.as_dict()}

    output.run(work, _show, as_json=values["as_json"], check=check)


compare = command(
    _compare,
    doc="Compare two runs or bundles on the same labelled data.",
    arguments={
        "first": Annotated[Path, typer.Argument(metavar="FIRST", help="A run or a bundle.")],
        "second": Annotated[Path, typer.Argument(metavar="SECOND", help="Another one.")],
        "data": Annotated[str, typer.Argument(metavar="DATA", help="Labelled data, as for fit.")],
    },
    rows=[("split", SPLIT), *DATA.items(), ("trusted", (Trusted, False)), ("imports", IMPORTS)],
)


def _show(result: dict[str, Any], console: Console) -> None:
    headings = ("metric", "first", "second", "difference", "95 % interval", "")
    table = Table(*headings, title=f"{result['examples']} examples, answered by both")
    for name, row in result["metrics"].items():
        verdict = {True: "decisive", False: "not decisive", None: ""}[row["decisive"]]
        figures = (figure(row[key]) for key in ("first", "second", "difference"))
        table.add_row(name, *figures, interval(row["interval"]), verdict)
    console.print(table)
    for name, row in result["disagreements"].items():
        which = f"{name}: " if len(result["disagreements"]) > 1 else ""
        console.print(
            f"{which}{row['both_right']} right by both, {row['only_first']} by the first alone, "
            f"{row['only_second']} by the second alone, {row['both_wrong']} by neither; "
            f"{result['test']}: p = {row['p_value']:.3g}",
            highlight=False,
            markup=False,
        )
    if any(row["decisive"] is False for row in result["metrics"].values()):
        console.print(
            "Where the interval contains 0, the difference is not decisive: it may be chance.",
            highlight=False,
        )
