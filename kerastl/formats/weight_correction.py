"""A float LiteRT file whose weights lie on the int8 grid already, rounded with the data in view.

Every quantised format starts from it: whoever rounds it again finds nothing to round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kerastl.formats import rounding
from kerastl.formats.litert_graph import Graph, Weighted, values

Array = np.ndarray[Any, Any]

# Rounding with compensation factors a matrix of this order; beyond, the nearest step is taken
# and only the bias is corrected.
MAX_INPUTS = 2304
# Positions of a feature map that are drawn from one batch of images.
MAX_POSITIONS = 4096
BATCH = 16


@dataclass
class Moments:
    """Sums over a layer's inputs: of ``x`` and, where wanted, of ``x x^T``."""

    count: int
    total: Array
    products: Array | None


def correct(data: bytes, images: Array) -> tuple[bytes, dict[str, int]]:
    """Rounds the weights of a float file's convolutions and dense layers, and corrects the biases.

    Returns the bytes of the corrected file, still float32, and how many layers were rounded with
    compensation, rounded to the nearest step, and left alone.
    """
    graph = Graph(data)
    layers = [layer for layer in graph.weighted() if _is_plain(graph, layer)]
    moments = _moments(data, graph, layers, images)
    counts = {"compensated": 0, "nearest": 0, "untouched": 0}
    for layer in layers:
        counts[_correct_layer(graph, layer, moments[layer.index])] += 1
    counts["untouched"] = sum(1 for _ in graph.weighted()) - len(layers)
    graph.drop_unused_buffers()
    return graph.pack(), counts


def _is_plain(graph: Graph, layer: Weighted) -> bool:
    """Whether a layer's inputs are the patches that :func:`_inputs` cuts out."""
    inputs, weights = layer.operator.inputs, graph.weights(layer)
    if len(inputs) < 3 or graph.constant(inputs[2]) is None:
        return False
    if layer.opcode == "FULLY_CONNECTED":
        return True
    options = layer.operator.builtinOptions
    if options.dilationHFactor != 1 or options.dilationWFactor != 1:
        return False
    # Neither groups nor depth multipliers.
    return int(weights.shape[3]) == int(graph.tensor(inputs[0]).shape[3])


def _moments(
    data: bytes, graph: Graph, layers: list[Weighted], images: Array
) -> dict[int, Moments]:
    found: dict[int, Moments] = {}
    generator = np.random.default_rng(0)
    for value in values(data, images, BATCH):
        for layer in layers:
            rows = _inputs(graph, layer, value(layer.operator.inputs[0]), generator)
            products = None
            if rows.shape[-1] <= MAX_INPUTS:
                pairs = "nci,ncj->cij" if rows.ndim == 3 else "ni,nj->ij"
                products = np.einsum(pairs, rows, rows, optimize=True).astype(np.float64)
            total = rows.sum(axis=0, dtype=np.float64)
            if layer.index not in found:
                found[layer.index] = Moments(len(rows), total, products)
                continue
            known = found[layer.index]
            known.count += len(rows)
            known.total += total
            if known.products is not None and products is not None:
                known.products += products
    return found


def _inputs(graph: Graph, layer: Weighted, source: Array, generator: np.random.Generator) -> Array:
    """What weights are multiplied with: (rows, inputs); depthwise (rows, channels, inputs)."""
    weights = graph.weights(layer)
    if layer.opcode == "FULLY_CONNECTED":
        return source.reshape(-1, weights.shape[1])
    options = layer.operator.builtinOptions
    _, height, width, _ = weights.shape
    strides = options.strideH, options.strideW
    if options.padding == schema.Padding.SAME:
        source = _padded(source, (height, width), strides)
    windows = np.lib.stride_tricks.sliding_window_view(source, (height, width), axis=(1, 2))
    windows = windows[:, :: strides[0], :: strides[1]]
    n, rows, columns = windows.shape[:3]
    places = n * rows * columns
    if places > MAX_POSITIONS:
        chosen = np.sort(generator.choice(places, MAX_POSITIONS, replace=False))
    else:
        chosen = np.arange(places)
    taken = windows[np.unravel_index(chosen, (n, rows, columns))]  # (rows, channels, kh, kw)
    if layer.opcode == "DEPTHWISE_CONV_2D":
        return taken.reshape(len(taken), taken.shape[1], height * width)
    return taken.transpose(0, 2, 3, 1).reshape(len(taken), -1)


def _padded(source: Array, kernel: tuple[int, int], strides: tuple[int, int]) -> Array:
    """A feature map with the zeros that SAME padding puts around it."""
    widths = []
    for length, size, stride in zip(source.shape[1:3], kernel, strides, strict=True):
        total = max((-(-length // stride) - 1) * stride + size - length, 0)
        widths.append((total // 2, total - total // 2))
    return np.pad(source, ((0, 0), *widths, (0, 0)))


def _correct_layer(graph: Graph, layer: Weighted, moments: Moments) -> str:
    kernel_at, bias_at = layer.operator.inputs[1], layer.operator.inputs[2]
    kernel, bias = graph.weights(layer), graph.constant(bias_at)
    assert bias is not None
    mean = moments.total / moments.count
    depthwise = layer.opcode == "DEPTHWISE_CONV_2D"
    moved = np.moveaxis(kernel, layer.axis, 0)
    rows = moved.reshape(len(moved), -1)
    if moments.products is None:
        way, rounded = "nearest", rounding.to_nearest(rows)
    else:
        way = "compensated"
        # Each channel of a depthwise convolution has inputs of its own.
        blocks, products = (
            (rows[:, None], moments.products) if depthwise else (rows[None], moments.products[None])
        )
        rounded = np.concatenate(
            [
                rounding.with_compensation(block, product / moments.count)
                for block, product in zip(blocks, products, strict=True)
            ]
        )
    change = rounding.shift(rows, rounded, mean)
    graph.set_constant(kernel_at, np.moveaxis(rounded.reshape(moved.shape), 0, layer.axis))
    graph.set_constant(bias_at, (bias - change).astype(np.float32))
    return way
