"""``kerastl fit``."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import kerastl
from kerastl.cli import output
from kerastl.cli.output import Json

_CACHE: dict[str, str | bool] = {"always": True, "never": False}
fit_app = typer.Typer(no_args_is_help=True, help="Train a model.")


class PlanName(enum.StrEnum):
    """Plans by name."""

    TWO_PHASE = "two-phase"
    HEAD_ONLY = "head-only"
    GRADUAL = "gradual"
    LP_FT = "lp-ft"
    FULL = "full"


@fit_app.command("image")
def fit_image(
    data: Annotated[
        str,
        typer.Argument(
            help="Folder of class folders (or one holding train/ and val/), a CSV or "
            "TSV table, or tfds:NAME."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The run directory to write.", show_default=False)
    ] = None,
    backbone: Annotated[str, typer.Option(help="Name, or NAME@WEIGHTS.")] = "mobilenet_v2",
    weights: Annotated[
        str, typer.Option(help="imagenet, a path, pkg:DISTRIBUTION/PATH, or none.")
    ] = "imagenet",
    image_size: Annotated[
        int | None, typer.Option(help="Height and width in pixels; default: the backbone's own.")
    ] = None,
    plan: Annotated[
        PlanName,
        typer.Option(
            help="full trains all weights, from scratch where they are random; lp-ft after a "
            "linear probe."
        ),
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
    cache: Annotated[
        str,
        typer.Option(
            help="Activations of the frozen part: auto, always, never, or a folder to keep them."
        ),
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="Of training: float32, mixed_float16 or mixed_bfloat16.")
    ] = "float32",
    find_learning_rate: Annotated[
        bool,
        typer.Option(
            "--find-learning-rate",
            help="Train nothing: show how the loss of the plan's first phase answers to rising "
            "rates. Takes no --out.",
        ),
    ] = False,
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
    options: dict[str, Any] = {
        "seed": seed,
        "on_error": on_error,
        "columns": (image_column, label_column),
    }

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
            cache=_CACHE.get(cache, cache),
            precision=precision,
        )
        if find_learning_rate:
            if out is not None:
                raise kerastl.ConfigurationError(
                    "--find-learning-rate trains nothing that could be kept: leave --out out."
                )
            found = recipe.find_learning_rate(data, _validation(validation), **options)
            return dataclasses.asdict(found)
        if out is None:
            raise kerastl.ConfigurationError("--out is missing: name the run directory to write.")
        model = recipe.fit(
            data,
            _validation(validation),
            out=out,
            resume=resume,
            overwrite=overwrite,
            tensorboard=tensorboard,
            **options,
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

    output.run(work, _show_rates if find_learning_rate else show, as_json=as_json)


def _show_rates(result: dict[str, Any], console: Console) -> None:
    console.print(output.rates_table(result))
    if result["suggestion"] is None:
        console.print("The loss never fell: there is no rate to suggest.")
    else:
        console.print(
            f"suggestion: --learning-rate {result['suggestion']:.1e} for the first phase",
            highlight=False,
        )


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
    phases = 1 if name in (PlanName.HEAD_ONLY, PlanName.FULL) else 2
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
    if name is PlanName.LP_FT:
        settings = dict(zip(["probe_epochs", "epochs"], counts, strict=False))
        settings |= dict(zip(["probe_learning_rate", "learning_rate"], speeds, strict=False))
        return kerastl.lp_ft(**settings)
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
