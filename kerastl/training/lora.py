"""LoRA: low-rank updates of frozen kernels, merged into them when a phase is over."""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from kerastl.errors import ConfigurationError
from kerastl.graph import Cut, forget_traces, head_cut, operations
from kerastl.graph.layers import all_layers
from kerastl.training.phase import Phase

_KERNELS = ("kernel", "embeddings")
_ADDED = ("lora_kernel_a", "lora_kernel_b", "lora_embeddings_a", "lora_embeddings_b")


class Adapters:
    """The low-rank updates of a phase, and the variables that would train without them."""

    def __init__(self, layers: list[Any], frozen: list[Any]) -> None:
        self._layers = layers
        self._frozen = frozen

    @property
    def variables(self) -> list[Any]:
        """A and B of each layer."""
        return [variable for layer in self._layers for variable in _added_to(layer)]

    def merge(self) -> None:
        """Adds A B to the kernels. Nothing is left on the layers."""
        for layer in self._layers:
            kernel = _kernel(layer)
            low, high = _added_to(layer)
            # Not by the layer's own property, which would round in mixed precision.
            update = ops.matmul(low, high) * (layer.lora_alpha / layer.lora_rank)
            kernel.assign(ops.add(kernel, update))
        self.remove()

    def remove(self) -> None:
        """Takes the updates away; the kernels stay as they are."""
        # Keras collects garbage at each variable that goes, over all objects of the process.
        gc.freeze()
        try:
            for layer in self._layers:
                for name in _ADDED:
                    if hasattr(layer, name):
                        delattr(layer, name)
                layer.lora_enabled = False
                layer.lora_rank = layer.lora_alpha = None
        finally:
            gc.unfreeze()
        for variable in self._frozen:
            variable.trainable = True
        self._layers, self._frozen = [], []


@contextlib.contextmanager
def adapters(
    network: keras.Model, cut: Cut, phase: Phase, *, seed: int, number: int
) -> Iterator[Adapters | None]:
    """Lays the low-rank updates of a phase on its layers, for the time of the phase.

    W + A B replaces the kernel W, A of shape (..., rank) and B of shape (rank, outputs); A begins
    at random values (He) and B at 0, so that the network is the same at first. W is frozen, and
    so are normalisation and, without ``lora_bias``, biases. The head trains as a whole.

    Everything after ``cut`` has to be trainable; ``number`` is that of the phase in the plan.

    Yields:
        The adapters, or None without ``lora``. What is not merged by then is taken away at the
        end, so that the network has its own layers and variables again in any case.

    Raises:
        ConfigurationError: no layer after the boundary allows it.

    References:
        Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021,
        https://arxiv.org/abs/2106.09685.
    """
    if phase.lora is None:
        yield None
        return
    end = head_cut(network).position
    layers = lora_layers(network, cut, phase, end=end)
    thawed = [v for layer in _layers_between(network, cut, end) for v in layer.trainable_variables]
    for variable in thawed:
        variable.trainable = phase.lora_bias and variable.name == "bias"
    random = np.random.SeedSequence([seed, number]).generate_state(len(layers))
    made = Adapters(layers, thawed)
    try:
        for layer, state in zip(layers, random, strict=True):
            start = keras.initializers.HeUniform(seed=int(state) >> 1)
            layer.enable_lora(phase.lora, a_initializer=start)
        yield made
    finally:
        made.remove()
        forget_traces(network)


def lora_layers(network: keras.Model, cut: Cut, phase: Phase, *, end: int) -> list[Any]:
    """The layers after a boundary, up to the position ``end``, that take low-rank updates.

    Raises ConfigurationError where there are none, or ``lora_layers`` matches none of them.
    """
    inside = [
        inner
        for layer in _layers_between(network, cut, end)
        for inner in all_layers(layer)
        if inner.weights
    ]
    able = [
        layer
        for layer in inside
        if hasattr(layer, "enable_lora") and not getattr(_kernel(layer), "constraint", None)
    ]
    pattern = phase.lora_layers
    found = [layer for layer in able if pattern is None or re.search(pattern, layer.path)]
    if not found:
        named = f" whose path matches {pattern!r}" if able else ""
        shown = [f"{layer.path} ({type(layer).__name__})" for layer in (able or inside)]
        there = ", ".join([*shown[:12], *(["..."] if len(shown) > 12 else [])]) or "none"
        raise ConfigurationError(
            f"Phase {phase.title!r}: lora={phase.lora} finds no layer{named} between the boundary "
            f"at {cut.name!r} and the head. It takes Dense, EinsumDense, Embedding and Conv "
            f"layers; there {'are' if able else 'is'}: {there}. Begin at an earlier stage"
            f"{', or mend lora_layers' if able else ''}, or leave lora out."
        )
    return found


def _layers_between(network: keras.Model, cut: Cut, end: int) -> list[Any]:
    order = operations(network)
    # A layer that lies before the boundary too is frozen.
    frozen = set(order[: cut.position + 1])
    between = dict.fromkeys(order[cut.position + 1 : end + 1])
    return [x for x in between if isinstance(x, keras.layers.Layer) and x not in frozen]


def _added_to(layer: Any) -> list[Any]:
    return [getattr(layer, name) for name in _ADDED if hasattr(layer, name)]


def _kernel(layer: Any) -> Any:
    return next(weight for weight in layer.weights if weight.name in _KERNELS)
