"""Measures one artifact in this process: time to load, latency, memory, answers.

Runs in the worker, a fresh process for each artifact, so that peak memory is its own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.bundles.runtimes import open_artifact
from kerastl.data import decode_full_size
from kerastl.files import read_json

Array = np.ndarray[Any, Any]
Answer = Callable[[Any], Array]

BATCHES = (1, 32)
WARM_UP = 3
LEAST_RUNS, MOST_RUNS = 10, 100
# A slow artifact is run the least number of times and no more.
MOST_SECONDS = 3.0


def measure(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Measures the artifact of a job.

    Args:
        job: ``of`` (``"images"`` or ``"texts"``), ``format``, ``artifact`` (a path), ``threads``
            and ``examples`` (a bool); of texts ``bundle`` and ``tokenizer`` as well.
        folder: holds ``inputs.npy``, uint8 ``(32, height, width, 3)``, and, with examples,
            ``images.npy``, or ``images.json``, files to be handed over at their own size; of texts
            ``inputs.json`` and ``texts.json``, lists of strings. Gets ``outputs.npy`` for the
            examples.

    Returns:
        ``load_seconds``; ``latency``, by batch size ``median_ms``, ``p95_ms`` and ``runs``;
        ``peak_memory_bytes`` and ``base_memory_bytes``, the process before it loaded anything.
    """
    open_runner = _images if job["of"] == "images" else _texts
    inputs, examples = _read(folder, job)
    base = peak_memory()
    start = time.perf_counter()
    run, predict = open_runner(job)
    run(inputs[:1])
    loaded = time.perf_counter() - start
    latency = {str(size): _latency(run, inputs[:size]) for size in BATCHES}
    peak = peak_memory()
    if examples is not None:
        np.save(folder / "outputs.npy", predict(examples))
    return {
        "load_seconds": loaded,
        "latency": latency,
        "peak_memory_bytes": peak,
        "base_memory_bytes": base,
    }


def _read(folder: Path, job: dict[str, Any]) -> tuple[Any, Any]:
    """The inputs to time, and the examples or None."""
    if job["of"] == "texts":
        texts = read_json(folder / "texts.json") if job["examples"] else None
        return read_json(folder / "inputs.json"), texts
    inputs = np.load(folder / "inputs.npy").astype(np.float32)
    if not job["examples"]:
        return inputs, None
    if (folder / "images.json").exists():
        return inputs, read_json(folder / "images.json")
    return inputs, np.load(folder / "images.npy", mmap_mode="r")


def _images(job: dict[str, Any]) -> tuple[Answer, Answer]:
    runtime = open_artifact(job["format"], Path(job["artifact"]), threads=job["threads"])

    def predict(images: Any) -> Array:
        if isinstance(images, list):
            return np.concatenate([runtime.predict(decode_full_size(x)[None]) for x in images])
        return runtime.predict(images)

    return runtime.run, predict


def _texts(job: dict[str, Any]) -> tuple[Answer, Answer]:
    from kerastl.bundles.text_runtimes import TextTokens, open_text_artifact

    tokens = TextTokens(Path(job["bundle"]), job["tokenizer"])
    runtime = open_text_artifact(job["format"], Path(job["artifact"]), job["threads"])

    def answer(texts: Any) -> Array:
        return runtime.predict(texts, tokens)

    return answer, answer


def _latency(run: Answer, inputs: Any) -> dict[str, float]:
    for _ in range(WARM_UP):
        run(inputs)
    times: list[float] = []
    while len(times) < LEAST_RUNS or (len(times) < MOST_RUNS and sum(times) < MOST_SECONDS):
        start = time.perf_counter()
        run(inputs)
        times.append(time.perf_counter() - start)
    milliseconds = 1000 * np.array(times)
    return {
        "median_ms": float(np.median(milliseconds)),
        "p95_ms": float(np.percentile(milliseconds, 95)),
        "runs": len(times),
    }


def peak_memory() -> int | None:
    """Largest resident size of this process so far, in bytes; None where it is not told."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux a process starts with its parent's largest size.
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, the others kibibytes.
    return int(largest if sys.platform == "darwin" else largest * 1024)
