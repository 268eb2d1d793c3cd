"""Stages: the parts of a backbone that a person would unfreeze one after another."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import keras

from kerastl.errors import ConfigurationError, GraphError, did_you_mean
from kerastl.graph.cuts import Cut, find_cuts, operations

HEAD = "head"
ALL = "all"
POOLING_LAYER = "head_pooling"
# The weights with which attention pools: what is before them is frozen, they are not.
SCORES_LAYER = "head_attention"
# A cell of NASNet feeds the next two.
_MOST_TENSORS = 3
_LAYER = "layer"
_MERGES = (keras.layers.Add, keras.layers.Concatenate, keras.layers.Multiply, keras.layers.Average)
_POOLINGS = (
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.Flatten,
)


@dataclasses.dataclass(frozen=True)
class Stage:
    """A run of layers between two cuts of a model, as ``"conv5"``; ``cut`` is what enters it."""

    name: str
    cut: Cut


def find_stages(model: keras.Model, pattern: str | None) -> tuple[Stage, ...]:
    """Finds the stages of a flat Functional model.

    Args:
        model: a Functional model without nested models (see ``inline``).
        pattern: a regular expression with groups. Layers whose names match from their start
            belong to the stage that the groups, joined by ``_``, name; layers that do not
            match belong to the stage before them. A named group puts its own name before its
            value, which is 0 where it took no part: ``blocks_(?P<stage>[0-9])`` makes
            ``"stage_2"``. Groups named ``layer`` are numbered from 0 in running order, since
            some count from 0 and some from 1. None takes every merge of branches (Add,
            Concatenate, ...) as the end of a stage, or, in a model without branches, every layer
            with weights as a stage.

    Returns:
        The stages from input to output. Two stages that no cut separates are one, under the
        name of the first.
    """
    cuts = find_cuts(model, tensors=_MOST_TENSORS)
    if pattern is None:
        starts = _starts_without_names(model, tuple(c for c in cuts if len(c.tensors) == 1))
    else:
        starts = _starts_by_name(model, pattern)

    stages: list[Stage] = []
    begun = -1
    for name, start in starts.items():
        # A cut before the stage before would leave that stage out of what is frozen.
        between = [cut for cut in cuts if begun <= cut.position < start]
        if between:
            # The fewest tensors, and then the nearest to the stage.
            best = min(between, key=lambda cut: (len(cut.tensors), -cut.position))
            stages.append(Stage(name, best))
            begun = start
    return tuple(stages)


def _starts_by_name(model: keras.Model, pattern: str) -> dict[str, int]:
    expression = re.compile(pattern)
    labels = {number: label for label, number in expression.groupindex.items()}
    layers: list[str] = []
    starts: dict[str, int] = {}
    for position, operation in enumerate(operations(model)):
        match = expression.match(operation.name)
        if match is None:
            continue
        parts = []
        for number, value in enumerate(match.groups(), start=1):
            label = labels.get(number)
            if label == _LAYER:
                if value not in layers:
                    layers.append(value)
                value = str(layers.index(value))
            parts.append(value if label is None else f"{label}_{value or 0}")
        starts.setdefault("_".join(parts), position)
    return starts


def _starts_without_names(model: keras.Model, cuts: tuple[Cut, ...]) -> dict[str, int]:
    order = operations(model)
    joins = [cut for cut in cuts if isinstance(order[cut.position], _MERGES)]
    if joins:
        starts = [cuts[0].position + 1, *(cut.position + 1 for cut in joins[:-1])]
    else:
        starts = _weighted(order)
    return {order[position].name: position for position in starts if position < len(order)}


def _weighted(order: list[Any]) -> list[int]:
    """The positions of the layers with weights."""
    return [
        position
        for position, operation in enumerate(order)
        if isinstance(operation, keras.layers.Layer) and operation.weights
    ]


def head_cut(model: keras.Model) -> Cut:
    """The cut after which only the head is left; raises GraphError where there is none.

    It is what enters the layer named ``head_attention``, or the output of ``head_pooling``, or
    else of the last pooling or flattening layer, or else the last cut before the last layer with
    weights.
    """
    order = operations(model)
    scores = [position for position, op in enumerate(order) if op.name == SCORES_LAYER]
    if scores:
        several = find_cuts(model, tensors=_MOST_TENSORS)
        return next(cut for cut in reversed(several) if cut.position < scores[0])
    cuts = find_cuts(model)
    last = (_weighted(order) or [len(order)])[-1]
    named = [cut for cut in cuts if cut.name == POOLING_LAYER]
    before = [cut for cut in cuts if cut.position < last]
    # A squeeze-and-excitation block pools too, but never as the last pooling layer.
    pooled = [cut for cut in before if isinstance(order[cut.position], _POOLINGS)]
    found = named or pooled or before
    if not found:
        raise GraphError(
            f"The model {model.name!r} has no tensor that separates a head from the rest."
        )
    return found[-1]


def resolve_boundary(model: keras.Model, train_from: str | int, stages: tuple[Stage, ...]) -> Cut:
    """Finds the cut at which training begins.

    Args:
        model: a flat Functional model with one input.
        train_from: ``"head"``, ``"all"``, the name of a stage or of a layer, or a negative
            number that counts stages from the end (-1 is the last).
        stages: the model's stages.

    Raises:
        ConfigurationError: no such stage or layer.
        GraphError: the layer named lies within branches, so that no cut is right before it.
    """
    cuts = find_cuts(model)
    if train_from == HEAD:
        return head_cut(model)
    if train_from == ALL:
        if not cuts:
            raise GraphError(f"The model {model.name!r} has more than one input: cannot be cut.")
        return cuts[0]
    names = [stage.name for stage in stages]
    if isinstance(train_from, int):
        if not -len(stages) <= train_from <= -1:
            raise ConfigurationError(
                f"from_stage={train_from} counts stages from the end, and there are "
                f"{len(stages)}: {', '.join(names)}. Give -1 to {-len(stages)}, a name, "
                "'head' or 'all'."
            )
        return stages[train_from].cut
    for stage in stages:
        if stage.name == train_from:
            return stage.cut
    order = [operation.name for operation in operations(model)]
    if train_from in order:
        before = [cut for cut in cuts if cut.position < order.index(train_from)]
        if before:
            return before[-1]
        raise GraphError(f"Nothing lies before the layer {train_from!r}; use 'all'.")
    raise ConfigurationError(
        f"There is no stage or layer {train_from!r}."
        f"{did_you_mean(train_from, [*names, *order])} The stages are: {', '.join(names)}; "
        "'head' and 'all' are allowed too."
    )
