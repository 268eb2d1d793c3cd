"""``kerastl predict``: what a run or a bundle says of examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import kerastl
from kerastl.cli import early, output
from kerastl.cli.modules import import_all
from kerastl.cli.options import DATA, IMPORTS, Trusted, command, data_options, row
from kerastl.errors import DataError, counted, some_of

_MOST_NAMED = 20


def _predict(**values: Any) -> None:
    shown: list[str] = []
    out, as_json = values["out"], values["as_json"]

    def check() -> None:
        early.check_run_or_bundle(values["model"])
        if not any(values[name] for name in ("inputs", "lines", "table")):
            raise kerastl.ConfigurationError(
                "There is nothing to predict: give files, a folder or texts, --lines or --table."
            )
        if out is None and (values["resume"] or values["overwrite"]):
            raise kerastl.ConfigurationError("--resume and --overwrite go with --out.")

    def work() -> dict[str, Any]:
        from kerastl.bundles import answer_files

        import_all(values["imports"])
        if out is not None:
            answer_files.check_out(out, resume=values["resume"], overwrite=values["overwrite"])
        return _work(values, shown)

    def show(result: dict[str, Any], console: Console) -> None:
        if out is not None:
            console.print(f"{out}: {counted(result['rows'], 'row')}", highlight=False, markup=False)
            return
        for answer, line in zip(result["predictions"], shown, strict=True):
            console.print(f"{answer['input']}  {line}", highlight=False, markup=False)

    going_on = "" if out is None else "The same command goes on with what is there: --resume."
    output.run(work, show, as_json=as_json, on_interrupt=going_on, check=check)


predict = command(
    _predict,
    doc="Predict: classes, labels, numbers or vectors of images or texts.",
    arguments={
        "model": Annotated[Path, typer.Argument(help="A run directory or a bundle.")],
    },
    rows=[
        (
            "inputs",
            (
                Annotated[
                    list[str] | None,
                    typer.Argument(
                        help="Image files, folders or patterns such as 'photos/*.jpg'; of a model "
                        "of texts the texts, or folders of files."
                    ),
                ],
                None,
            ),
        ),
        ("lines", row(Path | None, None, "A file of text with a text, or an image file, a line.")),
        ("table", row(Path | None, None, "A table whose column --column holds the examples.")),
        *((name, DATA[name]) for name in ("column", "columns", "field_separator", "encoding")),
        ("out", row(Path | None, None, "Write a .csv, .jsonl or .parquet file.")),
        ("top_k", row(int | None, None, "Tell the N classes of the largest probabilities.")),
        ("every", row(bool, False, "Tell all probabilities.", "--all")),
        (
            "on_error",
            row(str, "warn", "What cannot be read: 'warn' skips it and says so, 'raise' fails."),
        ),
        ("resume", row(bool, False, "Go on with the rows of --out that are there.", "--resume")),
        ("overwrite", row(bool, False, "Replace the file of --out.", "--overwrite")),
        ("trusted", (Trusted, False)),
        ("imports", IMPORTS),
    ],
)


def _work(values: Mapping[str, Any], shown: list[str]) -> dict[str, Any]:
    """Opens the model, finds the examples and answers them."""
    from kerastl.bundles import answering
    from kerastl.bundles.answer_files import answer_file
    from kerastl.data.unlabelled import warn_of_ignored
    from kerastl.outputs.details import Details

    model, identity = answering.open_with_identity(values["model"], trusted=values["trusted"])
    details = Details(values["top_k"], values["every"])
    details.check(model.task.outputs)
    found = _examples(values, model.task.input.reader)
    warn_of_ignored(found, some_of(values["inputs"] or ()), model.task.input.reader)
    if not len(found):
        nouns = model.task.input.nouns
        raise DataError(f"There are no {nouns} in {', '.join(values['inputs'])}.")
    made_by = {"model": identity, "details": {"top_k": details.top_k, "all": details.every}}
    result: dict[str, Any]
    if values["out"] is None:
        answers: list[dict[str, Any]] = []
        skipped = []
        for part in _answers(model, found, values, details):
            answers += part.answers
            skipped += part.skipped
        shown += [model.task.line(item) for item in answers]
        result, answered = {"predictions": answers}, len(answers)
    else:
        with answer_file(values["out"], made_by, resume=values["resume"]) as file:
            answered, skipped = file.done.total(), []
            for part in _answers(model, answering.without(found, file.done), values, details):
                file.write(part.answers)
                answered += len(part.answers)
                skipped += part.skipped
            if not answered:
                raise _nothing_read(skipped, model)
        result = {"out": str(values["out"]), "rows": answered}
    if not answered:
        raise _nothing_read(skipped, model)
    _tell_skipped(skipped, model)
    return {
        **result,
        "skipped": [item.as_dict() for item in skipped],
        "ignored": dict(found.ignored),
    }


def _examples(values: Mapping[str, Any], reader: Any) -> Any:
    from kerastl.data.unlabelled import find_in_table, find_lines, find_unlabelled

    found = find_unlabelled(values["inputs"] or (), reader)
    if values["table"] is not None:
        options = data_options(values)
        column, heading = options.get("column", reader.column), options.get("heading")
        if heading is not None:
            column = heading.index(column) if column in heading else column
        how = {name: options.get(name) for name in ("encoding", "field_separator")}
        found += find_in_table(values["table"], reader, column, **how)
    if values["lines"] is not None:
        found += find_lines(values["lines"], reader, values["encoding"])
    return found


def _answers(model: Any, found: Any, values: Mapping[str, Any], details: Any) -> Iterator[Any]:
    from kerastl.bundles.answering import answer
    from kerastl.data.unreadable import check_on_error
    from kerastl.progress import ConsoleReporter

    return answer(
        model,
        found,
        details=details,
        on_error=check_on_error(values["on_error"]),
        encoding=values["encoding"],
        reporter=ConsoleReporter(),
    )


def _nothing_read(skipped: list[Any], model: Any) -> DataError:
    input = model.task.input
    more = f" {counted(len(skipped) - 1, 'other')} cannot be read either." if skipped[1:] else ""
    return DataError(f"Not a single {input.noun} could be read: {skipped[0].error}{more}")


def _tell_skipped(skipped: list[Any], model: Any) -> None:
    """Names what has no answer, on standard error."""
    if not skipped:
        return
    input = model.task.input
    verb = "was" if len(skipped) == 1 else "were"
    output.say(f"{counted(len(skipped), input.noun, input.nouns)} {verb} skipped:")
    for item in skipped[:_MOST_NAMED]:
        output.say(f"  {item.error}")
    if len(skipped) > _MOST_NAMED:
        output.say(f"  and {len(skipped) - _MOST_NAMED} more")
