"""``kerastl predict``: what a run or a bundle says of examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import kerastl
from kerastl.cli import output
from kerastl.cli.modules import import_all
from kerastl.cli.options import Imports, Json, Trusted


def predict(
    model: Annotated[Path, typer.Argument(help="A run directory or a bundle.")],
    inputs: Annotated[
        list[str] | None, typer.Argument(help="Image files; of a model of texts, the texts.")
    ] = None,
    lines: Annotated[
        Path | None, typer.Option(help="A UTF-8 file with a text, or an image file, a line.")
    ] = None,
    trusted: Trusted = False,
    imports: Imports = None,
    as_json: Json = False,
) -> None:
    """Predict: classes, labels, numbers or vectors of images or texts."""
    shown: list[str] = []

    def work() -> dict[str, Any]:
        import_all(imports)
        given = [*(inputs or ()), *(_lines(lines) if lines is not None else ())]
        if not given:
            raise kerastl.ConfigurationError(
                "There is nothing to predict: give files or texts, or --lines."
            )
        task, answers = _answers(model, given, trusted)
        shown.extend(task.line(answer) for answer in answers)
        pairs = zip(given, answers, strict=True)
        return {"predictions": [{"input": item, **answer} for item, answer in pairs]}

    def show(result: dict[str, Any], console: Console) -> None:
        for row, line in zip(result["predictions"], shown, strict=True):
            console.print(f"{row['input']}  {line}", highlight=False, markup=False)

    output.run(work, show, as_json=as_json)


def _lines(path: Path) -> list[str]:
    try:
        # Not splitlines(), which ends a line at characters that a text may hold.
        found = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        message = f"--lines {path} cannot be read as UTF-8: {error}"
        raise kerastl.ConfigurationError(message) from error
    return found[:-1] if found[-1] == "" else found


def _answers(model: Path, given: Sequence[str], trusted: bool) -> tuple[Any, list[dict[str, Any]]]:
    """The task of a run or a bundle, and its answers."""
    from kerastl.bundles import load_bundle

    if (model / "manifest.json").is_file():
        bundle = load_bundle(model, trusted=trusted)
        return bundle.task, bundle.answers(bundle.predict(given))
    trained = kerastl.load(model)
    return trained.task, trained.task.answers(trained.outputs(given))
