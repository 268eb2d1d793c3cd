"""Every figure in a record is that of the network which Keras builds."""

import keras
import numpy as np
import pytest

from kerastl.graph import find_cuts, nodes_of, open_model
from kerastl.backbones import stages_of
from tests.contracts.families import APPLICATIONS, QUICK, RECORDS, assemble, images

SIZE = 256
COARSE = 16


def share_at_a_sixteenth(nodes):
    """Of the layers with weights, the share that works at 1/16 of the resolution or less."""
    sides = [
        node.outputs[0].shape[1]
        for node in nodes
        if getattr(node.operation, "weights", None) and len(node.outputs[0].shape) == 4
    ]
    # Squeeze-and-excitation works on 1 x 1 maps, at any depth.
    sides = [side for side in sides if side > 1]
    return np.mean([side <= SIZE / COARSE for side in sides]) if sides else 0.0


def check(name):
    record = RECORDS[name]
    recipe, network = assemble(name, record.image_size if record.fixed_size else SIZE)
    assert network.count_params() == record.parameters + (record.features + 1) * 3
    flat = open_model(network)
    assert flat.get_layer("probabilities").input.shape == (None, record.features)
    stages = stages_of(flat, record.stage_pattern)
    names = [stage.name for stage in stages]
    assert len(set(names)) == len(names)
    if record.fine_tune_from == "all":
        return
    assert len(names) >= 4, names
    assert record.fine_tune_from in names
    assert stages_of(network) == stages or record.source != "keras.applications"
    if record.fixed_size:
        return
    nodes = nodes_of(flat)
    starts = [stage.cut.position + 1 for stage in stages] + [len(nodes)]
    coarse = [
        name
        for name, start, end in zip(names, starts[:-1], starts[1:], strict=True)
        if share_at_a_sixteenth(nodes[start:end]) >= 0.25
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
@pytest.mark.parametrize("name", [name for name in APPLICATIONS if name not in QUICK])
def test_every_record_says_what_is_built(name):
    check(name)
