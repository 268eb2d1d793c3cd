"""Measures one artifact in this process: time to load, latency, memory, answers.

Runs in the worker, a fresh process for each artifact, so that peak memory is its own.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from kerastl.exporting.runtimes import Runtime, open_artifact

Array = np.ndarray[Any, Any]

BATCHES = (1, 32)
WARM_UP = 3
LEAST_RUNS, MOST_RUNS = 10, 100
# A slow artifact is run the least number of times and no more.
MOST_SECONDS = 3.0


def measure(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Measures the artifact of a job.

    Args:
        job: ``format``, ``artifact`` (a path), ``threads`` and ``examples`` (a bool).
        folder: holds ``inputs.npy``, uint8 ``(32, height, width, 3)``, and, with examples,
            ``images.npy``; gets ``outputs.npy`` for these.

    Returns:
        ``load_seconds``; ``latency``, by batch size ``median_ms``, ``p95_ms`` and ``runs``;
        ``peak_memory_bytes`` and ``base_memory_bytes``, the process before it loaded anything.
    """
    inputs = np.load(folder / "inputs.npy").astype(np.float32)
    base = peak_memory()
    start = time.perf_counter()
    runtime = open_artifact(job["format"], Path(job["artifact"]), threads=job["threads"])
    runtime.run(inputs[:1])
    loaded = time.perf_counter() - start
    latency = {str(size): _latency(runtime, inputs[:size]) for size in BATCHES}
    peak = peak_memory()
    if job["examples"]:
        images = np.load(folder / "images.npy", mmap_mode="r")
        np.save(folder / "outputs.npy", runtime.predict(images))
    return {
        "load_seconds": loaded,
        "latency": latency,
        "peak_memory_bytes": peak,
        "base_memory_bytes": base,
    }


def _latency(runtime: Runtime, images: Array) -> dict[str, float]:
    for _ in range(WARM_UP):
        runtime.run(images)
    times: list[float] = []
    while len(times) < LEAST_RUNS or (len(times) < MOST_RUNS and sum(times) < MOST_SECONDS):
        start = time.perf_counter()
        runtime.run(images)
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
