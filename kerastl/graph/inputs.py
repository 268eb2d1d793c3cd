"""A model that takes from outside what one of its layers makes."""

from __future__ import annotations

import keras

from kerastl.errors import GraphError
from kerastl.graph.cuts import fresh_inputs, nodes_of, outputs_of, replay


def with_input(model: keras.Model, layer: str, *, name: str | None = None) -> keras.Model:
    """The same network with the output of one layer, called once, as a further and last input.

    Layers, and so weights, are shared with ``model``. Given what the layer would have made, the
    result answers as ``model`` does. The input is called like the layer unless it has a ``name``.
    Raises GraphError where there is no such layer, it is called again, or has several outputs.
    """
    nodes = nodes_of(model)
    replaced = [node for node in nodes if node.operation.name == layer and node.input_tensors]
    if len(replaced) != 1 or len(replaced[0].outputs) != 1:
        names = [node.operation.name for node in nodes if node.input_tensors]
        raise GraphError(
            f"The output of {layer!r} can become an input where that layer is called once and "
            f"has one output; it is called {len(replaced)} times in {model.name!r}, whose first "
            f"layers are {names[:8]}."
        )
    made = replaced[0].outputs[0]
    known = fresh_inputs(model)
    inputs = list(known.values())
    given = keras.Input(batch_shape=made.shape, dtype=made.dtype, name=name or layer)
    known[id(made)] = given
    replay(nodes, known)
    return keras.Model([*inputs, given], outputs_of(model, known), name=model.name)
