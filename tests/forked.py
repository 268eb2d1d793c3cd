"""Processes whose imports were made once, in a server that forks them.

A process of its own costs six seconds of imports before it does anything. Where a test needs one
for what happens in it (a crash, a limit, memory that is not shared), and not for how it starts,
it is forked from a server that has imported everything and run nothing. How processes start is
shown by tests/recipes/test_scripts.py, tests/bundles/test_failures.py and the bundle of
tests/bundles/test_export.py, which leave all of that to the product.
"""

import contextlib
import multiprocessing
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from kerastl.bundles import jobs

IMPORTED = (
    "tensorflow", "keras", "keras_hub", "tensorflow_text", "tokenizers", "tf2onnx", "onnx",
    "onnxruntime", "ai_edge_litert.interpreter",
)  # fmt: skip


def start(function, *arguments, environment=None):
    """Runs a function of a test module in a process of its own, and does not wait for it."""
    environment = environment or dict(os.environ)
    context = multiprocessing.get_context("forkserver")
    # What is not installed is left out.
    context.set_forkserver_preload(list(IMPORTED))
    process = context.Process(target=_call, args=(environment, function, arguments))
    process.start()
    return process


def _call(environment, function, arguments):
    os.environ.clear()
    os.environ.update(environment)
    function(*arguments)


def _work(job, log):
    """What ``python -m kerastl.bundles.worker JOB`` does."""
    sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
    with Path(log).open("ab", buffering=0) as handle:
        os.dup2(handle.fileno(), 1)
        os.dup2(handle.fileno(), 2)
    from kerastl.bundles import worker

    sys.exit(worker.main(job))


class Worker:
    """Stands for the ``subprocess.Popen`` of an export's worker."""

    def __init__(self, command, *, stdin, stdout, stderr, env):
        assert command[1:3] == ["-m", "kerastl.bundles.worker"]
        assert stdin == subprocess.DEVNULL
        assert stdout is stderr
        self._process = start(_work, command[3], stdout.name, environment=env)

    def poll(self):
        return self._process.exitcode

    returncode = property(poll)

    def kill(self):
        self._process.kill()

    def wait(self):
        self._process.join()
        return self.returncode


@contextlib.contextmanager
def workers():
    """Exports fork their workers, but for those of Keras's other backends."""

    def popen(command, *, env, **options):
        kind = Worker if env["KERAS_BACKEND"] == "tensorflow" else subprocess.Popen
        return kind(command, env=env, **options)

    modules = types.SimpleNamespace(Popen=popen, DEVNULL=subprocess.DEVNULL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "subprocess", modules)
        yield


@contextlib.contextmanager
def fresh_workers():
    """Exports start their workers as they do outside these tests, in a module that forks them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "subprocess", subprocess)
        yield
