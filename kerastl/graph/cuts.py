"""Where a model can be cut in two, and the cut itself."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from kerastl.errors import GraphError


@dataclasses.dataclass(frozen=True)
class Cut:
    """A tensor through which every path from a model's inputs to its outputs runs.

    Attributes:
        tensor: the KerasTensor; everything before it is the prefix, everything after it the
            suffix.
        name: name of the layer or operation that makes the tensor.
        position: how many operations have run when the tensor is complete. Of two cuts of one
            model, the one with the higher position is nearer to the output.
    """

    tensor: Any
    name: str
    position: int

    @property
    def values(self) -> int | None:
        """How many numbers one example has at this cut; None where the shape is not fixed."""
        count = 1
        for size in self.tensor.shape[1:]:
            if size is None:
                return None
            count *= size
        return count


def require_functional(model: Any) -> None:
    """Raises GraphError for a model whose graph cannot be seen."""
    if not isinstance(model, keras.Model) or not hasattr(model, "_nodes_by_depth"):
        raise GraphError(
            "Only Functional and built Sequential models have a graph that can be cut; "
            f"received {type(model).__name__}. Build the model as keras.Model(inputs, outputs)."
        )


def inline(model: keras.Model) -> keras.Model:
    """Returns the same network with every nested Functional model laid open.

    The result shares all layers, and so all weights, with ``model``. A base that was called
    inside a larger model hides its graph in one operation, and can be cut only after this.

    Args:
        model: a Functional or built Sequential model.

    Returns:
        A Functional model without nested Functional models; ``model`` itself where it has none.

    Raises:
        GraphError: the model is neither Functional nor a built Sequential.
    """
    if isinstance(model, keras.Sequential) and not model.built:
        raise GraphError(
            f"The Sequential model {model.name!r} has no input shape yet. "
            "Start it with keras.Input(shape), or call it on data once."
        )
    if not isinstance(model, keras.Sequential):
        require_functional(model)
        if not any(_is_graph(layer) for layer in model.layers):
            return model
    inputs = [
        keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)
        for tensor in model.inputs
    ]
    outputs = _call_inlined(model, inputs if len(inputs) > 1 else inputs[0])
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs, name=model.name)


def _is_graph(layer: Any) -> bool:
    return isinstance(layer, keras.Model) and (
        hasattr(layer, "_nodes_by_depth") or isinstance(layer, keras.Sequential)
    )


def _call_inlined(layer: Any, *args: Any, **kwargs: Any) -> Any:
    """Calls a layer; of a nested model, calls the layers inside, one after another."""
    if not _is_graph(layer):
        return layer(*args, **kwargs)
    if isinstance(layer, keras.Sequential):
        output = args[0]
        for inner in layer.layers:
            output = _call_inlined(inner, output)
        return output
    known = {
        id(old): new for old, new in zip(layer.inputs, keras.tree.flatten(args[0]), strict=True)
    }
    for node in nodes_of(layer):
        if not node.input_tensors:
            continue
        inner_args, inner_kwargs = node.arguments.fill_in(known)
        made = _call_inlined(node.operation, *inner_args, **inner_kwargs)
        known |= {
            id(old): new for old, new in zip(node.outputs, keras.tree.flatten(made), strict=True)
        }
    outputs = [known[id(tensor)] for tensor in layer.outputs]
    return outputs if len(outputs) > 1 else outputs[0]


def operations(model: keras.Model) -> list[Any]:
    """The operations of a Functional model in the order in which they run, inputs first."""
    return [node.operation for node in nodes_of(model)]


def nodes_of(model: Any) -> list[Any]:
    """The nodes of a Functional model in running order: each one call of an operation."""
    require_functional(model)
    by_depth = model._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def find_cuts(model: keras.Model) -> tuple[Cut, ...]:
    """Finds every tensor at which a model can be cut in two.

    One sweep in running order keeps the set of tensors that are still needed. Where that set
    holds a single tensor, nothing else passes from the part before it to the part after it.
    All inputs are needed from the start, so that no cut is found before the last of several
    inputs has been consumed.

    Args:
        model: a Functional model; nested models count as one operation (see ``inline``).

    Returns:
        The cuts from the input to the output, the input tensor of a single-input model first
        and the output of a single-output model last.

    Raises:
        GraphError: the model is not Functional.
    """
    nodes = nodes_of(model)
    waiting: dict[int, int] = {}
    for node in nodes:
        for tensor in node.input_tensors:
            waiting[id(tensor)] = waiting.get(id(tensor), 0) + 1
    for tensor in model.outputs:
        waiting[id(tensor)] = waiting.get(id(tensor), 0) + 1

    needed = {id(tensor) for tensor in model.inputs if waiting.get(id(tensor))}
    cuts: list[Cut] = []
    for position, node in enumerate(nodes):
        for tensor in node.input_tensors:
            waiting[id(tensor)] -= 1
            if waiting[id(tensor)] == 0:
                needed.discard(id(tensor))
        for tensor in node.outputs:
            if waiting.get(id(tensor), 0) > 0:
                needed.add(id(tensor))
        if len(needed) == 1 and len(node.outputs) == 1 and id(node.outputs[0]) in needed:
            cuts.append(Cut(node.outputs[0], node.operation.name, position))
    return tuple(cuts)


def split(model: keras.Model, cut: Cut) -> tuple[keras.Model, keras.Model]:
    """Cuts a model in two.

    Both parts share the layers, and so the weights, of ``model``: training the suffix trains the
    model. ``suffix(prefix(x))`` equals ``model(x)`` bit for bit in inference mode.

    Args:
        model: a Functional model.
        cut: one of ``find_cuts(model)``.

    Returns:
        The prefix (model's inputs to the cut) and the suffix (the cut to model's outputs).

    Raises:
        GraphError: the cut is one of another model.
    """
    if not any(cut.tensor is own.tensor for own in find_cuts(model)):
        raise GraphError(
            f"The cut at {cut.name!r} is not one of the model {model.name!r}. Find cuts and stages "
            "in the very model that is split; nested models are laid open by inline()."
        )
    inputs = model.inputs if len(model.inputs) > 1 else model.inputs[0]
    outputs = model.outputs if len(model.outputs) > 1 else model.outputs[0]
    prefix = keras.Model(inputs, cut.tensor, name=f"{model.name}_prefix")
    suffix = keras.Model(cut.tensor, outputs, name=f"{model.name}_suffix")
    return prefix, suffix
