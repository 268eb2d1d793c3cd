"""``benchmark``: what each artifact of a bundle costs here, and how good its answers are."""

from __future__ import annotations

import os
import platform
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kerastl.bundles import golden
from kerastl.bundles.bundle import refuse_code
from kerastl.bundles.hashing import refuse_changed, size_of
from kerastl.bundles.jobs import check_installed, run_worker
from kerastl.bundles.manifest import read_manifest, task_of
from kerastl.bundles.running import read_arrays
from kerastl.data import Dataset, ExampleDataset, load_for
from kerastl.errors import ConfigurationError, DataError, DataWarning, counted
from kerastl.inputs import Input
from kerastl.task import Array, Task

BATCH = 32


def benchmark(
    path: str | os.PathLike[str],
    data: Any = None,
    *,
    split: str | None = None,
    threads: int | None = None,
    trusted: bool = False,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Measures every artifact of a bundle, each in a process of its own.

    Latency is that of an image that was decoded and resized before, and of a text from the string
    on, with its tokenisation.

    Args:
        path: the bundle.
        data: labelled images or texts, of any kind that ``fit`` takes, for the task's metrics;
            None leaves them out.
        split: part of a divided folder: ``"train"``, ``"validation"`` or ``"test"``.
        threads: of the runtimes; None takes as many as there are cores.
        trusted: you trust the bundle's maker, as ``model.pt2`` needs: see :func:`verify`.
        progress: called with a short text as each artifact begins.
        **options: of ``kerastl.data.load`` or ``load_texts``, as ``text_column="message"``.

    Returns:
        ``bundle``, ``threads``, ``cores``, ``machine``, ``of`` (``"images"`` or ``"texts"``),
        ``metric`` (the name of the one that tables show), ``examples`` and ``artifacts``, each
        with ``format``, ``path``, ``quantization``, ``bytes``, ``load_seconds`` (with the first
        answer), ``latency`` (by batch size, ``"1"`` and ``"32"``: ``median_ms``, ``p95_ms``,
        ``runs``), ``peak_memory_bytes``, ``base_memory_bytes`` (of the process before it loaded
        the artifact), ``metrics`` (what ``evaluate`` reports), and of these ``accuracy`` and its
        95 % Wilson interval ``accuracy_low`` and ``accuracy_high``. None stands for what was not
        measured, or what the task has no value for.

    Raises:
        BundleError: the folder is not a bundle, or an artifact is missing or was changed.
        ConfigurationError: the number of threads is not positive.
        DataError: the data cannot be read, or its classes are others.
        MissingExtraError: a runtime is not installed.
    """
    cores = os.cpu_count() or 1
    if threads is not None and threads < 1:
        raise ConfigurationError(f"threads must be 1 or more; received {threads!r}.")
    folder = Path(path)
    manifest = read_manifest(folder)
    artifacts = manifest["artifacts"]
    refuse_code(folder, artifacts, trusted)
    refuse_changed(folder, {entry["path"]: entry["sha256"] for entry in artifacts})
    task = task_of(manifest, folder)
    formats = [entry["format"] for entry in artifacts]
    check_installed(formats, to_convert=False, input=task.input)
    if split is not None:
        options["split"] = split
    with tempfile.TemporaryDirectory(prefix="kerastl-benchmark-") as temporary:
        work = Path(temporary)
        kept = golden.read(folder, task, [entry["path"] for entry in artifacts]).sources
        task.input.store(work, "inputs", [kept[i % len(kept)] for i in range(BATCH)])
        labels = None
        if data is not None:
            labels = _stored_examples(task, load_for(task, data, **options), work)
        job = {
            "does": "measure",
            "bundle": str(folder.resolve()),
            "manifest": manifest,
            "threads": threads or cores,
            "examples": labels is not None,
            "imports": [type(task.input).__module__],
        }
        measured = []
        for entry in artifacts:
            if progress is not None:
                progress(f"measuring {entry['path']}")
            measured.append(_measured(task, entry, job, work, labels))
    return {
        "bundle": str(folder),
        "threads": threads or cores,
        "cores": cores,
        "machine": f"{platform.system()} {platform.machine()}",
        "of": task.input.nouns,
        "timed_from": task.input.noun if not task.input.timed_from_arrays else "array",
        "metric": task.metric,
        "examples": None if labels is None else len(next(iter(labels.values()))),
        "artifacts": measured,
    }


def _stored_examples(task: Task, data: Dataset, work: Path) -> dict[str, Array]:
    """Writes the examples of the data and returns their labels; skips what cannot be read."""
    if not isinstance(data, ExampleDataset):
        raise DataError("A stream has no length: give its examples as arrays (x, y).")
    rows = [i for i in range(len(data)) if _can_read(task.input, data.sources[i])]
    if not rows:
        raise DataError(f"There is not a single {task.input.noun} that can be read.")
    if len(rows) < len(data):
        warnings.warn(
            f"{len(data) - len(rows)} of {len(data)} {task.input.nouns} cannot be read and are "
            "left out.",
            DataWarning,
            stacklevel=3,
        )
    task.input.store(work, "examples", [data.sources[i] for i in rows])
    return {name: labels[rows] for name, labels in data.targets.items()}


def _can_read(input: Input, source: Any) -> bool:
    try:
        return bool(list(input.batches([source])))
    except DataError:
        return False


def _measured(
    task: Task,
    entry: Mapping[str, Any],
    job: Mapping[str, Any],
    work: Path,
    labels: Mapping[str, Array] | None,
) -> dict[str, Any]:
    facts = run_worker({**job, "format": entry["format"], "path": entry["path"]}, work)
    metrics = None
    if labels is not None:
        metrics = task.measure(labels, read_arrays(work / "outputs.npz"))
    return {
        "format": entry["format"],
        "path": entry["path"],
        "quantization": entry["quantization"],
        "bytes": size_of(Path(job["bundle"]) / entry["path"]),
        **{key: value for key, value in facts.items() if key != "seconds"},
        "metrics": metrics,
        **{key: (metrics or {}).get(key) for key in ("accuracy", "accuracy_low", "accuracy_high")},
    }


def as_markdown(result: dict[str, Any]) -> str:
    """The result of :func:`benchmark` as a Markdown table."""
    metric = result["metric"]
    words = metric.replace("_", " ")
    heading = (
        "file | MB | load s | ms at batch 1 (95 %) | ms at batch 32 (95 %) | peak MB | " + words
    )
    lines = [f"| {heading} |", "|" + "---|" * 7]
    for artifact in result["artifacts"]:
        single, many = (artifact["latency"][size] for size in ("1", "32"))
        metrics, peak = artifact["metrics"], artifact["peak_memory_bytes"]
        cells = (
            f"`{artifact['path']}`",
            f"{artifact['bytes'] / 1e6:.2f}",
            f"{artifact['load_seconds']:.2f}",
            f"{single['median_ms']:.1f} ({single['p95_ms']:.1f})",
            f"{many['median_ms']:.1f} ({many['p95_ms']:.1f})",
            "" if peak is None else f"{peak / 1e6:.0f}",
            "" if metrics is None else f"{metrics[metric]:.4f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    examples = result["examples"]
    lines += [
        "",
        f"{counted(result['threads'], 'thread')}, {counted(result['cores'], 'core')}, "
        f"{result['machine']}. Latency: "
        "median and 95th percentile. Each file in a process of its own; load includes the first "
        "answer."
        + (f" From the {result['timed_from']} on." if result["timed_from"] != "array" else "")
        + (f" {words[:1].upper()}{words[1:]} on {examples} {result['of']}." if examples else ""),
    ]
    return "\n".join(lines) + "\n"
