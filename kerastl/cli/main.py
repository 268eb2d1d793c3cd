"""The ``kerastl`` command.

Imports of Keras happen inside the commands: ``kerastl --help`` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import kerastl
from kerastl.cli import output
from kerastl.cli.benchmark import benchmark
from kerastl.cli.cache import cache_app
from kerastl.cli.embedding import fit_embedding
from kerastl.cli.fit import columns, fit_app
from kerastl.cli.output import ImageColumn, Json, LabelColumn, TextColumn, Trusted
from kerastl.cli.predict import predict

app = typer.Typer(
    name="kerastl",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Transfer learning for Keras 3: train on a frozen backbone, fine-tune, export, prove.",
)
app.add_typer(fit_app, name="fit")
app.add_typer(cache_app, name="cache")


fit_app.command("embedding")(fit_embedding)
app.command()(predict)
app.command()(benchmark)


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
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    data: Annotated[str, typer.Argument(help="Labelled data, as for fit.")],
    split: Annotated[
        str | None, typer.Option(help="Part of a divided folder: train, validation or test.")
    ] = None,
    image_column: ImageColumn = "image",
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    as_json: Json = False,
) -> None:
    """Measure a trained model on labelled data."""

    def work() -> dict[str, Any]:
        trained = kerastl.load(run)
        options = columns(image_column, text_column, label_column, of_texts=_is_of_texts(trained))
        if split is not None:
            options["split"] = split
        return {"metrics": trained.evaluate(data, **options)}

    def show(result: dict[str, Any], console: Console) -> None:
        table = Table("metric", "value")
        for name, value in result["metrics"].items():
            table.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
        console.print(table)

    output.run(work, show, as_json=as_json)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    out: Annotated[Path, typer.Option(help="The bundle to write.")],
    formats: Annotated[
        str,
        typer.Option("--format", help="Of saved_model, onnx, litert, openvino, torch; commas."),
    ] = "saved_model,onnx,litert",
    quantize: Annotated[
        str,
        typer.Option(
            help="Further LiteRT files: of float16, dynamic, int8, int16x8; of texts dynamic, for "
            "ONNX too."
        ),
    ] = "",
    label_agreement: Annotated[
        float | None,
        typer.Option(
            help="Least share of labels on which quantised files must agree "
            "(default 0.98); the manifest records it."
        ),
    ] = None,
    batch_one: Annotated[
        bool, typer.Option("--batch-one", help="LiteRT files take one image at a time.")
    ] = False,
    float_input: Annotated[
        bool, typer.Option("--float-input", help="The int8 file takes float32 in place of uint8.")
    ] = False,
    any_size: Annotated[
        bool, typer.Option("--any-size", help="Files take images of any size and resize them.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle.")] = False,
    as_json: Json = False,
) -> None:
    """Export a trained model; every file is run and must answer like the model."""

    def work() -> dict[str, Any]:
        from kerastl.bundles import LiteRTOptions
        from kerastl.errors import ConfigurationError

        console = Console(stderr=True, highlight=False, soft_wrap=True)
        gate = kerastl.Gate()
        if label_agreement is not None:
            gate = kerastl.Gate(quantized_label_agreement=label_agreement)
        trained = kerastl.load(run)
        options: dict[str, Any] = {
            "litert": LiteRTOptions(batch=1 if batch_one else None, float_input=float_input),
            "any_size": any_size,
        }
        if _is_of_texts(trained):
            if batch_one or float_input or any_size:
                raise ConfigurationError(
                    "--batch-one, --float-input and --any-size are for models of images."
                )
            options = {}
        bundle = trained.export(
            out,
            formats=_names(formats),
            quantize=_names(quantize),
            gate=gate,
            **options,
            overwrite=overwrite,
            progress=lambda line: console.print(line, markup=False),
        )
        return dict(bundle.as_dict())

    output.run(work, _show_bundle, as_json=as_json)


def _is_of_texts(trained: kerastl.TrainedModel) -> bool:
    from kerastl.model import TokenModel

    return isinstance(trained, TokenModel)


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
    as_json: Json = False,
) -> None:
    """Check a bundle: hashes, and every artifact against the answers recorded at export."""
    output.run(
        lambda: kerastl.verify(bundle, trusted=trusted).as_dict(), _show_bundle, as_json=as_json
    )


@app.command()
def backbones(
    modality: Annotated[
        str | None, typer.Option(help="Those for this alone: image or text.")
    ] = None,
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
            pixels = row["modality"] == "image"
            table.add_row(
                row["name"],
                row["modality"],
                f"{row['image_size']} pixels" if pixels else f"{row['max_length']} tokens",
                f"{row['parameters']:,}",
                row["fine_tune_from"],
                row["licence"],
            )
        console.print(table)

    output.run(work, show, as_json=as_json)


def _row(record: Any) -> dict[str, Any]:
    own = (
        ("image_size", "preprocessing")
        if record.modality == "image"
        else ("max_length", "vocabulary_size", "tokenizer", "pooling")
    )
    common = ("name", "source", "modality", "parameters", "features", "licence")
    return {key: getattr(record, key) for key in (*common, *own, "fine_tune_from", "paper")}


def main() -> None:
    """Runs the command line."""
    app()
