"""What every family of KerasHub must keep, on small twins that run each time."""

import keras
import numpy as np
import pytest

from kerastl.backbones import freeze, get_backbone, stages_of, unfreeze
from kerastl.graph import can_open, find_cuts, open_model, operations, split
from tests.contracts.families import images
from tests.contracts.tiny import TINY, tiny_network

LAYERS = {
    "vit_base_patch16_224",
    "deit_tiny_distilled_patch16_224",
    "dinov2_small",
    "dinov2_with_registers_small",
    "dinov3_vit_small",
    "clip_vit_base_patch32",
    "siglip_base_patch16_224",
}


@pytest.fixture(params=TINY, scope="module")
def built(request):
    if get_backbone(request.param).source == "keras_hub":
        pytest.importorskip("keras_hub")
    return request.param, tiny_network(request.param)


def values(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


def test_the_opened_model_answers_like_the_model(built):
    _, network = built
    opened = open_model(network)
    x = images(network)
    np.testing.assert_array_equal(values(opened, x), values(network, x))
    assert not any(can_open(operation) for operation in operations(opened))
    assert {id(w) for w in opened.weights} == {id(w) for w in network.weights}
    assert open_model(opened) is opened


def test_each_transformer_layer_is_a_stage(built):
    name, network = built
    opened = open_model(network)
    names = [stage.name for stage in stages_of(opened, get_backbone(name).stage_pattern)]
    if name in LAYERS:
        assert names == ["layer_0", "layer_1", "layer_2"]
    elif name in ("swin_tiny_patch4_window7_224", "mit_b0"):
        assert names == ["stage_0_block_0", "stage_0_block_1", "stage_1_block_0", "stage_1_block_1"]
    else:
        assert len(names) >= 3
    assert [stage.name for stage in stages_of(network)] == names


def test_parts_answer_like_the_whole_at_every_cut(built):
    _, network = built
    opened = open_model(network)
    x = images(network)
    whole = values(network, x)
    cuts = find_cuts(opened)
    assert len(cuts) >= 5
    for cut in cuts[:-1]:
        prefix, suffix = split(opened, cut)
        np.testing.assert_array_equal(values(suffix, values(prefix, x)), whole, err_msg=cut.name)
        parts = {id(w) for w in prefix.weights + suffix.weights}
        assert parts == {id(w) for w in network.weights}


def held(layers):
    return {id(w): (w.path, np.array(w)) for layer in layers for w in layer.weights}


def test_nothing_before_the_boundary_moves(built):
    """Weights, statistics and outputs of the frozen part stay, with dropout asked for."""
    name, network = built
    stage = stages_of(network)[-2]
    unfreeze(network, stage.name, batch_norm=True)
    # Two steps: tracing them would take longer than they do.
    network.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", run_eagerly=True)
    opened = open_model(network)
    cut = next(s.cut for s in stages_of(opened, get_backbone(name).stage_pattern)
               if s.name == stage.name)  # fmt: skip
    layers = [op for op in operations(opened) if isinstance(op, keras.layers.Layer)]
    order = operations(opened)
    before = [layer for layer in layers if order.index(layer) <= cut.position]
    after = [layer for layer in layers if order.index(layer) > cut.position]
    frozen, free = held(before), held(after)
    prefix, _ = split(opened, cut)
    x = images(network, 4)
    still = values(prefix, x)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(prefix(x, training=True)), still, err_msg="random"
    )
    network.fit(x, np.array([0, 1, 2, 0]), batch_size=2, epochs=1, verbose=0)
    for layer in before:
        for weight in layer.weights:
            # Generators of dropout count their draws, and are no part of what is computed.
            if "seed" in weight.path:
                continue
            path, old = frozen[id(weight)]
            np.testing.assert_array_equal(np.array(weight), old, err_msg=path)
    np.testing.assert_array_equal(values(prefix, x), still)
    moved = [
        not np.array_equal(np.array(w), free[id(w)][1]) for layer in after for w in layer.weights
    ]
    assert any(moved)


def test_all_of_it_freezes_and_only_the_head_trains(built):
    _, network = built
    freeze(network)
    assert [w.path for w in network.trainable_weights] == [
        "probabilities/kernel",
        "probabilities/bias",
    ]
    unfreeze(network, "all", batch_norm=True)
    fixed = [w.path for w in network.weights if not any(w is t for t in network.trainable_weights)]
    states = ("moving_mean", "moving_variance", "seed", "position_ids", "position_embeddings",
              "relative_position")  # fmt: skip
    assert [path for path in fixed if not any(state in path for state in states)] == []


def test_it_survives_saving(built, tmp_path):
    _, network = built
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", compile=False)
    x = images(network)
    np.testing.assert_array_equal(values(loaded, x), values(network, x))
    assert [s.name for s in stages_of(loaded)] == [s.name for s in stages_of(network)]
