"""Options that commands share, one row each, and commands put together from such rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from kerastl.cli.plans import PlanName
from kerastl.errors import ConfigurationError

Row = tuple[Any, Any]
"""A type with its help, and a default."""


def row(type_: Any, default: Any, help: str, *names: str, **settings: Any) -> Row:
    """A row: the type, the default, the help, and names other than the parameter's own."""
    return Annotated[type_, typer.Option(*names, help=help, **settings)], default


def text(help: str, *names: str) -> Row:
    """A row of a text that may be left out."""
    return row(str | None, None, help, *names)


# What Typer reads of a type in an annotation that is a string is looked up here.
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]
Trusted = Annotated[
    bool,
    typer.Option("--trusted", help="Read a model.pt2 too: it can run code of the bundle's maker."),
]


def backbone_names(incomplete: str) -> list[str]:
    """The names of backbones that begin so, for the shell's completion."""
    from kerastl.backbones import list_backbones

    return [record.name for record in list_backbones() if record.name.startswith(incomplete)]


DATA: dict[str, Row] = {
    "depth": row(
        int, 1, "How many levels below DATA the class folders lie; their classes are animals/cat."
    ),
    "label_column": row(
        list[str] | None,
        None,
        "Column of labels in a table, as in --label-column topic. Give several names with commas "
        "where each class has a column of 0 and 1. With several outputs give NAME=COLUMN, once for "
        "each. Default: label, or the names of the outputs.",
    ),
    "column": text(
        "Column of the examples in a table, as in --column path; default: image or text.",
        "--column",
        "--image-column",
        "--text-column",
    ),
    "columns": text(
        "Names of all columns of a table without a heading, in order, as in image,label."
    ),
    "group_column": text(
        "Column of groups, as in patient: a group is never split between training and validation."
    ),
    "split_column": text(
        "Column of a table whose values train, val and test divide it; none: leave it whole. "
        "Default: a column split of such values."
    ),
    "separator": text(
        "What separates the names in a column of several labels, as in ';'; default: a comma.",
        "--label-separator",
        "--separator",
    ),
    "field_separator": text(
        "The character between two fields of a table of text, as ';' or tab; default: detected."
    ),
    "encoding": text("Encoding of tables and text files, as in cp1252; default: detected."),
    "on_error": row(
        str, "warn", "What to do with unreadable examples: 'warn' skips them, 'raise' fails."
    ),
}
SPLIT: Row = text("Part of a divided folder or table: train, validation or test.")
Imports = Annotated[
    list[str] | None,
    typer.Option(
        "--import",
        help="A Python module or file that registers inputs or outputs of your own, as in "
        "mine.py. It is run.",
    ),
]
IMPORTS: Row = (Imports, None)

FIT: dict[str, Row] = {
    **DATA,
    "out": row(
        Path | None, None, "The run directory to write, as in --out run.", show_default=False
    ),
    "backbone": row(
        str,
        None,
        "Name of the backbone, or NAME@WEIGHTS, as in mobilenet_v2@none; for texts also a "
        "directory. `kerastl backbones` lists the names.",
        autocompletion=backbone_names,
    ),
    "weights": row(
        str,
        None,
        "Weights of the backbone: imagenet or published (a download), a path, an "
        "earlier run, "
        "pkg:DISTRIBUTION/PATH (a file of an installed package), or none (random).",
    ),
    "kind": row(
        str, "single_label", "What the labels are: single_label, multi_label or regression."
    ),
    "output": row(
        list[str] | None,
        None,
        "One of several outputs that are learned together, as in count=regression; once for each.",
    ),
    "loss_weights": text(
        "With several outputs: the weight of each loss, as in count=0.5,species=1, or "
        "'uncertainty' to learn the weights."
    ),
    "class_weight": text("'balanced' gives rare classes more weight."),
    "plan": row(
        PlanName,
        PlanName.TWO_PHASE,
        "What trains when. two-phase: the head is solved, then late stages are fine-tuned. auto: "
        "the same, without the fine-tuning where it is not shown to help. head-only: the head. "
        "gradual: one more stage at a time. lp-ft: the head, then everything. full: everything.",
    ),
    "epochs": text(
        "Epochs: one number for the fine-tuning; two, as in 20,15, train the head too instead of "
        "solving it."
    ),
    "learning_rate": text(
        "Learning rate: one number for the fine-tuning; two, as in 1e-3,3e-4, train the head too."
    ),
    "refit": row(
        bool | None,
        None,
        "Train on all examples, and print an estimate out of examples that were left out before; "
        "default: with up to 2,000 examples and no validation data.",
        "--refit/--no-refit",
    ),
    "train_from": text(
        "Stage from which two-phase fine-tunes, as in block_13, or -2 for the last two."
    ),
    "hidden": row(
        int | None, None, "Units of a hidden layer in the head; default: no hidden layer."
    ),
    "dropout": row(float, None, "Dropout of the head."),
    "seed": row(int, 0, "Seed of everything that is random."),
    "batch_size": row(int, 32, "Examples per step."),
    "validation": text(
        "Validation data, or the fraction of the training data to hold back; default: val/, or 0.2."
    ),
    "cache": row(
        str,
        "auto",
        "Whether activations of the frozen part are kept: auto, always, never, or a folder for "
        "them.",
    ),
    "precision": row(
        str, "float32", "What training computes in: float32, mixed_float16 or mixed_bfloat16."
    ),
    "find_learning_rate": row(
        bool,
        False,
        "Train nothing: show how the loss of the plan's first phase changes as the learning rate "
        "rises. Takes no --out.",
        "--find-learning-rate",
    ),
    "tensorboard": row(bool, False, "Write TensorBoard logs into the run."),
    "track": text(
        "Also write the run to MLflow: mlflow, or mlflow:URI, as in mlflow:http://localhost:5000."
    ),
    "report": row(bool, False, "Write report.html into the run when it is done.", "--report"),
    "resume": row(bool, False, "Go on with an interrupted run.", "--resume"),
    "overwrite": row(bool, False, "Replace a run.", "--overwrite"),
    # Of images.
    "image_size": text(
        "Height and width of the images in pixels, as in 160 or 160x224; default: the backbone's "
        "own."
    ),
    "resize": row(
        str, "stretch", "Images of another aspect ratio: stretch, pad (with grey) or crop."
    ),
    "augment": row(bool, True, "Vary the training images."),
    "flip": row(
        bool, True, "Let the variations be mirrored too; switch this off for digits and letters."
    ),
    "views": row(int, 8, "How many variations of each image there are."),
    # Of texts.
    "tokenizer": text("Directory of a tokenizer, for random weights."),
    "max_length": row(int, 128, "Maximum tokens per text; longer ones are cut."),
    "pooling": text(
        "How features become a vector: avg or max for images; mean, class_token, max or "
        "attention for texts; default: the backbone's own."
    ),
    # Of embeddings.
    "dimensions": row(int | None, None, "Length of the vectors; default: the backbone's own."),
    # Of your own recipes.
    "recipe": row(
        str,
        ...,
        "MODULE:NAME or FILE.py:NAME of a recipe, or of a function that makes one; it is run.",
    ),
}


def command(
    run: Callable[..., None],
    *,
    doc: str,
    arguments: Mapping[str, Any],
    rows: Iterable[tuple[str, Row]],
    defaults: Mapping[str, Any] | None = None,
) -> Callable[..., None]:
    """A function whose signature Typer reads, put together from rows.

    It calls ``run`` with all values by keyword, and with the names of those that the user gave
    as ``given``. ``arguments`` come first, then the rows in their order, and ``--json`` last;
    ``defaults`` stand in place of those of the rows.
    """
    given = [(name, (annotation, ...)) for name, annotation in arguments.items()]
    parameters = []
    for name, (annotation, default) in (*given, *rows, ("as_json", (Json, False))):
        value = (defaults or {}).get(name, default)
        parameters.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=annotation,
                default=inspect.Parameter.empty if value is ... else value,
            )
        )

    def composed(context: typer.Context, **values: Any) -> None:
        source = context.get_parameter_source
        given = {name for name in values if getattr(source(name), "name", "") == "COMMANDLINE"}
        run(**values, given=frozenset(given))

    composed.__doc__ = doc
    first = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    composed.__signature__ = inspect.Signature([first, *parameters])  # type: ignore[attr-defined]
    composed.__annotations__ = {item.name: item.annotation for item in (first, *parameters)}
    return composed


def data_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options of loading out of what was given; what was not is left to the loader."""
    readers: dict[str, tuple[str, Callable[[str], Any]]] = {
        "column": ("column", _column),
        "columns": ("heading", lambda names: names.split(",")),
        "group_column": ("group_column", _column),
        "encoding": ("encoding", str),
        "split_column": ("split_column", lambda name: False if name == "none" else _column(name)),
        "separator": ("label_separator", str),
        "field_separator": ("field_separator", separator_named),
    }
    options: dict[str, Any] = {
        option: read(values[name])
        for name, (option, read) in readers.items()
        if values.get(name) is not None
    }
    for name, usual in (("on_error", "warn"), ("depth", 1)):
        if values.get(name, usual) != usual:
            options[name] = values[name]
    columns = values.get("label_column")
    if columns:
        named = dict(item.split("=", 1) for item in columns if "=" in item)
        options["label_column"] = (
            {name: _columns(text) for name, text in named.items()}
            if named
            else _columns(",".join(columns))
        )
    return options


def image_size_of(text: str | None) -> int | tuple[int, int] | None:
    """A size in pixels, as ``160`` or ``160x224`` (height x width); raises ConfigurationError."""
    sides = [] if text is None else text.lower().split("x")
    if not all(side.strip().isdigit() for side in sides) or len(sides) > 2:
        raise ConfigurationError(
            f"--image-size {text!r} cannot be read: give pixels, as in 160, or height and width, "
            "as in 160x224."
        )
    numbers = tuple(map(int, sides))
    return numbers if len(numbers) == 2 else (numbers or (None,))[0]


def separator_named(text: str) -> str:
    """A separator as a shell takes it: a tab may be written out."""
    return "\t" if text in ("tab", "\\t") else text


def _columns(text: str) -> Any:
    found = [_column(part) for part in text.split(",")]
    return found[0] if len(found) == 1 else tuple(found)


def _column(text: str) -> str | int:
    """A column's name, or its number in a table without heading."""
    return int(text) if text.isdigit() else text
