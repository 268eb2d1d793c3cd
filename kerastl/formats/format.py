"""The third family: the forms in which a network is shipped, and how each is run."""

from __future__ import annotations

import abc
import dataclasses
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Shape = tuple[int | None, ...]


class Session(abc.ABC):
    """An artifact that is loaded in its own runtime.

    Attributes:
        inputs: shapes of the tensors that it takes, by name, without the batch; None where a
            dimension has any size.
        outputs: names of what it answers with.
        batch: ``"dynamic"``, or ``"1"`` where it answers one example at a time.
    """

    inputs: Mapping[str, Shape]
    outputs: tuple[str, ...]
    batch: str = "dynamic"

    @abc.abstractmethod
    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs one batch.

        Args:
            feeds: arrays ``(n, ...)`` by the names of ``inputs``; one example where ``batch`` is
                ``"1"``.

        Returns:
            float32 ``(n, width)`` by the names of ``outputs``.
        """

    @abc.abstractmethod
    def class_names(self) -> Any:
        """The class names that the artifact itself holds.

        A list for a task of one output; for several, lists by the names of those with classes.
        """


@dataclasses.dataclass(frozen=True)
class Format:
    """One form in which a network is shipped.

    Attributes:
        name: as in ``formats=("onnx",)``.
        title: for people.
        extra: of ``pip install 'kerastl[EXTRA]'``.
        runtime: module that runs an artifact.
        converters: further modules that converting needs.
        paths: inside a bundle, by quantisation; None is float32.
        session: ``"module:class"``, a ``Session`` of ``(path, threads)``; beside it
            ``module_conversion`` has ``convert(conversion) -> facts by path``.
        backend: of Keras in the process that converts.
        hub_library: what the Hugging Face hub calls the runtime.
        runner: the script in export/ that runs an artifact, and the packages that it needs.
        fixed_lengths: whether sequences have one length in the graph.
        runs_code: whether reading an artifact can run code that its maker put into it.
    """

    name: str
    title: str
    extra: str
    runtime: str
    converters: tuple[str, ...]
    paths: Mapping[str | None, str]
    session: str
    hub_library: str
    runner: tuple[str, str]
    backend: str = "tensorflow"
    fixed_lengths: bool = False
    runs_code: bool = False

    def path(self, quantization: str | None = None) -> str:
        """Path of an artifact inside its bundle."""
        return self.paths[quantization]

    def step(self, quantization: str | None = None) -> str:
        """What the conversion of an artifact is called where progress is told."""
        return f"converting to {self.name}" + (f" ({quantization})" if quantization else "")

    def open(self, path: Path, threads: int | None = None) -> Session:
        """Loads an artifact in its runtime, which chooses the number of threads where it is None.

        Raises MissingExtraError where the runtime is not installed.
        """
        module, _, name = self.session.partition(":")
        session: Session = getattr(importlib.import_module(module), name)(path, threads)
        return session

    def convert(self, conversion: Any) -> dict[str, dict[str, Any]]:
        """Writes the artifacts of a ``Conversion``; returns what the manifest says of each."""
        module = importlib.import_module(f"{self.session.partition(':')[0]}_conversion")
        found: dict[str, dict[str, Any]] = module.convert(conversion)
        return found
