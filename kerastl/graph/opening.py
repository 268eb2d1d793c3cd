"""A way inside layers that hide a whole encoder, so that it can be cut between its blocks."""

from __future__ import annotations

import types
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import numpy as np

from kerastl.errors import GraphError
from kerastl.graph.cuts import fresh_inputs, inline, nodes_of, one_or_all, outputs_of, replay

# Encoders whose opened form was seen to answer like the encoder itself.
_PROVED: weakref.WeakSet[Any] = weakref.WeakSet()


class InnerLayer(keras.layers.Layer):
    """Calls a layer that lives inside an encoder, under a name of its own.

    Blocks of different stages may have the same name, which one Functional model cannot hold;
    and some return more than the tensor that the next one takes.
    """

    def __init__(self, layer: Any, name: str, arguments: Mapping[str, Any] | None = None) -> None:
        super().__init__(name=name, dtype=layer.dtype_policy)
        self.layer = layer
        # A plain mapping: Keras would track and wrap a dict.
        self._arguments = types.MappingProxyType(dict(arguments or {}))
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The first output of the inner layer."""
        outputs = self.layer(inputs, **self._arguments)
        return outputs[0] if isinstance(outputs, tuple) else outputs

    def get_config(self) -> dict[str, Any]:
        """What the layer computes; it is for the fingerprint, and cannot be loaded."""
        return {
            "layer": type(self.layer).__name__,
            "config": config_of(self.layer),
            "arguments": keras.tree.map_structure(_plain, dict(self._arguments)),
        }


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def config_of(layer: Any) -> dict[str, Any]:
    """A layer's settings; of one whose ``get_config`` fails, its attributes that are plain."""
    try:
        return dict(layer.get_config())
    except (AttributeError, NotImplementedError):
        # Layers inside some encoders of KerasHub are never saved by themselves: their get_config
        # reads attributes that they lack, or is Keras's own, which refuses. Their settings are then
        # what they computed with, and the weights count in a fingerprint in any case.
        plain = (bool, int, float, str, tuple)
        return {k: v for k, v in sorted(vars(layer).items()) if isinstance(v, plain)}


def _chain(encoder: Any, layers: Iterable[Any], x: Any) -> Any:
    for layer in layers:
        x = _inner(encoder, layer, x)
    return x


def _vit(encoder: Any, inputs: Any) -> Any:
    return _chain(encoder, [encoder.dropout, *encoder.encoder_layers, encoder.layer_norm], inputs)


def _deit(encoder: Any, inputs: Any) -> Any:
    # Hidden states and attention scores are empty unless asked for, and nothing takes them.
    return _chain(encoder, [*encoder.encoder_layers, encoder.layer_norm], inputs), None, None


def _dino(encoder: Any, inputs: Any, **arguments: Any) -> Any:
    x = inputs
    stages = {}
    for index, block in enumerate(encoder.layers, start=1):
        x = _inner(encoder, block, x, **arguments)
        stages[f"stage{index}"] = x
    return x, stages


def _swin(stage: Any, inputs: Any) -> Any:
    x = _chain(stage, stage.blocks, inputs)
    if stage.downsample is None:
        return x
    height, width = stage.input_resolution
    return _inner(stage, stage.downsample, x, H=height, W=width)


def _hgnet(encoder: Any, inputs: Any) -> Any:
    outputs = [inputs]
    for stage in encoder.stages_list:
        layers = [stage.downsample_layer, *stage.blocks_list]
        outputs.append(_chain(encoder, layers, outputs[-1]))
    return tuple(outputs)


def _with_true_shape(layer: Any, inputs: Any) -> Any:
    # SigLIP's compute_output_shape counts a class token that it does not have, and a part that
    # begins after it would refuse what the part before it gives: the shape is traced instead.
    return _inner(layer, layer, inputs)


# Encoders of KerasHub by the name of their class. Each function calls the inner layers one after
# another as the encoder's own ``call`` does in inference.
_OPENERS: Mapping[str, Callable[..., Any]] = types.MappingProxyType(
    {
        "ViTEncoder": _vit,
        "DeiTEncoder": _deit,
        "DINOV2Encoder": _dino,
        "DINOV3Encoder": _dino,
        "SwinTransformerStage": _swin,
        "HGNetV2Encoder": _hgnet,
        "SigLIPVisionEmbedding": _with_true_shape,
    }
)
# Layers that look at the shape of their input alone: their output is a constant of the model.
_CONSTANTS = frozenset({"DINOV3RopePositionEmbedding"})
_PACKAGE = "keras_hub."


def _inner(encoder: Any, layer: Any, inputs: Any, **arguments: Any) -> Any:
    if not isinstance(inputs, keras.KerasTensor):
        outputs = layer(inputs, **arguments)
        return outputs[0] if isinstance(outputs, tuple) else outputs
    return InnerLayer(layer, f"{encoder.name}_{layer.name}", arguments)(inputs)


def can_open(layer: Any) -> bool:
    """Whether a layer hides blocks that ``open_model`` can lay open."""
    return type(layer).__module__.startswith(_PACKAGE) and type(layer).__name__ in _OPENERS


def open_model(model: keras.Model) -> keras.Model:
    """Lays open every nested model and every known encoder layer.

    The result shares all layers, and so all weights, with ``model``, and answers like it bit for
    bit in inference. It is a view for cutting, freezing and training; what is saved and exported
    is ``model`` itself.

    Each encoder is proved before it is opened: its blocks, called one after another on what
    noise gives, must give what its own call gives.

    Raises:
        GraphError: the model's graph cannot be seen, or an encoder's blocks do not give what the
            encoder gives (another version of KerasHub).
    """
    flat = inline(model)
    nodes = nodes_of(flat)
    if not any(can_open(node.operation) for node in nodes):
        return flat
    _prove(flat)
    known = fresh_inputs(flat)
    inputs = list(known.values())
    replay(nodes, known, _call_opened)
    opened = keras.Model(one_or_all(inputs), outputs_of(flat, known), name=flat.name)
    if {id(weight) for weight in opened.weights} != {id(weight) for weight in flat.weights}:
        raise GraphError(
            f"The model {model.name!r} has weights outside its blocks, which cannot be opened. "
            "Train it whole."
        )
    return opened


def _call_opened(operation: Any, *arguments: Any, **options: Any) -> Any:
    kind = type(operation)
    if kind.__module__.startswith(_PACKAGE) and kind.__name__ in _CONSTANTS:
        shape = tuple(size or 1 for size in arguments[0].shape)
        made = operation(np.zeros(shape, dtype=arguments[0].dtype))
        return keras.tree.map_structure(keras.ops.convert_to_numpy, made)
    if can_open(operation):
        return _OPENERS[kind.__name__](operation, *arguments, **options)
    return operation(*arguments, **options)


def _prove(model: keras.Model) -> None:
    """Runs a model on noise; every encoder and its opened form must answer alike."""
    nodes = nodes_of(model)
    if all(node.operation in _PROVED for node in nodes if can_open(node.operation)):
        return
    generator = np.random.default_rng(0)
    known = {
        id(tensor): keras.ops.convert_to_tensor(
            generator.uniform(0, 255, [size or 1 for size in tensor.shape]).astype(tensor.dtype)
        )
        for tensor in model.inputs
    }
    replay(nodes, known, _compared)


def _compared(operation: Any, *arguments: Any, **options: Any) -> Any:
    """What an operation gives; of an encoder, after its blocks were seen to give the same."""
    whole = operation(*arguments, **options)
    if not can_open(operation):
        return whole
    try:
        opened = keras.tree.flatten(_call_opened(operation, *arguments, **options))
    except (AttributeError, TypeError, ValueError) as error:
        raise _unknown(operation) from error
    pairs = zip(keras.tree.flatten(whole), opened, strict=True)
    if not all(
        np.array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))
        for one, other in pairs
        if other is not None
    ):
        raise _unknown(operation)
    _PROVED.add(operation)
    return whole


def _unknown(encoder: Any) -> GraphError:
    return GraphError(
        f"The blocks inside {encoder.name!r} ({type(encoder).__name__}) do not give what the "
        "layer itself gives: this version of KerasHub computes it in another way. Train the "
        "backbone whole (train_from='all'), or install KerasHub 0.32."
    )
