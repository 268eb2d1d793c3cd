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

from kerastl.bundles.sessions import feeds_of, run_sources
from kerastl.formats import FORMATS, Session
from kerastl.inputs import Input, input_from_manifest

BATCHES = (1, 32)
WARM_UP = 3
LEAST_RUNS, MOST_RUNS = 10, 100
# A slow artifact is run the least number of times and no more.
MOST_SECONDS = 3.0


def measure(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Measures the artifact of a job.

    ``folder`` holds 32 sources ``inputs`` and, where the job says so, ``examples``, whose answers
    are written to ``outputs.npz``.

    Returns:
        ``load_seconds``; ``latency``, by batch size ``median_ms``, ``p95_ms`` and ``runs``;
        ``peak_memory_bytes`` and ``base_memory_bytes``, the process before it loaded anything.
    """
    bundle = Path(job["bundle"])
    input = input_from_manifest(job["manifest"], bundle)
    sources = input.stored(folder, "inputs")
    base = peak_memory()
    start = time.perf_counter()
    session = FORMATS[job["format"]].open(bundle / job["path"], job["threads"])
    _timed(session, input, sources[:1])()
    loaded = time.perf_counter() - start
    latency = {str(size): _latency(_timed(session, input, sources[:size])) for size in BATCHES}
    peak = peak_memory()
    if job["examples"]:
        examples = input.stored(folder, "examples")
        np.savez(folder / "outputs.npz", **run_sources(session, input, examples))  # type: ignore[arg-type]
    return {
        "load_seconds": loaded,
        "latency": latency,
        "peak_memory_bytes": peak,
        "base_memory_bytes": base,
    }


def _timed(session: Session, input: Input, sources: list[Any]) -> Callable[[], Any]:
    """One batch: from the source on, or from its array where reading is no part of an answer."""
    if not input.timed_from_arrays:
        return lambda: run_sources(session, input, sources)
    feeds = [feed for _, feed in feeds_of(session, input, sources)]
    return lambda: [session.run(feed) for feed in feeds]


def _latency(run: Callable[[], Any]) -> dict[str, float]:
    for _ in range(WARM_UP):
        run()
    times: list[float] = []
    while len(times) < LEAST_RUNS or (len(times) < MOST_RUNS and sum(times) < MOST_SECONDS):
        start = time.perf_counter()
        run()
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
