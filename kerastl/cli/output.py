"""What a command prints, and where: one JSON object or tables for people; exit codes."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from kerastl.errors import KerastlError, MissingExtraError, ParityError, counted

RESUME = "A run that had begun to train goes on with the same command and --resume."
BAD_INPUT = 2
PARITY_FAILED = 3
INTERRUPTED = 130


def say(line: str) -> None:
    """Prints a line as it is to standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(line, markup=False)


@contextlib.contextmanager
def standard_output_kept() -> Iterator[Callable[[str], None]]:
    """Keeps standard output for the result alone; yields a function that writes a line to it.

    Whatever libraries print meanwhile, from C too, goes to standard error.
    """
    sys.stdout.flush()
    try:
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # no such descriptors, as under a test runner that closed them
        yield print
        return

    def write(line: str) -> None:
        data = (line + "\n").encode()
        while data:
            data = data[os.write(kept, data) :]

    try:
        yield write
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def run(
    work: Callable[[], dict[str, Any]],
    show: Callable[[dict[str, Any], Console], None],
    *,
    as_json: bool,
    on_interrupt: str = "",
    check: Callable[[], None] | None = None,
    with_keras: bool = True,
) -> None:
    """Runs a command's work, prints its result, and turns errors into exit codes.

    ``work`` returns what ``--json`` prints, and ``show`` prints the same for a person. ``check``
    raises where arguments cannot be right, before Keras is imported for the work. Commands that do
    without Keras say so.
    """
    warnings.showwarning = _show_warning
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    with standard_output_kept() as write, terminating_like_ctrl_c():
        try:
            if check is not None:
                check()
            if with_keras:
                _import_quietly()
            result = work()
        except ParityError as error:
            # No bundle was written; the figures say why.
            result = {"bundle": None, "artifacts": list(error.results), "passed": False}
            if as_json:
                write(json.dumps({**result, "error": str(error)}, ensure_ascii=False))
            else:
                errors.print(artifacts_table(result))
            errors.print(f"[bold red]error:[/] {_escape(error)}")
            raise typer.Exit(PARITY_FAILED) from None
        # An OSError is a full disk, a folder that is not the user's, a name that is too long.
        except (KerastlError, OSError) as error:
            errors.print(f"[bold red]error:[/] {_escape(error)}")
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt:
            errors.print(f"Interrupted. {on_interrupt}".rstrip())
            raise typer.Exit(INTERRUPTED) from None
        if as_json:
            write(json.dumps(result, ensure_ascii=False))
    if not as_json:
        show(result, Console(soft_wrap=True))


@contextlib.contextmanager
def terminating_like_ctrl_c() -> Iterator[None]:
    """Lets SIGTERM end a command as Ctrl-C does: nothing half-written, no process left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _import_quietly() -> None:
    """Imports Keras without what its backends log from C while they start."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("absl").setLevel(logging.ERROR)
    kept = os.dup(2)
    silent = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silent, 2)
        import keras  # noqa: F401
    except (ImportError, ValueError) as error:
        raise MissingExtraError(
            f"Keras cannot start with its backend: {error}. Install a backend, as in "
            "pip install 'kerastl[tensorflow]', or name the one that is installed, as in "
            "KERAS_BACKEND=jax."
        ) from error
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silent)


def _show_warning(message: Any, category: Any, *_: Any, **__: Any) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"[yellow]warning:[/] {_escape(message)}"
    )


def _escape(value: Any) -> str:
    return str(value).replace("[", r"\[")


def artifacts_table(result: dict[str, Any]) -> Table:
    """The artifacts of a bundle and how they compare with the model."""
    examples = max((artifact["n"] for artifact in result["artifacts"]), default=0)
    table = Table(title=f"Parity with the Keras model, on {counted(examples, 'example')}")
    for heading in ("file", "size", "differs", "labels", "correct", "float", "gate"):
        table.add_column(heading, no_wrap=True)
    for artifact in result["artifacts"]:
        table.add_row(
            artifact["path"],
            f"{artifact['bytes'] / 1e6:.1f} MB",
            "-" if artifact["max_abs_diff"] is None else f"{artifact['max_abs_diff']:.1e}",
            f"{artifact['label_agreement']:.1%}",
            "-" if artifact.get("accuracy") is None else f"{artifact['accuracy']:.3f}",
            # How many layers of a quantised artifact stayed in float.
            str(len(artifact.get("float_layers", ())) or "-")
            if artifact["quantization"]
            else "all",
            "[green]passed[/]" if artifact["passed"] else "[red]failed[/]",
        )
    return table


def float_layers_lines(result: dict[str, Any]) -> list[str]:
    """One line for each quantised artifact of which layers stayed in float."""
    return [
        f"{artifact['path']} keeps in float: {', '.join(artifact['float_layers'])}"
        for artifact in result["artifacts"]
        if artifact.get("float_layers")
    ]
