"""The ``kerastl`` command.

Imports of Keras happen inside the commands: ``kerastl --help`` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core
from rich.console import Console
from rich.table import Table

import kerastl
from kerastl.cli import early, output
from kerastl.cli.benchmark import benchmark
from kerastl.cli.cache import cache_app
from kerastl.cli.compare import compare
from kerastl.cli.evaluate import evaluate
from kerastl.cli.examples import add_examples
from kerastl.cli.fit import fit_app
from kerastl.cli.modules import import_all
from kerastl.cli.options import Imports, Json, Trusted
from kerastl.cli.predict import predict
from kerastl.cli.report import report


class _InOrderOfUse(typer.core.TyperGroup):
    """Lists the commands in the order in which a model needs them."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Training first."""
        first = ["fit", "evaluate", "compare", "report", "predict", "export", "verify", "benchmark"]
        return [*first, *(name for name in super().list_commands(ctx) if name not in first)]


app = typer.Typer(
    name="kerastl",
    cls=_InOrderOfUse,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Transfer learning for Keras 3: train on a frozen backbone, fine-tune, export, prove.",
)
app.add_typer(fit_app, name="fit")
app.add_typer(cache_app, name="cache")


app.command("predict")(predict)
app.command("evaluate")(evaluate)
app.command("compare")(compare)
app.command("report")(report)
app.command("benchmark")(benchmark)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"kerastl {kerastl.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Holds the options of the command itself."""


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    out: Annotated[Path, typer.Option(help="The bundle to write, as in --out bundle.")],
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            help="Formats with commas between: saved_model, onnx, litert, openvino, torch.",
        ),
    ] = "saved_model,onnx,litert",
    quantize: Annotated[
        str,
        typer.Option(
            help="Further, smaller files with commas between: float16, dynamic, int8, int16x8, or "
            "FORMAT:KIND for one format alone, as in onnx:dynamic."
        ),
    ] = "",
    label_agreement: Annotated[
        float | None,
        typer.Option(
            help="Share of labels on which quantised files must agree with the model, as in 0.95; "
            "default: 0.98. The manifest records it."
        ),
    ] = None,
    batch_one: Annotated[
        bool, typer.Option("--batch-one", help="LiteRT files take one example at a time.")
    ] = False,
    float_input: Annotated[
        bool,
        typer.Option("--float-input", help="The int8 file takes float32 pixels in place of uint8."),
    ] = False,
    any_size: Annotated[
        bool, typer.Option("--any-size", help="Files take images of any size and resize them.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a bundle that is there.")
    ] = False,
    imports: Imports = None,
    as_json: Json = False,
) -> None:
    """Export a trained model. Every file is run, and must answer like the model."""

    def work() -> dict[str, Any]:
        from kerastl.bundles import LiteRTOptions

        import_all(imports)
        gate = kerastl.Gate()
        if label_agreement is not None:
            gate = kerastl.Gate(quantized_label_agreement=label_agreement)
        bundle = kerastl.load(run).export(
            out,
            formats=_names(formats),
            quantize=_names(quantize),
            gate=gate,
            litert=LiteRTOptions(batch=1 if batch_one else None, float_input=float_input),
            any_size=any_size,
            overwrite=overwrite,
            progress=output.say,
        )
        return dict(bundle.as_dict())

    output.run(work, _show_bundle, as_json=as_json, check=lambda: early.check_run(run))


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _show_bundle(result: dict[str, Any], console: Console) -> None:
    console.print(output.artifacts_table(result))
    for line in output.float_layers_lines(result):
        console.print(line, highlight=False, markup=False)
    console.print(f"bundle: {result['bundle']}", highlight=False)


@app.command()
def verify(
    bundle: Annotated[Path, typer.Argument(help="A bundle.")],
    trusted: Trusted = False,
    imports: Imports = None,
    as_json: Json = False,
) -> None:
    """Check a bundle: its hashes, and every file against the answers recorded at the export."""

    def work() -> dict[str, Any]:
        import_all(imports)
        return dict(kerastl.verify(bundle, trusted=trusted).as_dict())

    output.run(work, _show_bundle, as_json=as_json, check=lambda: early.check_bundle(bundle))


@app.command()
def backbones(
    modality: Annotated[str | None, typer.Option(help="Only those for image or for text.")] = None,
    as_json: Json = False,
) -> None:
    """List the backbones that have a name."""

    def work() -> dict[str, Any]:
        # The registry itself refuses what is neither.
        wanted: Any = modality
        return {"backbones": [_row(record) for record in kerastl.list_backbones(wanted)]}

    def show(result: dict[str, Any], console: Console) -> None:
        table = Table("name", "for", "size", "parameters", "fine-tunes from", "licence")
        for row in result["backbones"]:
            shown = {**row, "parameters": f"{row['parameters']:,}"}
            keys = ("name", "modality", "takes", "parameters", "fine_tune_from", "licence")
            table.add_row(*(shown[key] for key in keys))
        console.print(table)

    output.run(work, show, as_json=as_json, with_keras=False)


def _row(record: Any) -> dict[str, Any]:
    common = ("name", "source", "modality", "parameters", "features", "licence")
    keys = (*common, *record.LISTED, "fine_tune_from", "paper", "takes")
    return {key: getattr(record, key) for key in keys}


add_examples(app)


def main() -> None:
    """Runs the command line."""
    app()
