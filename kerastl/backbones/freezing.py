"""Freezing and unfreezing plain Keras models, by stages."""

from __future__ import annotations

import re

import keras

from kerastl.backbones.registry import list_backbones
from kerastl.backbones.weights import own_name
from kerastl.errors import GraphError
from kerastl.graph import (
    Stage,
    apply_boundary,
    find_stages,
    head_cut,
    open_model,
    operations,
    resolve_boundary,
)

_LEAST_SHARE = 0.5


def stages_of(model: keras.Model, pattern: str | None = None) -> tuple[Stage, ...]:
    """The stages of a model, by the names that a registered backbone gives its layers.

    Args:
        model: a Functional or Sequential model; nested models and encoders are laid open.
        pattern: ``stage_pattern`` of the backbone's record; None finds the record whose names
            fit the model best.

    Returns:
        Stages from input to output. For a model that is no registered backbone, stages end where
        branches merge (see ``kerastl.graph.find_stages``).
    """
    flat = open_model(model)
    if pattern is not None:
        return find_stages(flat, pattern)
    try:
        end: int | None = head_cut(flat).position
    except GraphError:
        end = None
    layers = [
        operation
        for operation in operations(flat)[:end]
        if isinstance(operation, keras.layers.Layer) and operation.weights
    ]
    # Names that Keras makes say nothing of a backbone.
    named = sum(not re.fullmatch(rf"{own_name(x)}(_\d+)?", x.name) for x in layers)
    best: tuple[Stage, ...] = ()
    for candidate in dict.fromkeys(record.stage_pattern for record in list_backbones()):
        stages = find_stages(flat, candidate)
        covered = sum(bool(re.match(candidate, layer.name)) for layer in layers)
        if len(stages) > len(best) and covered >= _LEAST_SHARE * named:
            best = stages
    return best or find_stages(flat, None)


def freeze(model: keras.Model, *, head: bool = True) -> keras.Model:
    """Freezes a model's backbone so that nothing in it moves, BatchNorm statistics included.

    Args:
        model: a Functional or Sequential model; the base may be nested in it.
        head: leave what comes after the last pooling layer trainable; False freezes that too.

    Returns:
        ``model``, changed in place. It has to be compiled (again) before it trains.

    Raises:
        GraphError: the model's graph cannot be seen.

    Examples:
        >>> import keras, kerastl
        >>> base = keras.applications.MobileNet(
        ...     weights=None, include_top=False, input_shape=(32, 32, 3), alpha=0.25)
        >>> pooled = keras.layers.GlobalAveragePooling2D()(base.output)
        >>> model = keras.Model(base.input, keras.layers.Dense(2)(pooled))
        >>> len(kerastl.freeze(model).trainable_weights)
        2
    """
    apply_boundary(model, head_cut(open_model(model)) if head else None)
    return model


def unfreeze(
    model: keras.Model, from_stage: str | int = "all", *, batch_norm: bool = False
) -> keras.Model:
    """Makes the late stages of a model trainable, and freezes all that comes before them.

    Args:
        model: a Functional or Sequential model; the base may be nested in it.
        from_stage: name of a stage or layer, a negative number that counts stages from the end
            (-2: the last two), ``"head"``, or ``"all"``.
        batch_norm: let the BatchNormalization layers of those stages train too. By default
            they keep their pretrained statistics.

    Returns:
        ``model``, changed in place. It has to be compiled again before it trains.

    Raises:
        ConfigurationError: there is no such stage.
        GraphError: the model's graph cannot be seen, or not cut there.
    """
    flat = open_model(model)
    cut = resolve_boundary(flat, from_stage, stages_of(flat))
    apply_boundary(model, cut, batch_norm=batch_norm)
    return model
