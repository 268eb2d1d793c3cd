"""Runs the export worker, and turns every way in which it can fail into one clear error."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kerastl.errors import ExportError, MissingExtraError
from kerastl.formats import FORMATS
from kerastl.formats.pairs import pair_of
from kerastl.inputs import Input

STDERR_LINES = 12
_POLL_SECONDS = 0.05


def run_worker(
    job: dict[str, Any],
    folder: Path,
    progress: Callable[[str], None] | None = None,
    *,
    backend: str = "tensorflow",
) -> dict[str, Any]:
    """Carries out one job, JSON data, in a fresh Python process.

    ``folder`` holds the job's inputs and gets its outputs; ``progress`` is called with the name of
    each step as it begins; ``backend`` is Keras's in that process. Returns the facts that the
    worker reports, and under ``"seconds"`` each step's duration.

    Raises:
        ExportError: the worker failed or crashed; the message names the step.
    """
    for stale in ("progress.jsonl", "error.json", "facts.json"):
        (folder / stale).unlink(missing_ok=True)
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    seen: list[dict[str, Any]] = []
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "kerastl.bundles.worker", str(folder / "job.json")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(backend),
        )
        try:
            while process.poll() is None:
                _report(folder, seen, progress)
                time.sleep(_POLL_SECONDS)
        finally:
            # On an interrupt, or an error in ``progress``, no converter is left running.
            if process.poll() is None:
                process.kill()
            process.wait()
    _report(folder, seen, progress)
    if process.returncode != 0 or not (folder / "facts.json").exists():
        raise ExportError(_explain(folder, process.returncode, seen))
    facts: dict[str, Any] = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    facts["seconds"] = {item["step"]: item["seconds"] for item in seen if "seconds" in item}
    return facts


def check_installed(formats: Iterable[str], *, to_convert: bool, input: Input) -> None:
    """Raises MissingExtraError where packages of formats or inputs are missing; it names the extra.

    To be called before any work is done.
    """
    chosen = list(formats)
    for name in chosen:
        for module in (FORMATS[name].runtime, *(FORMATS[name].converters if to_convert else ())):
            what = f"{'Exporting to' if to_convert else 'Running'} {name}"
            _need(module, FORMATS[name].extra, what)
    # Now that their formats are installed, pairs can be imported.
    for member in (input, *(pair_of(input.kind, name) for name in chosen)):
        for module, extra in ({} if member is None else member.packages).items():
            _need(module, extra, f"A bundle of {input.nouns}")


def _need(module: str, extra: str, what: str) -> None:
    # Finding a module does not import it: TensorFlow stays out of this process.
    if module not in sys.modules and importlib.util.find_spec(module) is None:
        raise MissingExtraError(
            f"{what} needs {module!r}, which is not installed. Install it with: pip install "
            f"'kerastl[{extra}]'"
        )


def _environment(backend: str) -> dict[str, str]:
    paths = [str(Path(entry or ".").resolve()) for entry in sys.path]
    return {
        **os.environ,
        # The child finds what this process can import: kerastl, and the user's own layers.
        "PYTHONPATH": os.pathsep.join(paths),
        # But not what merely lies in the folder that the user is in, a bundle of somebody's maybe.
        "PYTHONSAFEPATH": "1",
        "KERAS_BACKEND": backend,
        # This process may hold the accelerator's memory, and TF32 would blur the comparison.
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


def _report(
    folder: Path, seen: list[dict[str, Any]], progress: Callable[[str], None] | None
) -> None:
    path = folder / "progress.jsonl"
    if not path.exists():
        return
    # The last piece has no line end yet while the worker is writing it.
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    for line in lines[len(seen) :]:
        entry = json.loads(line)
        seen.append(entry)
        if progress is not None and "seconds" not in entry:
            progress(entry["step"])


def _explain(folder: Path, status: int, seen: list[dict[str, Any]]) -> str:
    step = seen[-1]["step"] if seen else "starting"
    if (folder / "error.json").exists():
        error = json.loads((folder / "error.json").read_text(encoding="utf-8"))
        reason = error["message"].strip()[:2000]
        if "enable_unsafe_deserialization" in reason:
            # What Keras says of it helps nobody who exports.
            return (
                f"Export failed while {error['step']}: a Lambda layer holds Python code, which is "
                "never run from a file here. Write a layer of your own, in a module that can be "
                "imported, with @keras.saving.register_keras_serializable()."
            )
        return f"Export failed while {error['step']}: {error['type']}: {reason}"
    if status < 0:
        try:
            died = f"was killed by {signal.Signals(-status).name}"
        except ValueError:
            died = f"was killed by signal {-status}"
    else:
        died = f"ended with status {status}"
    log = (folder / "worker.log").read_text(encoding="utf-8", errors="replace")
    last = "\n".join(f"    {line}" for line in log.strip().splitlines()[-STDERR_LINES:])
    return (
        f"Export failed while {step}: the converter's process {died}. "
        f"Its last lines were:\n{last or '    (none)'}"
    )
