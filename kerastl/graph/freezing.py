"""Setting which layers train, so that nothing before the freeze boundary moves."""

from __future__ import annotations

from typing import Any

import keras

from kerastl.graph.cuts import Cut, operations
from kerastl.graph.layers import all_layers
from kerastl.graph.opening import open_model

_RATE = "_kerastl_rate"
# Stochastic depth is a class of its own in every family, all named alike.
_STOCHASTIC_DEPTH = ("DropPath", "StochasticDepth")
_RATES = ("rate", "drop_prob", "drop_path_rate")


def apply_boundary(model: keras.Model, cut: Cut | None, *, batch_norm: bool = False) -> None:
    """Makes everything after a cut trainable and everything before it frozen.

    Frozen layers keep their weights and BatchNorm statistics whatever is called later:
    ``trainable`` is false on every BatchNormalization itself, since neither
    ``base(x, training=False)`` nor ``base.trainable = False`` on a container keeps the moving
    statistics still. Dropout and stochastic depth before the cut are switched off, so that the
    frozen part is the same function in training as in prediction.

    Args:
        model: a Functional or Sequential model, nested models allowed. A compiled model has to
            be compiled again afterwards, and refuses to train until then.
        cut: a cut of ``open_model(model)``, or None to freeze everything.
        batch_norm: let BatchNormalization after the cut train. By default it keeps the
            statistics that it was pretrained with, in training too.
    """
    flat = open_model(model)
    # Setting a container's flag overwrites the flags of all that it contains: containers first.
    for layer in all_layers(model):
        layer.trainable = True
    frozen: set[int] = set()
    for position, layer in enumerate(operations(flat)):
        if not isinstance(layer, keras.layers.Layer):
            continue
        # A layer that is used on both sides of the cut belongs to the frozen side.
        if cut is None or position <= cut.position:
            frozen.add(id(layer))
        _set_trainable(layer, id(layer) not in frozen, batch_norm)
    # `trainable` is read when a training step is compiled; an old step would train as before.
    model.compiled = False


def _set_trainable(layer: Any, trainable: bool, batch_norm: bool) -> None:
    for inner in all_layers(layer):
        # On the TensorFlow backend a flag that a layer has already is not handed down.
        inner.trainable = trainable
        if isinstance(inner, keras.layers.BatchNormalization) and not batch_norm:
            inner.trainable = False
        _set_dropout(inner, trainable)


def _set_dropout(layer: Any, active: bool) -> None:
    name = _rate_of(layer)
    if name is None:
        return
    if active and hasattr(layer, _RATE):
        setattr(layer, name, getattr(layer, _RATE))
        delattr(layer, _RATE)
    elif not active and getattr(layer, name) > 0:
        setattr(layer, _RATE, getattr(layer, name))
        setattr(layer, name, 0.0)


def _rate_of(layer: Any) -> str | None:
    """The attribute that says how much a layer drops; None of a layer that drops nothing."""
    if isinstance(layer, keras.layers.Dropout):
        return "rate"
    if not type(layer).__name__.endswith(_STOCHASTIC_DEPTH):
        return None
    return next((name for name in _RATES if hasattr(layer, name)), None)


def forget_traces(model: keras.Model) -> None:
    """Makes a model trace its steps anew; needed where its layers compute in another way."""
    model.make_predict_function(force=True)
    model.train_function = model.test_function = None
    model.compiled = False


def momenta_of(model: keras.Model) -> list[tuple[Any, float]]:
    """The BatchNormalization layers of a model, each with its momentum."""
    return [
        (layer, layer.momentum)
        for layer in all_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


def settle_momentum(model: keras.Model, steps: int) -> None:
    """Makes the moving statistics of trainable BatchNormalization settle within a training.

    Networks made for ImageNet average over thousands of steps (MobileNetV2: 0.999). After a few
    hundred the averages would still be those of the start, and prediction, which uses them, at
    chance. A tenth of the steps that there will be is the longest memory allowed.
    """
    longest = 1 - 1 / max(1.0, steps / 10)
    for layer in all_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            layer.momentum = min(layer.momentum, max(0.5, longest))
