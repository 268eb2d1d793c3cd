"""What a run or a bundle says of examples without labels: one flow for both, chunk by chunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kerastl.bundles.hashing import sha256_path
from kerastl.bundles.manifest import read_manifest
from kerastl.bundles.predictor import load_bundle
from kerastl.data.unlabelled import Item, Skipped, Unlabelled, read_items, readable_only
from kerastl.errors import DataError, RunError, counted
from kerastl.outputs.details import SHORT_ANSWERS, Details
from kerastl.progress import Reporter
from kerastl.task import Task

Array = np.ndarray[Any, Any]
CHUNK = 64
"""Examples that are read and answered at once."""

_OF_A_RUN = ("model.keras", "task.json", "class_names.json")


class Answering(Protocol):
    """What a trained model and an opened bundle have in common."""

    @property
    def task(self) -> Task:
        """What goes in and what comes out."""

    def outputs(self, inputs: Any) -> Mapping[str, Array]:
        """What the network gives for a list of examples, float32 ``(n, width)`` by name."""


@dataclass(frozen=True)
class Answered:
    """What a chunk of examples was answered.

    Attributes:
        answers: JSON data: ``input``, ``label``, ``probability`` and what else an output tells.
        skipped: examples that could not be read.
    """

    answers: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def open_with_identity(path: Path, *, trusted: bool = False) -> tuple[Answering, str]:
    """Opens a run directory or a bundle, and says by a hash which model it is.

    Raises:
        RunError: it is neither; or as ``load_run`` and ``load_bundle``.
    """
    if (path / "manifest.json").is_file():
        predictor = load_bundle(path, trusted=trusted)
        manifest = read_manifest(path)
        return predictor, f"{manifest['manifest_sha256']} {predictor.path}"
    # Opening a bundle needs no Keras.
    from kerastl.model import load_run

    if not path.exists():
        raise RunError(f"There is no run directory {path}, and no bundle.")
    model = load_run(path)
    held = [path / name for name in _OF_A_RUN if (path / name).exists()]
    return model, " ".join(sha256_path(file) for file in held)


def answer(
    model: Answering,
    found: Unlabelled,
    *,
    details: Details = SHORT_ANSWERS,
    on_error: str = "warn",
    encoding: str | None = None,
    reporter: Reporter | None = None,
) -> Iterator[Answered]:
    """Answers examples in chunks, so that memory stays bounded.

    Args:
        model: a trained model or an opened bundle.
        found: the examples.
        details: what answers tell besides their label.
        on_error: ``"warn"`` passes over what cannot be read and reports it, ``"raise"`` raises.
        encoding: of files of text; None finds it.
        reporter: hears of the progress where there is more than one chunk.

    Yields:
        Answers in the order of the examples, and what was skipped.

    Raises:
        DataError: an example cannot be read and ``on_error`` is ``"raise"``.
    """
    task, items = model.task, found.items
    details.check(task.outputs)
    raises = on_error == "raise"
    _refuse(found.skipped, raises)
    if found.skipped:
        yield Answered(skipped=list(found.skipped))
    hears = reporter if len(items) > CHUNK else None
    if hears:
        hears.start("predicting", len(items))
    for start in range(0, len(items), CHUNK):
        chunk = items[start : start + CHUNK]
        answered = _answer(model, chunk, details, encoding, raises)
        if hears:
            hears.advance(start + len(chunk))
        yield answered
    if hears:
        hears.finish(counted(len(items), task.input.noun, task.input.nouns))


def _answer(
    model: Answering, chunk: Sequence[Item], details: Details, encoding: str | None, raises: bool
) -> Answered:
    input = model.task.input
    pairs, skipped = read_items(chunk, input, encoding)
    _refuse(skipped, raises)
    sources = [source for _, source in pairs]
    if not sources:
        return Answered(skipped=skipped)
    try:
        outputs = model.outputs(sources)
    except DataError:
        if raises:
            raise
        # Found by reading them once more, without the network.
        good, bad = readable_only(sources, input)
        if not bad:
            raise
        skipped += [Skipped(pairs[at][0].title, str(error)) for at, error in bad]
        pairs = [pairs[at] for at in good]
        if not pairs:
            return Answered(skipped=skipped)
        outputs = model.outputs([source for _, source in pairs])
    rows = model.task.answers(outputs, details)
    named = [{"input": item.title, **row} for (item, _), row in zip(pairs, rows, strict=True)]
    return Answered(named, skipped)


def _refuse(skipped: Sequence[Skipped], raises: bool) -> None:
    if raises and skipped:
        raise DataError(skipped[0].error)


def without(found: Unlabelled, done: Mapping[str, int]) -> Unlabelled:
    """The examples that have no answer yet; ``done`` counts by title those that have."""
    left = Counter(done)
    items = []
    for item in found.items:
        if left[item.title]:
            left[item.title] -= 1
        else:
            items.append(item)
    return Unlabelled(tuple(items), found.skipped, found.ignored)
