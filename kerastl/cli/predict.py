"""``kerastl predict``: labels of images or texts, or vectors, from a run or a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import kerastl
from kerastl.cli import output
from kerastl.cli.output import Json, Trusted

# Of a vector's numbers; --json gives all.
_SHOWN = 6


def predict(
    model: Annotated[Path, typer.Argument(help="A run directory or a bundle.")],
    inputs: Annotated[
        list[str] | None, typer.Argument(help="Image files; of a model of texts, the texts.")
    ] = None,
    lines: Annotated[
        Path | None, typer.Option(help="A UTF-8 file with a text, or an image file, a line.")
    ] = None,
    trusted: Trusted = False,
    as_json: Json = False,
) -> None:
    """Predict the classes of images or texts, or what else a model says of texts."""

    def work() -> dict[str, Any]:
        given = [*(inputs or ()), *(_lines(lines) if lines is not None else ())]
        if not given:
            from kerastl.errors import ConfigurationError

            raise ConfigurationError(
                "There is nothing to predict: give files or texts, or --lines."
            )
        answers = _answers(model, given, trusted)
        return {
            "predictions": [
                {"input": item, **answer} for item, answer in zip(given, answers, strict=True)
            ]
        }

    def show(result: dict[str, Any], console: Console) -> None:
        for row in result["predictions"]:
            console.print(_line(row), highlight=False, markup=False)

    output.run(work, show, as_json=as_json)


def _lines(path: Path) -> list[str]:
    from kerastl.errors import ConfigurationError

    try:
        # Not splitlines(), which ends a line at characters that a text may hold.
        found = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--lines {path} cannot be read as UTF-8: {error}") from error
    return found[:-1] if found[-1] == "" else found


def _answers(model: Path, given: Sequence[str], trusted: bool) -> list[dict[str, Any]]:
    from kerastl.bundles import load_bundle

    if (model / "manifest.json").is_file():
        bundle = load_bundle(model, trusted=trusted)
        return bundle.answers(bundle.predict(given))
    trained = kerastl.load(model)
    return trained.task.answers(trained.outputs(given))


def _line(row: dict[str, Any]) -> str:
    if "embedding" in row:
        numbers = " ".join(f"{value:.4f}" for value in row["embedding"][:_SHOWN])
        return f"{row['input']}  {numbers} ..."
    if "value" in row:
        return f"{row['input']}  {row['value']:.6g}"
    if isinstance(row["label"], list):
        pairs = zip(row["label"], row["probability"], strict=True)
        return f"{row['input']}  " + ", ".join(f"{name} {value:.3f}" for name, value in pairs)
    return f"{row['input']}  {row['label']}  {row['probability']:.3f}"
