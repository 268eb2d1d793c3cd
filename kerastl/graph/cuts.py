"""Where a model can be cut in two, and the cut itself."""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras

from kerastl.errors import GraphError


@dataclasses.dataclass(frozen=True)
class Cut:
    """The tensors through which every path from a model's inputs to its outputs runs.

    Attributes:
        tensors: KerasTensors, most often a single one; everything before them is the prefix,
            everything after them the suffix.
        name: name of the layer or operation that makes the last of them.
        position: how many operations have run when the tensors are complete. Of two cuts of one
            model, the one with the higher position is nearer to the output.
    """

    tensors: tuple[Any, ...]
    name: str
    position: int

    @functools.cached_property
    def tensor(self) -> Any:
        """What passes the cut as one KerasTensor (n, ...).

        It is the tensor itself where there is one. Several are laid out flat and joined, float32
        (n, values): so an example's activations are one row, whatever the graph looks like.
        Sequences are joined position by position, float32 (n, length, values).
        """
        if len(self.tensors) == 1:
            return self.tensors[0]
        if self.is_sequence:
            columns = [
                keras.ops.cast(
                    tensor if len(tensor.shape) == 3 else keras.ops.expand_dims(tensor, -1),
                    "float32",
                )
                for tensor in self.tensors
            ]
            return keras.ops.concatenate(columns, axis=-1)
        flat = [
            keras.ops.reshape(keras.ops.cast(tensor, "float32"), (-1, size))
            for tensor, size in zip(self.tensors, self._sizes(), strict=True)
        ]
        return keras.ops.concatenate(flat, axis=1)

    def unpack(self, packed: Any) -> list[Any]:
        """The single tensors out of what ``tensor`` makes of them."""
        if len(self.tensors) == 1:
            return [packed]
        parts, start = [], 0
        for tensor, size in zip(self.tensors, self._sizes(), strict=True):
            part = packed[..., start : start + size]
            if not self.is_sequence:
                part = keras.ops.reshape(part, (-1, *tensor.shape[1:]))
            elif len(tensor.shape) == 2:
                part = keras.ops.squeeze(part, -1)
            parts.append(keras.ops.cast(part, tensor.dtype))
            start += size
        return parts

    @property
    def values(self) -> int | None:
        """How many numbers one example has at this cut; None where the shape is not fixed."""
        shapes = [tensor.shape[1:] for tensor in self.tensors]
        return None if any(None in shape for shape in shapes) else sum(map(math.prod, shapes))

    @property
    def is_sequence(self) -> bool:
        """Whether examples are of any length here: (n, length) or (n, length, values) each."""
        return all(
            len(tensor.shape) in (2, 3) and tensor.shape[1] is None and None not in tensor.shape[2:]
            for tensor in self.tensors
        )

    def _sizes(self) -> list[int]:
        if self.is_sequence:
            return [math.prod(tensor.shape[2:]) for tensor in self.tensors]
        if self.values is None:
            raise GraphError(
                f"The tensors at {self.name!r} have no fixed shapes: "
                f"{', '.join(str(tensor.shape) for tensor in self.tensors)}. A cut of several "
                "tensors needs them; give the model an input of a fixed size."
            )
        return [math.prod(tensor.shape[1:]) for tensor in self.tensors]


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
    inside a larger model hides its graph in one operation, and can be cut only after this. A model
    without nested ones is returned as it is. Raises GraphError where the model is neither
    Functional nor a built Sequential.
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
    known = fresh_inputs(model)
    inputs = [known[id(tensor)] for tensor in model.inputs]
    outputs = _call_inlined(model, one_or_all(inputs))
    return keras.Model(one_or_all(inputs), outputs, name=model.name)


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
    known = dict(zip(map(id, layer.inputs), keras.tree.flatten(args[0]), strict=True))
    replay(nodes_of(layer), known)
    return outputs_of(layer, known)


def fresh_inputs(model: keras.Model) -> dict[int, Any]:
    """New inputs like those of a model, by the ids of its own."""
    return {
        id(tensor): keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)
        for tensor in model.inputs
    }


def replay(
    nodes: Iterable[Any], known: dict[int, Any], call: Callable[..., Any] = _call_inlined
) -> None:
    """Calls the operations of nodes, in running order, again on other tensors.

    ``known`` maps the ids of the old tensors to the new ones, and gets what the operations give.
    Inputs, and nodes whose outputs are known already, are left out.
    """
    for node in nodes:
        if node.input_tensors and any(id(tensor) not in known for tensor in node.outputs):
            arguments, keywords = node.arguments.fill_in(known)
            made = keras.tree.flatten(call(node.operation, *arguments, **keywords))
            known |= zip(map(id, node.outputs), made, strict=True)


def outputs_of(model: keras.Model, known: Mapping[int, Any]) -> Any:
    """What has taken the place of a model's outputs: one tensor, or a list of several."""
    return one_or_all([known[id(tensor)] for tensor in model.outputs])


def one_or_all(tensors: list[Any]) -> Any:
    """One tensor by itself, or a list of several, as ``keras.Model`` takes them."""
    return tensors if len(tensors) > 1 else tensors[0]


def operations(model: keras.Model) -> list[Any]:
    """The operations of a Functional model in the order in which they run, inputs first."""
    return [node.operation for node in nodes_of(model)]


def nodes_of(model: Any) -> list[Any]:
    """The nodes of a Functional model in running order: each one call of an operation."""
    require_functional(model)
    by_depth = model._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def find_cuts(model: keras.Model, tensors: int = 1) -> tuple[Cut, ...]:
    """Finds every place at which a model can be cut in two, from the input to the output.

    One sweep in running order keeps the set of tensors that are still needed. Where that set
    holds a single tensor, nothing else passes from the part before it to the part after it.
    All inputs are needed from the start, so that no cut is found before the last of several
    inputs has been consumed, unless the cut, of up to so many tensors, may carry them along.
    The input tensor of a single-input model comes first, and the output of a single-output model
    last. Nested models count as one operation (see ``inline``). Raises GraphError where the model
    is not Functional.
    """
    cuts: list[Cut] = []
    for position, (node, needed) in enumerate(_sweep(model)):
        made = {id(tensor) for tensor in node.outputs}
        if len(needed) <= tensors and any(id(tensor) in made for tensor in needed):
            cuts.append(Cut(needed, node.operation.name, position))
    return tuple(cuts)


def _sweep(model: keras.Model) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Every node in running order, with the tensors that are needed after it."""
    nodes = nodes_of(model)
    used = [*(tensor for node in nodes for tensor in node.input_tensors), *model.outputs]
    waiting = collections.Counter(map(id, used))
    needed = {id(tensor): tensor for tensor in model.inputs if waiting[id(tensor)]}
    for node in nodes:
        for tensor in node.input_tensors:
            waiting[id(tensor)] -= 1
            if waiting[id(tensor)] == 0:
                needed.pop(id(tensor), None)
        for tensor in node.outputs:
            if waiting[id(tensor)] > 0:
                needed[id(tensor)] = tensor
        yield node, tuple(needed.values())


def split(model: keras.Model, cut: Cut) -> tuple[keras.Model, keras.Model]:
    """Cuts a model in two: the prefix, up to ``cut.tensor``, and the suffix, from there on.

    Both parts share the layers, and so the weights, of ``model``: training the suffix trains the
    model. ``suffix(prefix(x))`` equals ``model(x)`` bit for bit in inference mode.

    Raises:
        GraphError: the cut is one of another model, or has several tensors without fixed shapes.
    """
    own = [needed for _, needed in _sweep(model)]
    if not (
        cut.position < len(own)
        and {id(tensor) for tensor in own[cut.position]} == {id(tensor) for tensor in cut.tensors}
    ):
        raise GraphError(
            f"The cut at {cut.name!r} is not one of the model {model.name!r}. Find cuts and stages "
            "in the very model that is split; nested models are laid open by inline()."
        )
    inputs, outputs = one_or_all(model.inputs), one_or_all(model.outputs)
    prefix = keras.Model(inputs, cut.tensor, name=f"{model.name}_prefix")
    packed = cut.tensor
    if len(cut.tensors) > 1:
        packed = keras.Input(packed.shape[1:], dtype=packed.dtype)
        known = dict(zip(map(id, cut.tensors), cut.unpack(packed), strict=True))
        replay(nodes_of(model)[cut.position + 1 :], known)
        outputs = outputs_of(model, known)
    return prefix, keras.Model(packed, outputs, name=f"{model.name}_suffix")
