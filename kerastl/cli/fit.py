"""``kerastl fit``: a command for each recipe, put together from shared options."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

import kerastl
from kerastl.cli import early, output
from kerastl.cli.modules import find, import_all
from kerastl.cli.options import DATA, FIT, IMPORTS, command, data_options, image_size_of
from kerastl.cli.plans import check_plan, make_plan, stage_of
from kerastl.cli.resuming import recording_options, resumed_options
from kerastl.cli.summary import show_summary, summary_of
from kerastl.optional import require

CACHE: dict[str, str | bool] = {"always": True, "never": False}
_SHOWN_RATES = 12
_TAKEN_UP = {"resume": True, "overwrite": False}
fit_app = typer.Typer(no_args_is_help=True, help="Train a model.")

Values = Mapping[str, Any]
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="Folder of class folders (or one holding train/ and val/), a CSV, TSV, JSON Lines or "
        "Parquet table, or tfds:NAME.",
    ),
]
_RUN = (
    *("seed", "batch_size", "validation", "cache", "precision", "find_learning_rate"),
    *("tensorboard", "track", "report", "resume", "overwrite"),
)
_CLASSES = ("kind", "output", "loss_weights", "class_weight")
_PLAN = ("plan", "epochs", "learning_rate", "train_from", "refit")
_HEAD = ("hidden", "dropout")
_IMAGES = ("image_size", "resize", "augment", "flip", "views")
_TEXTS = ("tokenizer", "max_length", "pooling")
_VECTORS = ("epochs", "learning_rate", "train_from", "dimensions")


def _fit(command: str, make: Callable[[Values], Any], values: Values) -> None:
    """Trains the recipe that options describe, or finds a learning rate for it."""
    data, out = values["data"], values["out"]
    searching = values["find_learning_rate"]

    def check() -> None:
        if searching and out is not None:
            raise kerastl.ConfigurationError(
                "--find-learning-rate trains nothing that could be kept: leave --out out."
            )
        if not searching and out is None:
            raise kerastl.ConfigurationError("--out is missing: name the run directory to write.")
        if values["report"]:
            # Hours of training later would be too late to hear of it.
            require("jinja2", extra="report", purpose="Writing a report")
        validation = _validation_of(values["validation"])
        early.check_data(data, validation if isinstance(validation, str) else None)
        check_plan(values)

    def work() -> dict[str, Any]:
        chosen = resumed_options(command, values)
        import_all(chosen.get("imports"))
        recipe = make(chosen)
        options = {**data_options(chosen), "seed": chosen["seed"]}
        validation = _validation_of(chosen["validation"])
        if searching:
            found = recipe.find_learning_rate(data, validation, **options)
            return dataclasses.asdict(found)
        options |= {name: values[name] for name in ("resume", "overwrite", "tensorboard")}
        options["track"] = chosen["track"]
        with recording_options(command, chosen):
            model = recipe.fit(data, validation, out=out, **options)
        written = {}
        if values["report"]:
            written["report"] = str(kerastl.report(out, out=out / "report.html"))
            if chosen["track"] is not None:
                # A finished run is taken up, and its report goes to where it is tracked.
                recipe.fit(data, validation, out=out, **{**options, **_TAKEN_UP})
        phases = [{k: v for k, v in phase.items() if k != "history"} for phase in model.history]
        return {
            "run": str(out),
            "classes": list(model.class_names),
            "phases": phases,
            "metrics": dict(model.metrics),
            **summary_of(model, values.get("class_weight")),
            **written,
        }

    show = _show_rates if searching else _show_run
    output.run(work, show, as_json=values["as_json"], on_interrupt=output.RESUME, check=check)


def _recipe_of(name: str, values: Values) -> Any:
    """The recipe of a class of ``kerastl`` that options describe."""
    made = getattr(kerastl, name)
    known = {field.name for field in dataclasses.fields(made)}
    given = {key: value for key, value in values.items() if key in known and value is not None}
    given["weights"] = None if values["weights"] == "none" else values["weights"]
    given["cache"] = CACHE.get(values["cache"], values["cache"])
    if "image_size" in given:
        given["image_size"] = image_size_of(given["image_size"])
    if "head" in known:
        fields = {field.name for field in dataclasses.fields(made.HEAD)}
        head = {k: v for k, v in values.items() if k in fields and v is not None}
        given["head"] = made.HEAD(**head)
    if "augment" in known:
        augment = kerastl.Augment(views=values["views"], flip=values["flip"])
        given["augment"] = augment if values["augment"] else None
    if values.get("output"):
        pairs = (_pair(item, "--output", "count=regression") for item in values["output"])
        given["outputs"] = dict(pairs)
    if values.get("loss_weights"):
        given["loss_weights"] = _loss_weights(values["loss_weights"])
    given.pop("plan", None)
    recipe = made(**given)
    return dataclasses.replace(recipe, plan=_plan(recipe, values))


def _own_recipe(values: Values) -> Any:
    """The recipe, or what the function gives that makes it, of a module of the user's own."""
    from kerastl.recipes import Recipe

    found = find(values["recipe"])
    if callable(found):
        found = found()
    if not isinstance(found, Recipe):
        raise kerastl.ConfigurationError(f"{values['recipe']!r} is {found!r}, and not a recipe.")
    return found


def _plan(recipe: Any, values: Values) -> Any:
    if "plan" in values:
        return make_plan(recipe, values)
    # Without a choice of plans there is one phase, which the options change.
    [phase] = recipe.resolved_plan
    read: dict[str, Any] = {"epochs": int, "learning_rate": float, "train_from": stage_of}
    changes: dict[str, Any] = {}
    for key, function in read.items():
        try:
            if values[key] is not None:
                changes[key] = function(values[key])
        except ValueError as error:
            option = f"--{key.replace('_', '-')}"
            raise kerastl.ConfigurationError(f"{option} cannot be read: {error}.") from error
    return (dataclasses.replace(phase, **changes),)


def _loss_weights(text: str) -> Any:
    if "=" not in text:
        return text
    pairs = (_pair(item, "--loss-weights", "count=0.5") for item in text.split(","))
    try:
        return {name: float(number) for name, number in pairs}
    except ValueError as error:
        raise kerastl.ConfigurationError(
            f"--loss-weights {text!r} cannot be read: {error}."
        ) from error


def _pair(text: str, option: str, example: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise kerastl.ConfigurationError(
            f"{option} {text!r} cannot be read: give a name and a value, as in {option} {example}."
        )
    return name, value


def _add(name: str, make: Callable[[Values], Any], doc: str, *rows: str, **defaults: Any) -> None:
    listed = [(row, FIT[row]) for row in (*rows[:1], "out", *rows[1:], *_RUN, *DATA)]
    fit_app.command(name)(
        command(
            lambda **values: _fit(name, make, values),
            doc=doc,
            arguments={"data": Data},
            rows=[*listed, ("imports", IMPORTS)],
            defaults=defaults,
        )
    )


_add(
    "image",
    functools.partial(_recipe_of, "ImageClassification"),
    "Train on labelled images: a class, several labels or a number for each.",
    *("backbone", "weights", *_IMAGES, *_CLASSES, *_PLAN, *_HEAD),
    backbone="mobilenet_v2",
    weights="imagenet",
    dropout=0.3,
)
_add(
    "text",
    functools.partial(_recipe_of, "TextClassification"),
    "Train on labelled texts: a class, several labels or a number for each.",
    *("backbone", "weights", *_TEXTS, *_CLASSES, *_PLAN, *_HEAD),
    backbone="minilm_l6",
    weights="published",
    dropout=0.1,
)
_add(
    "embedding",
    functools.partial(_recipe_of, "TextEmbedding"),
    "Train an encoder whose vectors of texts of one class lie close together.",
    *("backbone", "weights", *_TEXTS, *_VECTORS),
    backbone="minilm_l6",
    weights="published",
)
_add(
    "image-embedding",
    functools.partial(_recipe_of, "ImageEmbedding"),
    "Train an encoder whose vectors of images of one class lie close together.",
    *("backbone", "weights", *_IMAGES, "pooling", *_VECTORS),
    backbone="mobilenet_v2",
    weights="imagenet",
)
_add("custom", _own_recipe, "Train a recipe of your own, which a Python module holds.", "recipe")


def _show_run(result: dict[str, Any], console: Console) -> None:
    # Runs of version 0.1.0 do not say by what they compared epochs.
    score = next((phase["score"] for phase in result["phases"] if "score" in phase), "accuracy")
    heading = f"val {score.replace('_', ' ')}"
    if result.get("estimate"):
        heading = heading.replace("val", "held-out")
    table = Table("step", "trains", "epochs", "seconds", heading, title="Steps")
    for phase in result["phases"]:
        table.add_row(
            phase["name"],
            f"{phase['trainable_parameters']:,} parameters",
            str(phase["epochs"] or "solved"),
            f"{phase['seconds']:.1f}",
            "-" if phase.get(score) is None else f"{phase[score]:.3f}",
        )
    console.print(table)
    show_summary(result, console)
    for key in ("run", "report"):
        if key in result:
            console.print(f"{key}: {result[key]}", highlight=False, markup=False)


def _show_rates(result: dict[str, Any], console: Console) -> None:
    table = Table("learning rate", "loss, smoothed", title="Learning-rate range test")
    pairs = list(zip(result["rates"], result["losses"], strict=True))
    for rate, loss in pairs[:: max(1, -(-len(pairs) // _SHOWN_RATES))]:
        table.add_row(f"{rate:.1e}", f"{loss:.4f}")
    console.print(table)
    if result["suggestion"] is None:
        console.print("The loss never fell: there is no rate to suggest.")
    else:
        console.print(
            f"suggestion: --learning-rate {result['suggestion']:.1e} for the first phase",
            highlight=False,
        )


def _validation_of(text: str | None) -> Any:
    """A fraction, or data."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text
