"""``kerastl fit embedding``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, cast

import typer

import kerastl
from kerastl.cli import output
from kerastl.cli.fit import CACHE, column, result_of, show_run, validation_of
from kerastl.cli.output import Json
from kerastl.cli.plans import stage_of


def fit_embedding(
    data: Annotated[
        str,
        typer.Argument(
            help="Texts with a class each: CSV or TSV table, folder of class folders of .txt files "
            "(or one holding train/ and val/), or tfds:NAME."
        ),
    ],
    text_column: Annotated[
        str, typer.Option(help="Column of texts in a table, or its number from 0 without heading.")
    ] = "text",
    label_column: Annotated[str, typer.Option(help="Column of classes in a table.")] = "label",
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
    pooling: Annotated[
        str | None,
        typer.Option(help="mean, class_token, max or attention; default: the backbone's own."),
    ] = None,
    dimensions: Annotated[
        int | None, typer.Option(help="Of the vectors; default: those of the backbone.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the texts.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest of the schedule.")] = None,
    train_from: Annotated[
        str | None, typer.Option(help="Layer from which it trains, as -2, or all.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all that is random.")] = 0,
    batch_size: Annotated[
        int, typer.Option(help="Texts a step; they are compared with one another.")
    ] = 32,
    validation: Annotated[
        str | None,
        typer.Option(help="Validation data, or the fraction held back; default: val/, or 0.2."),
    ] = None,
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
    """Train vectors of texts, so that those of one class lie together."""

    def work() -> dict[str, Any]:
        if out is None:
            raise kerastl.ConfigurationError("--out is missing: name the run directory to write.")
        recipe = kerastl.TextEmbedding(
            backbone=backbone,
            weights=None if weights == "none" else weights,
            tokenizer=tokenizer,
            max_length=max_length,
            pooling=cast(Any, pooling),
            dimensions=dimensions,
            plan=_plan(epochs, learning_rate, train_from),
            batch_size=batch_size,
            cache=CACHE.get(cache, cache),
            precision=precision,
        )
        model = recipe.fit(
            data,
            validation_of(validation),
            seed=seed,
            out=out,
            resume=resume,
            overwrite=overwrite,
            tensorboard=tensorboard,
            text_column=column(text_column),
            label_column=column(label_column),
            encoding=encoding,
        )
        return result_of(model, out)

    output.run(work, show_run, as_json=as_json, on_interrupt=output.RESUME)


def _plan(epochs: int | None, learning_rate: float | None, train_from: str | None) -> Any:
    """The recipe's own plan with what the options say."""
    given: dict[str, Any] = {"epochs": epochs, "learning_rate": learning_rate}
    given["train_from"] = None if train_from is None else stage_of(train_from)
    [phase] = kerastl.TextEmbedding().resolved_plan
    changes = {key: value for key, value in given.items() if value is not None}
    return (dataclasses.replace(phase, **changes),)
