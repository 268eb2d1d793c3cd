"""What each phase of a plan trains on: cached activations, or images."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerastl.errors import ConfigurationError, counted
from kerastl.graph import Cut, apply_boundary, prefix_sha256, split
from kerastl.inputs.examples import Examples, LazyView, Subset, as_input
from kerastl.training import activations
from kerastl.training.cache import size_text
from kerastl.training.job import Job
from kerastl.training.phase import Plan
from kerastl.training.probe import Probe

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


@dataclasses.dataclass(frozen=True, eq=False)
class _Demand:
    """What a step and those after it ask of one cut: at most so many views, over all epochs.

    A step that solves a head cannot do without the activations.
    """

    cut: Cut
    views: int
    epochs: int
    solved: bool = False


def prepare(job: Job, plan: Plan, cuts: Sequence[Cut], first: int) -> dict[int, PhaseInputs]:
    """The inputs of a phase, and of as many after it as one pass over the data can serve."""
    phases = [first]
    for index in range(first + 1, len(plan)):
        # A later phase that begins behind weights that will have trained by then must wait.
        if any(cuts[index].position > cuts[earlier].position for earlier in range(first, index)):
            break
        phases.append(index)

    apply_boundary(job.network, cuts[first], batch_norm=plan[first].batch_norm)
    sharing: dict[int, list[int]] = {}
    for index in phases:
        sharing.setdefault(cuts[index].position, []).append(index)
    demands = [
        _Demand(
            cuts[same[0]],
            views=max(job.views(plan[index].takes) for index in same),
            epochs=sum(plan[index].rounds for index in same),
            solved=any(isinstance(plan[index], Probe) for index in same),
        )
        for same in sharing.values()
    ]
    kept = _choose(job, demands)
    filled = _fill(job, kept)

    inputs = {}
    held_out = None if job.validation is None else LazyView(job.validation, 0, None)
    for index in phases:
        inputs[index] = PhaseInputs(job.network, None, held_out)
    for number, demand in enumerate(kept):
        train, validation = (None if found is None else found[number] for found in filled)
        assert train is not None
        done = [train] if validation is None else [train, validation]
        at_input = activations.is_input(job.network, demand.cut)
        for index in sharing[demand.cut.position]:
            part = job.network if at_input else split(job.network, cuts[index])[1]
            inputs[index] = PhaseInputs(
                model=part,
                train=train.views[: job.views(plan[index].takes)],
                validation=None if validation is None else validation.views[0],
                # The first phase pays; the others find their activations ready.
                fill_seconds=sum(d.seconds for d in done) if index == first else 0.0,
                computed=sum(d.computed for d in done) if index == first else 0,
            )
    return inputs


def _fill(job: Job, demands: list[_Demand]) -> list[tuple[activations.Activations, ...] | None]:
    """The training and the validation activations, at each cut; None without validation data."""
    if not demands:
        return [(), None]
    prefixes = activations.Prefixes(job.network)
    views = [demand.views for demand in demands]
    once = [1] * len(demands)
    train, held = job.train, job.validation
    if not isinstance(train, Subset):
        trained = _computed(job, demands, prefixes, train, views, "training")
        if held is None:
            return [trained, None]
        return [trained, _computed(job, demands, prefixes, held, once, "validation")]
    # Parts of one whole, which is computed once for all the turns that take other parts of it.
    whole = _computed(job, demands, prefixes, train.whole, views, "training")
    trained = tuple(part.of(train.rows) for part in whole)
    if held is None:
        return [trained, None]
    assert isinstance(held, Subset)
    assert held.whole is train.whole
    return [trained, tuple(dataclasses.replace(p.of(held.rows), seconds=0.0) for p in whole)]


def _computed(
    job: Job,
    demands: list[_Demand],
    prefixes: activations.Prefixes,
    examples: Examples,
    views: list[int],
    name: str,
) -> tuple[activations.Activations, ...]:
    cuts = [demand.cut for demand in demands]
    count = max(views)
    # What lies before a cut may have been trained by the steps before this one.
    prefixed = [prefix_sha256(job.network, cut) for cut in cuts]
    key = (id(examples), *zip(prefixed, views, strict=True))
    if key in job.kept:
        known: tuple[activations.Activations, ...] = job.kept[key]
        return known
    job.reporter.start(f"frozen part, {name}", count * len(examples))
    found = activations.compute(
        job.network,
        cuts,
        prefixes,
        examples,
        job.storage,
        views=views,
        augment=job.augment if name == "training" else None,
        progress=job.advance,
        data=job.data.get(name),
    )
    at_input = all(activations.is_input(job.network, cut) for cut in cuts)
    cached = 0 if at_input else count * len(examples) - found[0].computed
    job.reporter.finish(
        f"{counted(len(examples), 'example')}, {counted(count, 'view')}"
        + (f", {cached} from the cache" if cached else "")
    )
    if job.in_turns:
        # Other turns take other parts of them.
        ready = tuple(dataclasses.replace(part, seconds=0.0, computed=0) for part in found)
        job.kept[key] = ready
    return found


def _choose(job: Job, demands: list[_Demand]) -> list[_Demand]:
    """The cuts whose activations are kept; says what was chosen and why."""
    if job.cache is False:
        _tell_cost(job, [demand for demand in demands if not demand.solved])
        return [demand for demand in demands if demand.solved]
    always = [d for d in demands if d.solved or activations.is_input(job.network, d.cut)]
    sizes = {
        demand: sum(
            count * activations.bytes_of(job.network, demand.cut, examples, job.storage.dtype)
            for examples, count in ((job.train, demand.views), (job.validation, 1))
            if examples is not None
        )
        for demand in demands
        if demand not in always
    }
    room = job.storage.memory_limit if job.storage.cache is None else job.storage.cache.room()
    while sizes and sum(sizes.values()) > room:
        if job.cache != "auto":
            raise ConfigurationError(
                f"The activations would take {size_text(sum(sizes.values()))}, and there is room "
                f"for {size_text(room)}. Choose fewer views, cache_dtype='float16', a later stage, "
                "a larger disk (cache=PATH), or cache='auto'."
            )
        largest = max(sizes, key=sizes.__getitem__)
        job.reporter.note(
            f"activations at {largest.cut.name} would take {size_text(sizes.pop(largest))}, and "
            f"there is room for {size_text(room)}: the frozen part runs at each step instead"
        )
    if job.cache == "auto":
        for demand, size in list(sizes.items()):
            if size > job.storage.memory_limit and not _pays(job, demand, size):
                del sizes[demand]
    total = sum(sizes.values())
    if total:
        where = "memory" if job.storage.cache is None else str(job.storage.cache.folder)
        job.reporter.note(f"activations: {size_text(total)} in {where}")
    return [*sizes, *always]


def _pays(job: Job, demand: _Demand, size: int) -> bool:
    """Whether activations take less time to keep and read than to compute at each step."""
    seconds = _seconds_per_example(job, demand.cut) * len(job.train)
    plain = demand.epochs * seconds
    cached = demand.views * seconds + size / _WRITE_BYTES_PER_SECOND
    cached += demand.epochs * (size / demand.views) / _READ_BYTES_PER_SECOND
    job.reporter.note(
        f"activations at {demand.cut.name}: {size_text(size)}, predicted {cached:.0f} s with the "
        f"cache and {plain:.0f} s without: {'with' if cached < plain else 'without'} it, then"
    )
    return cached < plain


def _tell_cost(job: Job, demands: list[_Demand]) -> None:
    """Says what new variations in each epoch cost, against variations that are cached."""
    for demand in demands:
        if job.augment is None or activations.is_input(job.network, demand.cut):
            continue
        epoch = _seconds_per_example(job, demand.cut) * len(job.train)
        job.reporter.note(
            f"the frozen part up to {demand.cut.name} runs at each step: about {epoch:.2g} s an "
            f"epoch; {counted(demand.views, 'cached view')} would cost "
            f"{demand.views * epoch:.2g} s once"
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
