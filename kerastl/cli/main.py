"""The ``kerastl`` command.

Imports of Keras happen inside the commands: ``kerastl --help`` answers at once.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import kerastl
from kerastl.cli import output

app = typer.Typer(
    name="kerastl",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Transfer learning for Keras 3: train on a frozen backbone, fine-tune, export, prove.",
)
fit_app = typer.Typer(no_args_is_help=True, help="Train a model.")
app.add_typer(fit_app, name="fit")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]


class PlanName(enum.StrEnum):
    """Plans by name."""

    TWO_PHASE = "two-phase"
    HEAD_ONLY = "head-only"
    GRADUAL = "gradual"
    FULL = "full"


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


@fit_app.command("image")
def fit_image(
    data: Annotated[
        str,
        typer.Argument(
            help="Folder of class folders (or one holding train/ and val/), a CSV or "
            "TSV table, or tfds:NAME."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The run directory to write.")],
    backbone: Annotated[str, typer.Option(help="Name, or NAME@WEIGHTS.")] = "mobilenet_v2",
    weights: Annotated[
        str, typer.Option(help="imagenet, a path, pkg:DISTRIBUTION/PATH, or none.")
    ] = "imagenet",
    image_size: Annotated[
        int | None, typer.Option(help="Height and width in pixels; default: the backbone's own.")
    ] = None,
    plan: Annotated[
        PlanName,
        typer.Option(help="full trains all weights, from scratch where they are random."),
    ] = PlanName.TWO_PHASE,
    epochs: Annotated[
        str | None, typer.Option(help="Epochs of the phases, as in 20,15 (or one number).")
    ] = None,
    learning_rate: Annotated[
        str | None, typer.Option(help="Learning rates of the phases, as in 1e-3,3e-4.")
    ] = None,
    train_from: Annotated[
        str | None, typer.Option(help="Stage from which two-phase fine-tunes, as block_13 or -2.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all that is random.")] = 0,
    batch_size: Annotated[int, typer.Option(help="Examples a step.")] = 32,
    validation: Annotated[
        str | None,
        typer.Option(help="Validation data, or the fraction held back; default: val/, or 0.2."),
    ] = None,
    augment: Annotated[bool, typer.Option(help="Vary the training images.")] = True,
    flip: Annotated[
        bool, typer.Option(help="Mirror images too; switch off for digits and letters.")
    ] = True,
    views: Annotated[int, typer.Option(help="How many variations of each image.")] = 8,
    class_weight: Annotated[
        str | None, typer.Option(help="'balanced' weighs rare classes up.")
    ] = None,
    hidden: Annotated[int | None, typer.Option(help="Units of a hidden layer in the head.")] = None,
    dropout: Annotated[float, typer.Option(help="Dropout of the head.")] = 0.3,
    cache: Annotated[bool, typer.Option(help="Compute the frozen part's activations once.")] = True,
    image_column: Annotated[str, typer.Option(help="Column of paths in a table.")] = "image",
    label_column: Annotated[str, typer.Option(help="Column of labels in a table.")] = "label",
    on_error: Annotated[
        str, typer.Option(help="Unreadable images: 'warn' skips them, 'raise' fails.")
    ] = "warn",
    tensorboard: Annotated[bool, typer.Option(help="Write TensorBoard logs into the run.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run.")] = False,
    as_json: Json = False,
) -> None:
    """Train an image classifier on photos of one class each."""

    def work() -> dict[str, Any]:
        from kerastl.backbones import split_name

        named = split_name(backbone)[1]
        random = (named or weights) == "none"
        recipe = kerastl.ImageClassification(
            backbone=backbone,
            weights=None if weights == "none" else weights,
            image_size=image_size,
            plan=_plan(plan, epochs, learning_rate, train_from, random),
            head=kerastl.Head(hidden=hidden, dropout=dropout),
            augment=kerastl.Augment(views=views, flip=flip) if augment else None,
            batch_size=batch_size,
            class_weight=class_weight,
            cache="auto" if cache else False,
        )
        model = recipe.fit(
            data,
            _validation(validation),
            seed=seed,
            out=out,
            resume=resume,
            overwrite=overwrite,
            tensorboard=tensorboard,
            on_error=on_error,
            columns=(image_column, label_column),
        )
        return {
            "run": str(out),
            "classes": list(model.class_names),
            "phases": [
                {key: value for key, value in phase.items() if key != "history"}
                for phase in model.history
            ],
            "metrics": dict(model.metrics),
        }

    def show(result: dict[str, Any], console: Console) -> None:
        console.print(output.phases_table(result))
        metrics = result["metrics"]
        if metrics:
            console.print(
                f"validation accuracy {metrics['accuracy']:.3f} (95 % interval "
                f"{metrics['accuracy_low']:.3f} to {metrics['accuracy_high']:.3f}, "
                f"{metrics['examples']} images)",
                highlight=False,
            )
        console.print(f"run: {result['run']}", highlight=False)

    output.run(work, show, as_json=as_json)


def _numbers(text: str | None, kind: type, option: str, most: int) -> list[Any]:
    if text is None:
        return []
    try:
        values = [kind(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not 1 <= len(values) <= most:
        raise kerastl.ConfigurationError(
            f"{option} {text!r} cannot be read: give up to {most} numbers with commas between, "
            "one for each phase of the plan."
        )
    return values


def _plan(
    name: PlanName,
    epochs: str | None,
    rates: str | None,
    train_from: str | None,
    random: bool,
) -> Any:
    phases = 2 if name in (PlanName.TWO_PHASE, PlanName.GRADUAL) else 1
    counts = _numbers(epochs, int, "--epochs", 2)
    if phases == 1 and len(counts) == 2:
        # Training in one go takes as long as two phases would.
        counts = [sum(counts)]
    speeds = _numbers(rates, float, "--learning-rate", phases)
    settings: dict[str, Any] = {}
    if train_from is not None:
        if name is not PlanName.TWO_PHASE:
            raise kerastl.ConfigurationError("--train-from goes with --plan two-phase alone.")
        stage = train_from.lstrip("-")
        settings["train_from"] = (
            -int(stage) if train_from != stage and stage.isdigit() else train_from
        )
    if phases == 1:
        settings |= dict(zip(["epochs"], counts, strict=False))
        settings |= dict(zip(["learning_rate"], speeds, strict=False))
        if name is PlanName.FULL:
            return kerastl.full(**settings, batch_norm=random)
        return kerastl.head_only(**settings)
    second = "fine_tune_epochs" if name is PlanName.TWO_PHASE else "epochs"
    settings |= dict(zip(["head_epochs", second], counts, strict=False))
    settings |= dict(zip(["head_learning_rate", "learning_rate"], speeds, strict=False))
    return (
        kerastl.two_phase(**settings) if name is PlanName.TWO_PHASE else kerastl.gradual(**settings)
    )


def _validation(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    data: Annotated[str, typer.Argument(help="Labelled data, as for fit.")],
    split: Annotated[
        str | None, typer.Option(help="Part of a divided folder: train, validation or test.")
    ] = None,
    image_column: Annotated[str, typer.Option(help="Column of paths in a table.")] = "image",
    label_column: Annotated[str, typer.Option(help="Column of labels in a table.")] = "label",
    as_json: Json = False,
) -> None:
    """Measure a trained model on labelled data."""

    def work() -> dict[str, Any]:
        options: dict[str, Any] = {"image_column": image_column, "label_column": label_column}
        if split is not None:
            options["split"] = split
        return {"metrics": kerastl.load(run).evaluate(data, **options)}

    def show(result: dict[str, Any], console: Console) -> None:
        table = Table("metric", "value")
        for name, value in result["metrics"].items():
            table.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
        console.print(table)

    output.run(work, show, as_json=as_json)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A run directory or a bundle.")],
    files: Annotated[list[Path], typer.Argument(help="Image files.")],
    as_json: Json = False,
) -> None:
    """Predict the classes of images."""

    def work() -> dict[str, Any]:
        if (model / "manifest.json").is_file():
            from kerastl.exporting import load_bundle
            from kerastl.model.predictions import make_predictions

            bundle = load_bundle(model)
            predictions = make_predictions(bundle.predict(list(files)), tuple(bundle.class_names))
        else:
            predictions = kerastl.load(model).predict(list(files))
        return {
            "predictions": [
                {"input": str(path), "label": label, "probability": float(confidence)}
                for path, label, confidence in zip(
                    files, predictions.labels, predictions.confidences, strict=True
                )
            ]
        }

    def show(result: dict[str, Any], console: Console) -> None:
        for row in result["predictions"]:
            console.print(
                f"{row['input']}  {row['label']}  {row['probability']:.3f}",
                highlight=False,
                markup=False,
            )

    output.run(work, show, as_json=as_json)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    out: Annotated[Path, typer.Option(help="The bundle to write.")],
    formats: Annotated[
        str, typer.Option("--format", help="Of saved_model, onnx, litert, with commas between.")
    ] = "saved_model,onnx,litert",
    quantize: Annotated[
        str, typer.Option(help="Further LiteRT files: of float16, dynamic, int8.")
    ] = "",
    label_agreement: Annotated[
        float | None,
        typer.Option(
            help="Least share of labels on which quantised files must agree "
            "(default 0.98); the manifest records it."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle.")] = False,
    as_json: Json = False,
) -> None:
    """Export a trained model; every file is run and must answer like the model."""

    def work() -> dict[str, Any]:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        gate = kerastl.Gate()
        if label_agreement is not None:
            gate = kerastl.Gate(quantized_label_agreement=label_agreement)
        bundle = kerastl.load(run).export(
            out,
            formats=_names(formats),
            quantize=_names(quantize),
            gate=gate,
            overwrite=overwrite,
            progress=lambda line: console.print(line, markup=False),
        )
        return dict(bundle.as_dict())

    output.run(work, _show_bundle, as_json=as_json)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _show_bundle(result: dict[str, Any], console: Console) -> None:
    console.print(output.artifacts_table(result))
    console.print(f"bundle: {result['bundle']}", highlight=False)


@app.command()
def verify(
    bundle: Annotated[Path, typer.Argument(help="A bundle.")], as_json: Json = False
) -> None:
    """Check a bundle: hashes, and every artifact against the answers recorded at export."""
    output.run(lambda: kerastl.verify(bundle).as_dict(), _show_bundle, as_json=as_json)


@app.command()
def backbones(as_json: Json = False) -> None:
    """List the backbones that have a name."""

    def work() -> dict[str, Any]:
        return {
            "backbones": [
                {
                    "name": record.name,
                    "image_size": record.image_size,
                    "parameters": record.parameters,
                    "features": record.features,
                    "preprocessing": record.preprocessing,
                    "licence": record.licence,
                    "fine_tune_from": record.fine_tune_from,
                    "paper": record.paper,
                }
                for record in kerastl.list_backbones()
            ]
        }

    def show(result: dict[str, Any], console: Console) -> None:
        table = Table("name", "pixels", "parameters", "fine-tunes from", "licence")
        for row in result["backbones"]:
            table.add_row(
                row["name"],
                str(row["image_size"]),
                f"{row['parameters']:,}",
                row["fine_tune_from"],
                row["licence"],
            )
        console.print(table)

    output.run(work, show, as_json=as_json)


def main() -> None:
    """Runs the command line."""
    app()
