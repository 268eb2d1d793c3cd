"""Every figure in a record is that of the network which Keras builds."""

import math

import keras
import numpy as np
import pytest

from kerastl.backbones import stages_of
from kerastl.graph import nodes_of, open_model
from tests.contracts.families import APPLICATIONS, QUICK, RECORDS, assemble

SIZE = 256
COARSE = 16


def side_of(shape):
    """Height of a feature map, or what it would be for a sequence of tokens; None otherwise."""
    if len(shape) == 4:
        return shape[1]
    return math.isqrt(shape[1]) if len(shape) == 3 and shape[1] else None


def share_at_a_sixteenth(nodes, size):
    """Of the layers with weights, the share that works at 1/16 of the resolution or less."""
    sides = [side_of(n.outputs[0].shape) for n in nodes if getattr(n.operation, "weights", None)]
    # Squeeze-and-excitation works on 1 x 1 maps, at any depth.
    sides = [side for side in sides if side is not None and side > 1]
    return np.mean([side <= size / COARSE for side in sides]) if sides else 0.0


def check(name):
    record = RECORDS[name]
    # Position embeddings count, and there are as many as there are patches.
    size = record.image_size if record.pooling != "average" else SIZE
    _, network = assemble(name, size)
    flat = open_model(network)
    # The head may read an earlier feature map beside the last one.
    pooled = flat.get_layer("head_pooling") if record.pooling == "average" else None
    read = pooled.input if isinstance(pooled, keras.layers.Concatenate) else None
    width = flat.get_layer("probabilities").input.shape[1]
    assert (width if read is None else read[-1].shape[1]) == record.features
    assert network.count_params() == record.parameters + (width + 1) * 3
    stages = stages_of(flat, record.stage_pattern)
    names = [stage.name for stage in stages]
    assert len(set(names)) == len(names)
    if record.fine_tune_from == "all":
        return
    assert len(names) >= 4, names
    assert record.fine_tune_from in names
    # Found without the record too, as unfreeze() has to.
    assert stages_of(flat) == stages
    if all(name.startswith("layer_") for name in names) and record.pooling != "average":
        assert record.fine_tune_from == names[len(names) // 2]
        return
    nodes = nodes_of(flat)
    starts = [stage.cut.position + 1 for stage in stages] + [len(nodes)]
    coarse = [
        name
        for name, start, end in zip(names, starts[:-1], starts[1:], strict=True)
        if share_at_a_sixteenth(nodes[start:end], size) >= 0.25
    ]
    assert coarse[0] == record.fine_tune_from


def test_every_constructor_of_keras_applications_has_a_record():
    constructors = {name for name in dir(keras.applications) if name[0].isupper()}
    assert len(constructors) == 40
    assert {RECORDS[name].constructor for name in APPLICATIONS} == constructors


@pytest.mark.parametrize("name", QUICK)
def test_a_record_says_what_is_built(name):
    check(name)


@pytest.mark.matrix
@pytest.mark.parametrize("name", [name for name in RECORDS if name not in QUICK])
def test_every_record_says_what_is_built(name):
    check(name)
