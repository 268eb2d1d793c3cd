"""Time and memory of solving a head: examples of 1,280 features and 10 classes.

    python benchmarks/probe.py [--most 100000]

Each row runs in a process of its own. ``choose`` is the choice of the penalty by cross-validated
likelihood, ``solve`` the final optimum; memory is the most that the process held, less what it held
before the features came. The last row reads the same features from a file and may keep an eighth
of them in memory. Beside it: scikit-learn's LogisticRegressionCV with the same penalties and folds,
on one thread too, for as long as it stays within the time.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

COLUMNS, CLASSES = 1280, 10


def features(count):
    """Skewed features of a low-dimensional signal and noise, float32, and the classes."""
    random = np.random.default_rng(0)
    signal = random.normal(size=(count, 40)).astype(np.float32)
    mixing = random.normal(size=(40, COLUMNS)).astype(np.float32)
    x = np.maximum(signal @ mixing / 6 + random.normal(size=(count, COLUMNS)), 0)
    scores = signal @ random.normal(size=(40, CLASSES)) + 2 * random.gumbel(size=(count, CLASSES))
    return x.astype(np.float32), scores.argmax(axis=1)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one(file, way):
    """Solves what a file holds; prints JSON."""
    from kerastl.solving import (
        STRENGTHS,
        Features,
        Problem,
        cross_validate,
        one_thread,
        solve,
    )

    content = np.load(file.with_suffix(".y.npy"))
    before = peak()
    x = np.load(file, mmap_mode="r")
    folds = np.arange(len(x)) % 5
    with one_thread():
        began = time.perf_counter()
        if way == "scikit-learn":
            from sklearn.linear_model import LogisticRegressionCV
            from sklearn.model_selection import PredefinedSplit

            rows = np.asarray(x, np.float64)
            rows -= rows.mean(axis=0)
            rows /= np.sqrt(rows.var(axis=0).sum())
            LogisticRegressionCV(
                Cs=[1 / l2 for l2 in STRENGTHS[:12]], cv=PredefinedSplit(folds),
                scoring="neg_log_loss", max_iter=1000,
            ).fit(rows, content)  # fmt: skip
            chosen = solved = time.perf_counter()
        else:
            limit = x.nbytes // 8 if way == "from a file" else 1 << 31
            found = Features([x], memory_limit=limit)
            problem = Problem(found, np.eye(CLASSES)[content], np.ones(len(x)), "softmax")
            l2 = cross_validate(problem, folds).l2
            chosen = time.perf_counter()
            solve(problem, l2)
            solved = time.perf_counter()
    print(json.dumps([chosen - began, solved - chosen, peak() - before]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=100_000)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds for scikit-learn")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(Path(arguments.one[0]), arguments.one[1])
        return
    print("| examples | way | choose, s | solve, s | memory, MiB | features, MiB |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for count in (1000, 10_000, 100_000):
            if count > arguments.most:
                break
            file = Path(folder) / f"{count}.npy"
            x, y = features(count)
            np.save(file, x)
            np.save(file.with_suffix(".y.npy"), y)
            ways = ["kerastl", "scikit-learn"]
            ways += ["from a file"] if count == arguments.most else []
            for way in ways:
                command = [sys.executable, __file__, "--one", str(file), way]
                limit = arguments.limit if way == "scikit-learn" else None
                try:
                    done = subprocess.run(
                        command, check=True, capture_output=True, text=True, timeout=limit
                    )
                except subprocess.TimeoutExpired:
                    print(f"| {count} | {way} | over {limit:.0f} | | | |", flush=True)
                    continue
                choose, solve, memory = json.loads(done.stdout)
                print(
                    f"| {count} | {way} | {choose:.1f} | {solve:.1f} | {memory:.0f} "
                    f"| {x.nbytes / 2**20:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
