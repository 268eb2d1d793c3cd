"""``kerastl fit``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console

import kerastl
from kerastl.cli import output
from kerastl.cli.output import Json
from kerastl.cli.plans import TEXT_RATES, PlanName, make_plan

CACHE: dict[str, str | bool] = {"always": True, "never": False}
fit_app = typer.Typer(no_args_is_help=True, help="Train a model.")


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
            plan=make_plan(plan, epochs, learning_rate, train_from, random),
            head=kerastl.Head(hidden=hidden, dropout=dropout),
            augment=kerastl.Augment(views=views, flip=flip) if augment else None,
            batch_size=batch_size,
            class_weight=class_weight,
            cache=CACHE.get(cache, cache),
            precision=precision,
        )
        if find_learning_rate:
            if out is not None:
                raise kerastl.ConfigurationError(
                    "--find-learning-rate trains nothing that could be kept: leave --out out."
                )
            found = recipe.find_learning_rate(data, validation_of(validation), **options)
            return dataclasses.asdict(found)
        if out is None:
            raise kerastl.ConfigurationError("--out is missing: name the run directory to write.")
        model = recipe.fit(
            data,
            validation_of(validation),
            out=out,
            resume=resume,
            overwrite=overwrite,
            tensorboard=tensorboard,
            **options,
        )
        return result_of(model, out)

    show = _show_rates if find_learning_rate else show_run
    output.run(work, show, as_json=as_json, on_interrupt=output.RESUME)


@fit_app.command("text")
def fit_text(
    data: Annotated[
        str,
        typer.Argument(
            help="CSV or TSV table, folder of class folders of .txt files (or one holding train/ "
            "and val/), or tfds:NAME."
        ),
    ],
    text_column: Annotated[
        str, typer.Option(help="Column of texts in a table, or its number from 0 without heading.")
    ] = "text",
    label_column: Annotated[
        str,
        typer.Option(help="Column of labels in a table; several, with commas, for multi_label."),
    ] = "label",
    out: Annotated[
        Path | None, typer.Option(help="The run directory to write.", show_default=False)
    ] = None,
    backbone: Annotated[
        str, typer.Option(help="Name, NAME@WEIGHTS, or a KerasHub or Hugging Face directory.")
    ] = "minilm_l6",
    weights: Annotated[
        str, typer.Option(help="published, a directory, pkg:DISTRIBUTION/PATH, or none.")
    ] = "published",
    tokenizer: Annotated[
        str | None, typer.Option(help="Directory of a tokenizer, for random weights.")
    ] = None,
    max_length: Annotated[int, typer.Option(help="Most tokens a text; longer ones are cut.")] = 128,
    kind: Annotated[
        str, typer.Option(help="single_label, multi_label or regression.")
    ] = "single_label",
    plan: Annotated[
        PlanName, typer.Option(help="gradual unfreezes layer by layer; full trains all weights.")
    ] = PlanName.TWO_PHASE,
    epochs: Annotated[
        str | None, typer.Option(help="Epochs of the phases, as in 10,3 (or one number).")
    ] = None,
    learning_rate: Annotated[
        str | None, typer.Option(help="Learning rates of the phases, as in 1e-2,1e-4.")
    ] = None,
    train_from: Annotated[
        str | None,
        typer.Option(help="Layer from which two-phase fine-tunes, as transformer_layer_4 or -2."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all that is random.")] = 0,
    batch_size: Annotated[int, typer.Option(help="Texts a step.")] = 32,
    validation: Annotated[
        str | None,
        typer.Option(help="Validation data, or the fraction held back; default: val/, or 0.2."),
    ] = None,
    class_weight: Annotated[
        str | None, typer.Option(help="'balanced' weighs rare classes up.")
    ] = None,
    pooling: Annotated[
        str | None,
        typer.Option(help="mean, class_token, max or attention; default: the backbone's own."),
    ] = None,
    hidden: Annotated[int | None, typer.Option(help="Units of a hidden layer in the head.")] = None,
    dropout: Annotated[float, typer.Option(help="Dropout of the head.")] = 0.1,
    encoding: Annotated[
        str | None, typer.Option(help="Of the files; default: found.", show_default=False)
    ] = None,
    cache: Annotated[
        str,
        typer.Option(
            help="Activations of the frozen part: auto, always, never, or a folder to keep them."
        ),
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="Of training: float32, mixed_float16 or mixed_bfloat16.")
    ] = "float32",
    tensorboard: Annotated[bool, typer.Option(help="Write TensorBoard logs into the run.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run.")] = False,
    as_json: Json = False,
) -> None:
    """Train a classifier of texts, or a regression on them."""

    def work() -> dict[str, Any]:
        if out is None:
            raise kerastl.ConfigurationError("--out is missing: name the run directory to write.")
        from kerastl.backbones import split_name

        folder = Path(backbone).is_dir() or backbone.startswith("pkg:")
        named = None if folder else split_name(backbone)[1]
        random = (named or weights) == "none"
        recipe = kerastl.TextClassification(
            backbone=backbone,
            weights=None if weights == "none" else weights,
            tokenizer=tokenizer,
            max_length=max_length,
            kind=cast(Any, kind),
            plan=make_plan(plan, epochs, learning_rate, train_from, random, TEXT_RATES),
            head=kerastl.TextHead(pooling=cast(Any, pooling), hidden=hidden, dropout=dropout),
            batch_size=batch_size,
            class_weight=class_weight,
            cache=CACHE.get(cache, cache),
            precision=precision,
        )
        labels = [column(name) for name in label_column.split(",")]
        model = recipe.fit(
            data,
            validation_of(validation),
            seed=seed,
            out=out,
            resume=resume,
            overwrite=overwrite,
            tensorboard=tensorboard,
            text_column=column(text_column),
            label_column=labels[0] if len(labels) == 1 else tuple(labels),
            encoding=encoding,
        )
        return result_of(model, out)

    output.run(work, show_run, as_json=as_json, on_interrupt=output.RESUME)


def column(text: str) -> str | int:
    """A column's name, or its number in a table without heading."""
    return int(text) if text.isdigit() else text


def columns(image: str, text: str, label: str, *, of_texts: bool) -> dict[str, Any]:
    """The options of loading a table that name its columns."""
    if not of_texts:
        return {"image_column": image, "label_column": label}
    labels = tuple(column(name) for name in label.split(","))
    return {
        "text_column": column(text),
        "label_column": labels[0] if len(labels) == 1 else labels,
    }


def result_of(model: kerastl.TrainedModel, out: Path) -> dict[str, Any]:
    """What ``fit`` prints with ``--json``."""
    return {
        "run": str(out),
        "classes": list(model.class_names),
        "phases": [
            {key: value for key, value in phase.items() if key != "history"}
            for phase in model.history
        ],
        "metrics": dict(model.metrics),
    }


def show_run(result: dict[str, Any], console: Console) -> None:
    """What ``fit`` prints for people."""
    console.print(output.phases_table(result))
    metrics = result["metrics"]
    if "accuracy_low" in metrics:
        console.print(
            f"validation accuracy {metrics['accuracy']:.3f} (95 % interval "
            f"{metrics['accuracy_low']:.3f} to {metrics['accuracy_high']:.3f}, "
            f"{metrics['examples']} examples)",
            highlight=False,
        )
    elif metrics:
        figures = ", ".join(
            f"{name} {value:.3f}" for name, value in metrics.items() if name != "examples"
        )
        console.print(f"validation: {figures} ({metrics['examples']} examples)", highlight=False)
    console.print(f"run: {result['run']}", highlight=False)


def _show_rates(result: dict[str, Any], console: Console) -> None:
    console.print(output.rates_table(result))
    if result["suggestion"] is None:
        console.print("The loss never fell: there is no rate to suggest.")
    else:
        console.print(
            f"suggestion: --learning-rate {result['suggestion']:.1e} for the first phase",
            highlight=False,
        )


def validation_of(text: str | None) -> Any:
    """A fraction, or data."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text
