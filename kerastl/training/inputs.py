"""What each phase of a plan trains on: cached activations, or images."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerastl.errors import ConfigurationError
from kerastl.graph import Cut, apply_boundary, split
from kerastl.inputs.examples import LazyView, as_input
from kerastl.training import activations
from kerastl.training.job import Job
from kerastl.training.phase import Plan

Array = np.ndarray[Any, Any]
# What a disk does without hurry; only the order of magnitude matters.
_WRITE_BYTES_PER_SECOND = 300e6
_READ_BYTES_PER_SECOND = 1e9


@dataclasses.dataclass(frozen=True)
class PhaseInputs:
    """What a phase trains and validates on.

    Attributes:
        model: the part that trains, sharing its weights with the network.
        train: one array (n, ...) of activations for each view; None where images go in at
            each step.
        validation: (n, ...) activations or images; None without validation data.
        fill_seconds: time that computing activations took.
        computed: examples, views counted, that went through the frozen part for it.
    """

    model: keras.Model
    train: tuple[Any, ...] | None
    validation: Any
    fill_seconds: float = 0.0
    computed: int = 0

    @property
    def cached_bytes(self) -> int:
        """Bytes of the training activations."""
        return sum(int(values.nbytes) for values in self.train or ())


def prepare(job: Job, plan: Plan, cuts: Sequence[Cut], first: int) -> dict[int, PhaseInputs]:
    """Computes the activations of a phase, and of all later ones for which they stay true.

    Args:
        job: network and data.
        plan: the phases.
        cuts: where each phase begins to train.
        first: number of the phase that comes next.

    Returns:
        The inputs of that phase, and of as many after it as one pass over the data can serve.
    """
    phases = [first]
    for index in range(first + 1, len(plan)):
        # A later phase that begins behind weights that will have trained by then must wait.
        if any(cuts[index].position > cuts[earlier].position for earlier in range(first, index)):
            break
        phases.append(index)

    apply_boundary(job.network, cuts[first], batch_norm=plan[first].batch_norm)
    unique = {cuts[index].position: cuts[index] for index in phases}
    views = {
        position: max(job.views(plan[i].epochs) for i in phases if cuts[i].position == position)
        for position in unique
    }
    epochs = {
        position: sum(plan[i].epochs for i in phases if cuts[i].position == position)
        for position in unique
    }
    chosen = _choose(job, unique, views, epochs)
    seconds, computed, stores = _fill(job, [unique[p] for p in chosen], views)

    inputs = {}
    for index in phases:
        position = cuts[index].position
        if position not in stores:
            held_out = None
            if job.validation is not None:
                held_out = LazyView(job.validation, 0, None)
            inputs[index] = PhaseInputs(job.network, None, held_out)
            continue
        train, validation = stores[position]
        inputs[index] = PhaseInputs(
            model=_part(job.network, cuts[index]),
            train=train[: views[position]],
            validation=validation,
            # The first phase pays; the others find their activations ready.
            fill_seconds=seconds if index == first else 0.0,
            computed=computed if index == first else 0,
        )
    return inputs


def _fill(
    job: Job, cuts: list[Cut], views: dict[int, int]
) -> tuple[float, int, dict[int, tuple[tuple[Any, ...], Any]]]:
    """Activations at some cuts: seconds, examples computed, (training views, validation)."""
    if not cuts:
        return 0.0, 0, {}
    most = max(views[cut.position] for cut in cuts)
    prefix = activations.prefix_of(job.network, cuts)
    filled: list[tuple[activations.Activations, ...] | None] = []
    for examples, name in ((job.train, "training"), (job.validation, "validation")):
        if examples is None:
            filled.append(None)
            continue
        training = name == "training"
        count = most if training else 1
        job.reporter.start(f"frozen part, {name}", count * len(examples))
        results = activations.compute(
            job.network,
            cuts,
            prefix,
            examples,
            job.storage,
            views=count,
            augment=job.augment if training else None,
            progress=job.advance,
        )
        found = count * len(examples) - results[0].computed
        job.reporter.finish(
            f"{len(examples)} examples, {count} view{'s' if count > 1 else ''}"
            + (f", {found} from the cache" if found and not _all_input(job, cuts) else "")
        )
        filled.append(results)
    train, validation = filled
    assert train is not None
    stores = {}
    for number, cut in enumerate(cuts):
        held_out = None if validation is None else validation[number].views[0]
        stores[cut.position] = (train[number].views, held_out)
    done = [results for results in filled if results is not None]
    return (
        sum(results[0].seconds for results in done),
        sum(results[0].computed for results in done),
        stores,
    )


def _all_input(job: Job, cuts: list[Cut]) -> bool:
    return all(activations.is_input(job.network, cut) for cut in cuts)


def _choose(
    job: Job, cuts: dict[int, Cut], views: dict[int, int], epochs: dict[int, int]
) -> list[int]:
    """Positions of the cuts whose activations are kept; says what was chosen and why."""
    if job.cache is False:
        _tell_cost(job, cuts, views)
        return []
    sizes = {
        position: sum(
            count * activations.bytes_of(job.network, cut, examples, job.storage.dtype)
            for examples, count in ((job.train, views[position]), (job.validation, 1))
            if examples is not None
        )
        for position, cut in cuts.items()
    }
    kept = [p for p in cuts if not activations.is_input(job.network, cuts[p])]
    always = [p for p in cuts if p not in kept]
    room = job.storage.memory_limit if job.storage.cache is None else job.storage.cache.room()
    while kept and sum(sizes[p] for p in kept) > room:
        if job.cache != "auto":
            raise ConfigurationError(
                f"The activations would take {_size(sum(sizes[p] for p in kept))}, and there is "
                f"room for {_size(room)}. Choose fewer views, cache_dtype='float16', a later "
                "stage, a larger disk (cache=PATH), or cache='auto'."
            )
        largest = max(kept, key=lambda p: sizes[p])
        kept.remove(largest)
        job.reporter.note(
            f"activations at {cuts[largest].name} would take {_size(sizes[largest])}, and there "
            f"is room for {_size(room)}: the frozen part runs at each step instead"
        )
    if job.cache == "auto":
        for position in [p for p in kept if sizes[p] > job.storage.memory_limit]:
            _weigh(job, cuts[position], sizes[position], epochs[position], views[position], kept)
    total = sum(sizes[p] for p in kept)
    if total:
        where = "memory" if job.storage.cache is None else str(job.storage.cache.folder)
        job.reporter.note(f"activations: {_size(total)} in {where}")
    return [*kept, *always]


def _weigh(job: Job, cut: Cut, size: int, epochs: int, views: int, kept: list[int]) -> None:
    """Drops a cut whose activations take longer to read than to compute."""
    seconds = _seconds_per_example(job, cut) * len(job.train)
    plain = epochs * seconds
    cached = views * seconds + size / _WRITE_BYTES_PER_SECOND
    cached += epochs * (size / views) / _READ_BYTES_PER_SECOND
    if cached >= plain:
        kept.remove(cut.position)
    job.reporter.note(
        f"activations at {cut.name}: {_size(size)}, predicted {cached:.0f} s with the cache and "
        f"{plain:.0f} s without: {'without' if cached >= plain else 'with'} it, then"
    )


def _tell_cost(job: Job, cuts: dict[int, Cut], views: dict[int, int]) -> None:
    """Says what new variations in each epoch cost, against variations that are cached."""
    for position, cut in cuts.items():
        if job.augment is None or activations.is_input(job.network, cut):
            continue
        epoch = _seconds_per_example(job, cut) * len(job.train)
        count = views[position]
        job.reporter.note(
            f"the frozen part up to {cut.name} runs at each step: about {epoch:.2g} s an epoch; "
            f"{count} cached view{'s' if count > 1 else ''} would cost {count * epoch:.2g} s once"
        )


def _seconds_per_example(job: Job, cut: Cut) -> float:
    prefix = keras.Model(job.network.inputs[0], cut.tensor)
    # Spread over all: the first texts are the shortest.
    rows = np.linspace(0, len(job.train) - 1, min(len(job.train), activations.FORWARD_BATCH))
    batch = as_input(job.train.take(rows.astype(np.int64), view=0, augment=None))
    prefix.predict_on_batch(batch)
    started = time.perf_counter()
    prefix.predict_on_batch(batch)
    return (time.perf_counter() - started) / len(batch)


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count / 1e6, 0.1):.1f} MB"


def _part(network: keras.Model, cut: Cut) -> keras.Model:
    return network if activations.is_input(network, cut) else split(network, cut)[1]
