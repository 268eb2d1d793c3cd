"""``benchmark``: what each artifact of a bundle costs here, and how good its answers are."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kerastl.bundles.bundle import refuse_code
from kerastl.bundles.hashing import sha256_path, size_of
from kerastl.bundles.jobs import check_installed, run_worker
from kerastl.bundles.manifest import TASK, read_manifest
from kerastl.bundles.text_benchmarking import TextSubject
from kerastl.data import ExampleDataset, load
from kerastl.errors import BundleError, ConfigurationError, DataError
from kerastl.files import write_json
from kerastl.metrics import classification_metrics

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
        measured, or is none of the task's.

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
    formats = [entry["format"] for entry in manifest["artifacts"]]
    refuse_code(folder, manifest["artifacts"], trusted)
    subject = _subject(folder, manifest)
    check_installed(formats, to_convert=False, of_texts=isinstance(subject, TextSubject))
    for entry in manifest["artifacts"]:
        file = folder / entry["path"]
        if not file.exists() or sha256_path(file) != entry["sha256"]:
            raise BundleError(f"{file} is missing or was changed. Export the bundle again.")
    if split is not None:
        options["split"] = split
    with tempfile.TemporaryDirectory(prefix="kerastl-benchmark-") as temporary:
        work = Path(temporary)
        labels = None if data is None else subject.save_examples(work, data, **options)
        subject.save_inputs(work, BATCH)
        artifacts = []
        for entry in manifest["artifacts"]:
            if progress is not None:
                progress(f"measuring {entry['path']}")
            artifacts.append(_measure(subject, folder, entry, work, threads or cores, labels))
    return {
        "bundle": str(folder),
        "threads": threads or cores,
        "cores": cores,
        "machine": f"{platform.system()} {platform.machine()}",
        "of": subject.noun,
        "metric": subject.metric,
        "examples": None if labels is None else len(labels),
        "artifacts": artifacts,
    }


class ImageSubject:
    """A bundle of images as ``benchmark`` sees it.

    Args:
        folder: the bundle.
        manifest: its manifest.
    """

    noun = "images"
    metric = "accuracy"
    job: ClassVar[dict[str, Any]] = {}

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self._folder = folder
        self._class_names = tuple(manifest["class_names"])
        resize = manifest["input"]["resize"]
        self._size = (resize["size"][0], resize["size"][1])
        self._any_size = bool(resize["in_graph"])

    def save_inputs(self, work: Path, count: int) -> None:
        """Writes as many golden inputs, again from the start if there are too few."""
        try:
            with np.load(self._folder / "golden" / "inputs.npz") as archive:
                inputs = archive["image"]
        except (OSError, KeyError, ValueError) as error:
            raise BundleError(
                f"{self._folder}/golden cannot be read: {error}. Export it again."
            ) from error
        np.save(work / "inputs.npy", inputs[np.arange(count) % len(inputs)])

    def save_examples(self, work: Path, data: Any, **options: Any) -> Array:
        """Writes the images of the data and returns their labels.

        Raises:
            DataError: the data cannot be read, or its classes are others.
        """
        dataset = load(data, class_names=self._class_names, **options)
        if tuple(dataset.class_names) != self._class_names:
            raise DataError(
                f"The data's classes are {', '.join(dataset.class_names)}; the bundle's are "
                f"{', '.join(self._class_names)}, in that order."
            )
        batches = list(dataset.batches(self._size, BATCH))
        if not batches:
            raise DataError("Not a single image could be read.")
        np.save(work / "images.npy", np.concatenate([np.asarray(images) for images, _ in batches]))
        paths = _paths(dataset) if self._any_size else []
        labels = np.concatenate([np.asarray(labels) for _, labels in batches])
        if paths:
            # What resizes images itself is measured on them as they are.
            write_json(work / "images.json", paths)
        return labels

    def score(self, labels: Array, outputs: Array) -> dict[str, float]:
        """The task's metrics, as ``evaluate`` names them."""
        return classification_metrics(labels, outputs)


def _paths(dataset: Any) -> list[str]:
    """The files of the images that could be read; empty where some are none."""
    if not isinstance(dataset, ExampleDataset):
        return []
    named = zip(dataset.sources, dataset.names, strict=True)
    sources = [source for source, name in named if name not in dataset.unreadable]
    paths = [str(Path(x).resolve()) for x in sources if isinstance(x, str | os.PathLike)]
    return paths if len(paths) == len(sources) else []


def _subject(folder: Path, manifest: dict[str, Any]) -> ImageSubject | TextSubject:
    if manifest["task"] == TASK:
        return ImageSubject(folder, manifest)
    return TextSubject(folder, manifest)


def _measure(
    subject: ImageSubject | TextSubject,
    folder: Path,
    entry: dict[str, Any],
    work: Path,
    threads: int,
    labels: Array | None,
) -> dict[str, Any]:
    file = folder / entry["path"]
    facts = run_worker(
        {
            "kind": "measure",
            "of": subject.noun,
            "format": entry["format"],
            "artifact": str(file.resolve()),
            "threads": threads,
            "examples": labels is not None,
            **subject.job,
        },
        work,
    )
    metrics = None if labels is None else subject.score(labels, np.load(work / "outputs.npy"))
    return {
        "format": entry["format"],
        "path": entry["path"],
        "quantization": entry["quantization"],
        "bytes": size_of(file),
        **{key: value for key, value in facts.items() if key != "seconds"},
        "metrics": metrics,
        **{key: (metrics or {}).get(key) for key in ("accuracy", "accuracy_low", "accuracy_high")},
    }


def as_markdown(result: dict[str, Any]) -> str:
    """The result of :func:`benchmark` as a Markdown table."""
    metric = result["metric"]
    heading = (
        "file | MB | load s | ms at batch 1 (95 %) | ms at batch 32 (95 %) | peak MB | "
        + metric.replace("_", " ")
    )
    lines = [f"| {heading} |", "|" + "---|" * 7]
    for artifact in result["artifacts"]:
        single, many = (artifact["latency"][size] for size in ("1", "32"))
        metrics = artifact["metrics"]
        cells = (
            f"`{artifact['path']}`",
            f"{artifact['bytes'] / 1e6:.2f}",
            f"{artifact['load_seconds']:.2f}",
            f"{single['median_ms']:.1f} ({single['p95_ms']:.1f})",
            f"{many['median_ms']:.1f} ({many['p95_ms']:.1f})",
            _megabytes(artifact["peak_memory_bytes"]),
            "" if metrics is None else f"{metrics[metric]:.4f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    examples = result["examples"]
    lines += [
        "",
        f"{result['threads']} threads, {result['cores']} cores, {result['machine']}. Latency: "
        "median and 95th percentile. Each file in a process of its own; load includes the first "
        "answer."
        + (" A text from the string on." if result["of"] == "texts" else "")
        + (f" {_title(metric)} on {examples} {result['of']}." if examples else ""),
    ]
    return "\n".join(lines) + "\n"


def _title(metric: str) -> str:
    words = metric.replace("_", " ")
    return words[:1].upper() + words[1:]


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:.0f}"
