"""The activations of the frozen part of a network, computed once for each view."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import ml_dtypes
import numpy as np

from kerastl.errors import GraphError, TrainingError
from kerastl.graph import Cut, operations, prefix_sha256
from kerastl.inputs.augment import Augment
from kerastl.inputs.examples import Examples, LazyView, RowsOf, as_input
from kerastl.training.cache import (
    SHARD_ROWS,
    ActivationCache,
    CacheEntry,
    Layout,
    Rows,
    Shards,
    is_disk_full,
)

Array = np.ndarray[Any, Any]
# The fastest of 16, 32, 64 and 128 images on two cores, by 5 % or so.
FORWARD_BATCH = 32
# bfloat16 is a type of ml_dtypes, which Keras brings.
DTYPES = {
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}
_RANDOM_LAYERS = (
    keras.layers.RandomFlip,
    keras.layers.RandomRotation,
    keras.layers.RandomZoom,
    keras.layers.RandomCrop,
    keras.layers.RandomTranslation,
    keras.layers.RandomContrast,
    keras.layers.RandomBrightness,
)


class CacheWarning(UserWarning):
    """Activations could not be kept on disk."""


@dataclasses.dataclass(frozen=True)
class Storage:
    """How activations are kept.

    Attributes:
        cache: on disk, to be found again by later runs; None keeps them in memory alone.
        memory_limit: bytes beyond which they are read from disk as they are needed.
        dtype: of the values: float32, float16 or bfloat16.
        origin: what entries on disk say of who filled them, as JSON data.
    """

    cache: ActivationCache | None
    memory_limit: int
    dtype: np.dtype[Any]
    origin: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Activations:
    """What the frozen part computes from every example: an array (n, ...) for each view.

    ``computed`` counts the examples, times views, that were not found in the cache.
    """

    views: tuple[Any, ...]
    seconds: float
    computed: int

    def of(self, rows: Array) -> Activations:
        """Those of some of the examples."""
        views = tuple(RowsOf(values, rows) for values in self.views)
        return dataclasses.replace(self, views=views)


def is_input(network: keras.Model, cut: Cut) -> bool:
    """Whether a cut lies at the very input, so that the activations are the images."""
    return len(cut.tensors) == 1 and cut.tensor is network.inputs[0]


def layout_of(cut: Cut, examples: Examples, dtype: np.dtype[Any]) -> Layout:
    """How activations are laid out; raises GraphError for a cut without a fixed shape."""
    if examples.lengths is not None and cut.is_sequence:
        shape = (len(examples), int(examples.lengths.max(initial=1)), *cut.tensor.shape[2:])
        return Layout(shape, dtype, examples.lengths)
    if cut.values is None:
        raise GraphError(
            f"The activations at {cut.name!r} have no fixed shape: "
            f"{', '.join(str(tensor.shape) for tensor in cut.tensors)}."
        )
    return Layout((len(examples), *cut.tensor.shape[1:]), dtype)


def bytes_of(network: keras.Model, cut: Cut, examples: Examples, dtype: np.dtype[Any]) -> int:
    """Bytes that one view of the examples takes at a cut."""
    # Pixels and token ids are kept as they are.
    return examples.nbytes if is_input(network, cut) else layout_of(cut, examples, dtype).nbytes


def check_cacheable(network: keras.Model, cut: Cut) -> None:
    """Raises GraphError where the part before a cut is not a fixed function of its input."""
    for layer in operations(network)[: cut.position + 1]:
        if isinstance(layer, _RANDOM_LAYERS):
            raise GraphError(
                f"The layer {layer.name!r} before the freeze boundary ({cut.name!r}) is random, "
                "so that its activations cannot be computed once. Augment with augment=Augment() "
                "instead, or train with cache=False."
            )
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            raise GraphError(
                f"The layer {layer.name!r} before the freeze boundary ({cut.name!r}) is a "
                "trainable BatchNormalization; freeze it first: kerastl.freeze(network)."
            )


class Prefix:
    """The frozen part of a network, ready to run.

    It has one output for each cut. What it was compiled for stays compiled: use one for all data
    sets.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model

    def __call__(self, inputs: Array) -> list[Array]:
        """One array (n, ...) for each cut, of up to ``FORWARD_BATCH`` inputs."""
        batch = as_input(inputs)
        missing = FORWARD_BATCH - len(batch)
        if missing:
            # One shape for all batches: a second one would be compiled anew.
            batch = np.concatenate([batch, np.zeros((missing, *batch.shape[1:]), batch.dtype)])
        if batch.dtype == np.int32 and keras.backend.backend() == "tensorflow":
            outputs = self._of_any_length(batch)
        else:
            outputs = self.model.predict_on_batch(batch)
        outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        return [np.asarray(output)[: len(inputs)] for output in outputs]

    @functools.cached_property
    def _of_any_length(self) -> Any:
        # Keras would trace the first length by itself and the others together: what comes out
        # would depend, in its last bits, on the length that happened to come first.
        import tensorflow as tf

        signature = [tf.TensorSpec((None, None), tf.int32)]
        return tf.function(lambda ids: self.model(ids, training=False), input_signature=signature)


class Prefixes:
    """The frozen parts of a network up to some cuts, each compiled once."""

    def __init__(self, network: keras.Model) -> None:
        self._network = network
        self._made: dict[tuple[int, ...], Prefix] = {}

    def of(self, cuts: Sequence[Cut]) -> Prefix | None:
        """The frozen part with one output for each cut that is not the input itself."""
        kept = [cut for cut in cuts if not is_input(self._network, cut)]
        if not kept:
            return None
        key = tuple(cut.position for cut in kept)
        if key not in self._made:
            tensors = [cut.tensor for cut in kept]
            self._made[key] = Prefix(keras.Model(self._network.inputs[0], tensors))
        return self._made[key]


def compute(
    network: keras.Model,
    cuts: Sequence[Cut],
    prefixes: Prefixes,
    examples: Examples,
    storage: Storage,
    *,
    views: Sequence[int],
    augment: Augment | None,
    progress: Callable[[int], None] | None = None,
    data: str | None = None,
) -> tuple[Activations, ...]:
    """Runs the frozen part over the views of the examples, once for all cuts.

    What a cache holds already is not computed again. ``views`` are as many as each cut needs.
    ``progress`` is called with how many examples, views counted, are done; ``data`` is what entries
    on disk call the examples.

    Raises:
        GraphError: the part before a cut is random, or trains.
        TrainingError: the disk is full, and memory would not do.
    """
    started = time.perf_counter()
    for cut in cuts:
        check_cacheable(network, cut)
    pass_ = _Pass(network, cuts, prefixes, examples, storage, views, augment, progress, data)
    filled: list[list[Any]] = [[] for _ in cuts]
    for view in range(max(views, default=0)):
        # A view that only some cuts need runs no further than these.
        wanted = [index for index, count in enumerate(views) if view < count]
        for index, array in zip(wanted, pass_.view(view, wanted), strict=True):
            filled[index].append(array)
    seconds = time.perf_counter() - started
    return tuple(Activations(tuple(arrays), seconds, pass_.computed) for arrays in filled)


@dataclasses.dataclass(eq=False)
class _Pass:
    """One pass over all views of the examples."""

    network: keras.Model
    all_cuts: Sequence[Cut]
    prefixes: Prefixes
    examples: Examples
    storage: Storage
    views: Sequence[int]
    augment: Augment | None
    progress: Callable[[int], None] | None
    data: str | None
    computed: int = 0
    done: int = 0

    def __post_init__(self) -> None:
        size = sum(
            count * bytes_of(self.network, cut, self.examples, self.storage.dtype)
            for cut, count in zip(self.all_cuts, self.views, strict=True)
        )
        self._in_memory = size <= self.storage.memory_limit
        computed = any(not is_input(self.network, cut) for cut in self.all_cuts)
        self._cache = self.storage.cache if computed else None
        self._sources = self.examples.sha256() if self._cache else ""
        self._hashes: dict[int, str] = {}
        self._choose(self.all_cuts)

    def _choose(self, cuts: Sequence[Cut]) -> None:
        """Makes some cuts the ones that are computed."""
        self._model = [cut for cut in cuts if not is_input(self.network, cut)]
        self._layouts = [layout_of(cut, self.examples, self.storage.dtype) for cut in self._model]
        self._prefix = self.prefixes.of(self._model)

    def _hash(self, cut: Cut) -> str:
        if cut.position not in self._hashes:
            self._hashes[cut.position] = prefix_sha256(self.network, cut)
        return self._hashes[cut.position]

    def view(self, view: int, wanted: Sequence[int]) -> list[Any]:
        """Arrays of one view, for the wanted cuts in their order."""
        cuts = [self.all_cuts[index] for index in wanted]
        self._choose(cuts)
        inputs = LazyView(self.examples, view, self.augment)
        cached = self._cache is not None and self._model
        arrays = iter(self._cached(view) if cached else self._plain(view))
        result = [inputs if is_input(self.network, cut) else next(arrays) for cut in cuts]
        self.done = (view + 1) * len(self.examples)
        self._tell()
        return result

    def _plain(self, view: int) -> list[Any]:
        shards: list[list[Array]] = [[] for _ in self._model]
        stores = [
            np.empty(layout.shape, layout.dtype) if layout.lengths is None else None
            for layout in self._layouts
        ]
        for shard in range(-(-len(self.examples) // SHARD_ROWS)):
            for number, values in enumerate(self._forward(view, shard)):
                store = stores[number]
                if store is None:
                    shards[number].append(values)
                else:
                    store[slice(*self._layouts[number].rows(shard))] = values
        return [
            Rows(layout, shard) if store is None else store
            for layout, shard, store in zip(self._layouts, shards, stores, strict=True)
        ]

    def _cached(self, view: int) -> list[Any]:
        cache = self._cache
        assert cache is not None
        keys = [self._key(self._hash(cut), view) for cut in self._model]
        try:
            with contextlib.ExitStack() as stack:
                entries: dict[str, CacheEntry] = {}
                # One order for all processes, so that no two wait for each other.
                for key, cut, layout in sorted(
                    zip(keys, self._model, self._layouts, strict=True), key=lambda row: row[0]
                ):
                    described = {
                        "cut": cut.name,
                        "view": view,
                        "data": self.data,
                        **self.storage.origin,
                    }
                    entries[key] = stack.enter_context(cache.entry(key, layout, described))
                self._fill(view, [entries[key] for key in keys])
                return [self._open(entries[key]) for key in keys]
        except OSError as error:
            if not is_disk_full(error):
                raise
            if not self._in_memory:
                raise TrainingError(
                    f"The disk of the activation cache {cache.folder} is full. Free some space, "
                    "name another folder (cache=PATH), or run the frozen part at each step "
                    "(cache=False). Nothing was lost: what is there will be used."
                ) from error
            warnings.warn(
                f"The disk of the activation cache {cache.folder} is full: activations are kept "
                "in memory and will be computed again by the next run.",
                CacheWarning,
                stacklevel=2,
            )
            self._cache = None
            return list(self._plain(view))

    def _key(self, prefix: str, view: int) -> str:
        varied = None
        if view and self.augment is not None:
            varied = {**dataclasses.asdict(self.augment), "views": None, "view": view}
        parts = [
            "1",
            keras.__version__,
            keras.backend.backend(),
            prefix,
            self._sources,
            self.storage.dtype.name,
            varied,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:40]

    def _fill(self, view: int, entries: list[CacheEntry]) -> None:
        missing = [
            {shard for shard in range(entry.layout.shards) if not entry.is_sound(shard)}
            for entry in entries
        ]
        for shard in sorted(set().union(*missing)):
            self._fill_shard(view, shard, entries, missing)

    def _fill_shard(
        self, view: int, shard: int, entries: list[CacheEntry], missing: list[set[int]]
    ) -> None:
        # In a scope of its own: no two shards are in memory at once.
        outputs = self._forward(view, shard)
        for entry, lacking, values in zip(entries, missing, outputs, strict=True):
            if shard in lacking:
                entry.write(shard, values)

    def _open(self, entry: CacheEntry) -> Any:
        if self._in_memory:
            shards = [entry.read(shard) for shard in range(entry.layout.shards)]
            if entry.layout.lengths is not None:
                return Rows(entry.layout, [np.array(shard) for shard in shards])
            return np.concatenate(shards)
        return Shards(entry, self.storage.memory_limit // 4)

    def _forward(self, view: int, shard: int) -> list[Array]:
        """The activations of a shard's examples at each cut, batch by batch."""
        start = shard * SHARD_ROWS
        stop = min(start + SHARD_ROWS, len(self.examples))
        # Sequences are padded with zeros.
        outputs = [np.zeros(layout.shard_shape(shard), layout.dtype) for layout in self._layouts]
        for first in range(start, stop, FORWARD_BATCH):
            last = min(first + FORWARD_BATCH, stop)
            inputs = self.examples.take(np.arange(first, last), view=view, augment=self.augment)
            parts = self._prefix(inputs) if self._prefix else []
            for output, part in zip(outputs, parts, strict=True):
                rows = output[first - start : last - start]
                if rows.shape != part.shape:
                    rows = rows[:, : part.shape[1]]
                rows[:] = part
            self.computed += last - first
            self.done += last - first
            self._tell()
        return outputs

    def _tell(self) -> None:
        if self.progress:
            self.progress(self.done)
