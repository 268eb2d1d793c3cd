"""Options that commands share, one row each, and commands put together from such rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from kerastl.cli.plans import PlanName

Row = tuple[Any, Any]
"""A type with its help, and a default."""

REQUIRED = inspect.Parameter.empty


def _row(kind: Any, default: Any, help: str, *names: str, **settings: Any) -> Row:
    return Annotated[kind, typer.Option(*names, help=help, **settings)], default


# What Typer reads of a type in an annotation that is a string is looked up here.
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]
Trusted = Annotated[
    bool,
    typer.Option("--trusted", help="Read a model.pt2 too: it can run code of the bundle's maker."),
]
Imports = Annotated[
    list[str] | None,
    typer.Option("--import", help="A Python module that registers inputs or outputs of your own."),
]

DATA: dict[str, Row] = {
    "label_column": _row(
        list[str] | None,
        None,
        "Column of labels in a table. Several columns of 0 and 1, with commas; of several outputs "
        "NAME=COLUMN, once for each.",
    ),
    "column": _row(str | None, None, "Column of the examples in a table."),
    "group_column": _row(
        str | None, None, "Column whose groups are never divided between training and validation."
    ),
    "separator": _row(str | None, None, "What divides the names in a column of several labels."),
    "encoding": _row(str | None, None, "Of tables and text files; default: found."),
}

FIT: dict[str, Row] = {
    "out": _row(Path | None, None, "The run directory to write.", show_default=False),
    "backbone": _row(str, REQUIRED, "Name, or NAME@WEIGHTS, or a directory."),
    "weights": _row(
        str, REQUIRED, "imagenet or published, a path, pkg:DISTRIBUTION/PATH, or none."
    ),
    "kind": _row(
        str,
        "single_label",
        "What labels are: single_label, multi_label or regression.",
    ),
    "output": _row(
        list[str] | None,
        None,
        "One of several outputs that are learned together, as NAME=KIND; once for each.",
    ),
    "plan": _row(
        PlanName,
        PlanName.TWO_PHASE,
        "full trains all weights, from scratch where they are random; lp-ft after a linear probe; "
        "gradual unfreezes stage by stage.",
    ),
    "epochs": _row(str | None, None, "Epochs of the phases, as in 20,15 (or one number)."),
    "learning_rate": _row(
        str | None, None, "Learning rates of the phases, as in 1e-3,3e-4 (or one number)."
    ),
    "train_from": _row(
        str | None, None, "Stage from which two-phase fine-tunes, as block_13 or -2."
    ),
    "seed": _row(int, 0, "Seed of all that is random."),
    "batch_size": _row(int, 32, "Examples per step."),
    "validation": _row(
        str | None, None, "Validation data, or the fraction held back; default: val/, or 0.2."
    ),
    "class_weight": _row(str | None, None, "'balanced' weighs rare classes up."),
    "hidden": _row(int | None, None, "Units of a hidden layer in the head."),
    "dropout": _row(float, REQUIRED, "Dropout of the head."),
    "cache": _row(
        str,
        "auto",
        "Activations of the frozen part: auto, always, never, or a folder to keep them.",
    ),
    "precision": _row(str, "float32", "Of training: float32, mixed_float16 or mixed_bfloat16."),
    "find_learning_rate": _row(
        bool,
        False,
        "Train nothing: show how the loss of the plan's first phase answers to rising rates. Takes "
        "no --out.",
        "--find-learning-rate",
    ),
    "tensorboard": _row(bool, False, "Write TensorBoard logs into the run."),
    "resume": _row(bool, False, "Go on with an interrupted run.", "--resume"),
    "overwrite": _row(bool, False, "Replace a run.", "--overwrite"),
    # Of images.
    "image_size": _row(
        int | None, None, "Height and width in pixels; default: the backbone's own."
    ),
    "augment": _row(bool, True, "Vary the training images."),
    "flip": _row(bool, True, "Mirror images too; switch off for digits and letters."),
    "views": _row(int, 8, "How many variations of each image."),
    "on_error": _row(str, "warn", "Unreadable images: 'warn' skips them, 'raise' fails."),
    # Of texts.
    "tokenizer": _row(str | None, None, "Directory of a tokenizer, for random weights."),
    "max_length": _row(int, 128, "Maximum tokens per text; longer ones are cut."),
    "pooling": _row(
        str | None, None, "mean, class_token, max or attention; default: the backbone's own."
    ),
    # Of embeddings.
    "dimensions": _row(int | None, None, "Of the vectors; default: those of the backbone."),
}


def command(
    run: Callable[..., None],
    *,
    doc: str,
    arguments: Mapping[str, Any],
    rows: Mapping[str, Row],
    only: Iterable[str],
    defaults: Mapping[str, Any] | None = None,
) -> Callable[..., None]:
    """A function whose signature Typer reads, put together from rows.

    Args:
        run: is called with all values by keyword.
        doc: the command's help.
        arguments: annotated types of what comes first.
        rows: to choose from.
        only: names of the rows, in their order.
        defaults: in place of those of the rows.
    """
    given = defaults or {}
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
        for name, annotation in arguments.items()
    ]
    for name in only:
        annotation, default = rows[name]
        parameters.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=annotation,
                default=given.get(name, default),
            )
        )
    parameters.append(
        inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, annotation=Json, default=False)
    )

    def composed(**values: Any) -> None:
        run(**values)

    composed.__doc__ = doc
    composed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    composed.__annotations__ = {item.name: item.annotation for item in parameters}
    return composed


def data_options(values: Mapping[str, Any], *, legacy: Mapping[str, str] = {}) -> dict[str, Any]:
    """Options of loading out of what was given; what was not is left to the loader.

    Args:
        values: of a command, by the names of ``DATA``; others are passed over.
        legacy: further names of a column of examples, as ``{"image_column": "photo"}``.
    """
    options: dict[str, Any] = {}
    for name in ("column", "group_column", "encoding"):
        if values.get(name) is not None:
            options[name] = _column(values[name]) if name != "encoding" else values[name]
    if values.get("separator") is not None:
        options["label_separator"] = values["separator"]
    columns = values.get("label_column")
    if columns:
        named = dict(item.split("=", 1) for item in columns if "=" in item)
        options["label_column"] = (
            {name: _columns(text) for name, text in named.items()}
            if named
            else _columns(",".join(columns))
        )
    return {**options, **legacy}


def _columns(text: str) -> Any:
    found = [_column(part) for part in text.split(",")]
    return found[0] if len(found) == 1 else tuple(found)


def _column(text: str) -> str | int:
    """A column's name, or its number in a table without heading."""
    return int(text) if text.isdigit() else text
