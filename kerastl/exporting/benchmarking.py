"""``benchmark``: what each artifact of a bundle costs here, and how often it is right."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.data import load
from kerastl.errors import BundleError, ConfigurationError, DataError
from kerastl.exporting.bundle import refuse_code
from kerastl.exporting.hashing import sha256_path, size_of
from kerastl.exporting.jobs import check_installed, run_worker
from kerastl.exporting.manifest import TASK, read_manifest
from kerastl.metrics import wilson_interval

Array = np.ndarray[Any, Any]

BATCH = 32


def benchmark(
    path: str | os.PathLike[str],
    data: Any = None,
    *,
    split: str | None = None,
    threads: int | None = None,
    trusted: bool = False,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Measures every artifact of a bundle, each in a process of its own.

    Args:
        path: the bundle.
        data: labelled images, of any kind that ``fit`` takes, for the accuracy; None leaves it
            out.
        split: part of a divided folder: ``"train"``, ``"validation"`` or ``"test"``.
        threads: of the runtimes; None takes as many as there are cores.
        trusted: you trust the bundle's maker, as ``model.pt2`` needs: see :func:`verify`.
        progress: called with a short text as each artifact begins.

    Returns:
        ``bundle``, ``threads``, ``cores``, ``machine``, ``examples`` and ``artifacts``, each with
        ``format``, ``path``, ``quantization``, ``bytes``, ``load_seconds`` (with the first
        answer), ``latency`` (by batch size, ``"1"`` and ``"32"``: ``median_ms``, ``p95_ms``,
        ``runs``), ``peak_memory_bytes``, ``base_memory_bytes`` (of the process before it loaded
        the artifact), ``accuracy``, ``accuracy_low`` and ``accuracy_high`` (a 95 % Wilson
        interval; None without data).

    Raises:
        BundleError: the folder is no bundle, or an artifact is missing or was changed.
        ConfigurationError: the number of threads cannot be.
        DataError: the data cannot be read, or its classes are others.
        MissingExtraError: a runtime is not installed.
    """
    cores = os.cpu_count() or 1
    if threads is not None and threads < 1:
        raise ConfigurationError(f"threads must be 1 or more; received {threads!r}.")
    folder = Path(path)
    manifest = read_manifest(folder)
    refuse_code([entry["format"] for entry in manifest["artifacts"]], trusted)
    if manifest["task"] != TASK:
        raise ConfigurationError(
            f"{folder} is a bundle of texts ({manifest['task']}); benchmark measures bundles of "
            "images so far. `kerastl verify` proves it."
        )
    check_installed([entry["format"] for entry in manifest["artifacts"]], to_convert=False)
    for entry in manifest["artifacts"]:
        file = folder / entry["path"]
        if not file.exists() or sha256_path(file) != entry["sha256"]:
            raise BundleError(f"{file} is missing or was changed. Export the bundle again.")
    height, width = manifest["input"]["resize"]["size"]
    images, labels = _examples(data, split, tuple(manifest["class_names"]), (height, width))
    with tempfile.TemporaryDirectory(prefix="kerastl-benchmark-") as temporary:
        work = Path(temporary)
        np.save(work / "inputs.npy", _inputs(folder))
        if images is not None:
            np.save(work / "images.npy", images)
        artifacts = []
        for entry in manifest["artifacts"]:
            if progress is not None:
                progress(f"measuring {entry['path']}")
            artifacts.append(_measure(folder, entry, work, threads or cores, labels))
    return {
        "bundle": str(folder),
        "threads": threads or cores,
        "cores": cores,
        "machine": f"{platform.system()} {platform.machine()}",
        "examples": None if labels is None else len(labels),
        "artifacts": artifacts,
    }


def _inputs(folder: Path) -> Array:
    """As many of the golden inputs as the largest batch has, again from the start if too few."""
    try:
        with np.load(folder / "golden" / "inputs.npz") as archive:
            inputs = archive["image"]
    except (OSError, KeyError, ValueError) as error:
        raise BundleError(f"{folder}/golden cannot be read: {error}. Export it again.") from error
    return np.asarray(inputs[np.arange(BATCH) % len(inputs)])


def _examples(
    data: Any, split: str | None, class_names: tuple[str, ...], size: tuple[int, int]
) -> tuple[Array | None, Array | None]:
    if data is None:
        return None, None
    options: dict[str, Any] = {} if split is None else {"split": split}
    dataset = load(data, class_names=class_names, **options)
    if tuple(dataset.class_names) != class_names:
        raise DataError(
            f"The data's classes are {', '.join(dataset.class_names)}; the bundle's are "
            f"{', '.join(class_names)}, in that order."
        )
    batches = list(dataset.batches(size, BATCH))
    if not batches:
        raise DataError("Not a single image could be read.")
    images = np.concatenate([np.asarray(images) for images, _ in batches])
    return images, np.concatenate([np.asarray(labels) for _, labels in batches])


def _measure(
    folder: Path, entry: dict[str, Any], work: Path, threads: int, labels: Array | None
) -> dict[str, Any]:
    file = folder / entry["path"]
    facts = run_worker(
        {
            "kind": "measure",
            "format": entry["format"],
            "artifact": str(file.resolve()),
            "threads": threads,
            "examples": labels is not None,
        },
        work,
    )
    accuracy = low = high = None
    if labels is not None:
        right = int((np.load(work / "outputs.npy").argmax(axis=1) == labels).sum())
        accuracy = right / len(labels)
        low, high = wilson_interval(right, len(labels))
    return {
        "format": entry["format"],
        "path": entry["path"],
        "quantization": entry["quantization"],
        "bytes": size_of(file),
        **{key: value for key, value in facts.items() if key != "seconds"},
        "accuracy": accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
    }


def as_markdown(result: dict[str, Any]) -> str:
    """The result of :func:`benchmark` as a Markdown table."""
    heading = (
        "file | MB | load s | ms at batch 1 (95 %) | ms at batch 32 (95 %) | peak MB | accuracy"
    )
    lines = [f"| {heading} |", "|" + "---|" * 7]
    for artifact in result["artifacts"]:
        single, many = (artifact["latency"][size] for size in ("1", "32"))
        accuracy = artifact["accuracy"]
        cells = (
            f"`{artifact['path']}`",
            f"{artifact['bytes'] / 1e6:.2f}",
            f"{artifact['load_seconds']:.2f}",
            f"{single['median_ms']:.1f} ({single['p95_ms']:.1f})",
            f"{many['median_ms']:.1f} ({many['p95_ms']:.1f})",
            _megabytes(artifact["peak_memory_bytes"]),
            "" if accuracy is None else f"{accuracy:.4f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    examples = result["examples"]
    lines += [
        "",
        f"{result['threads']} threads, {result['cores']} cores, {result['machine']}. Latency: "
        "median and 95th percentile. Each file in a process of its own; load includes the first "
        "answer." + (f" Accuracy on {examples} images." if examples else ""),
    ]
    return "\n".join(lines) + "\n"


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:.0f}"
