"""What every backbone must keep: a frozen base does not move, stages are real, pixels go in."""

import keras
import numpy as np
import pytest

import kerastl
from kerastl.backbones import stages_of
from kerastl.graph import find_cuts, operations, split

TEN = (
    "mobilenet",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "efficientnet_v2_b0",
    "resnet50",
    "resnet50_v2",
    "densenet121",
    "convnext_tiny",
)
pytestmark = pytest.mark.slow


@pytest.fixture(params=TEN, scope="module")
def built(request):
    keras.utils.set_random_seed(0)
    recipe = kerastl.ImageClassification(backbone=request.param, weights=None, image_size=32)
    return recipe, recipe.build(["a", "b", "c"])


def images(count=4):
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3)).astype("float32")


def test_nothing_frozen_moves_in_the_head_phase(built):
    _, network = built
    head = {"probabilities"}
    frozen = {
        layer.name: [np.array(w) for w in layer.get_weights()]
        for layer in network.layers
        if layer.name not in head
    }
    trained = network.get_layer("probabilities").get_weights()[0].copy()
    # Two steps: tracing them would take longer than they do.
    network.run_eagerly = True
    network.fit(images(), np.array([0, 1, 2, 0]), batch_size=2, epochs=1, verbose=0)
    for name, before in frozen.items():
        for old, new in zip(before, network.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(old, new, err_msg=name)
    assert np.abs(network.get_layer("probabilities").get_weights()[0] - trained).max() > 0


def test_the_record_says_what_was_built(built):
    recipe, network = built
    pooled = network.get_layer("head_pooling")
    # The last feature map comes after an earlier one.
    last = pooled.input[-1] if isinstance(pooled, keras.layers.Concatenate) else pooled.output
    assert last.shape == (None, recipe.record.features)
    own = network.count_params() - network.get_layer("probabilities").count_params()
    assert own == recipe.record.parameters


def test_stages_are_named_and_the_recommended_one_is_among_them(built):
    recipe, network = built
    stages = stages_of(network)
    assert len(stages) >= 4
    assert recipe.record.fine_tune_from in [stage.name for stage in stages]
    positions = [stage.cut.position for stage in stages]
    assert positions == sorted(set(positions))


def test_preprocessing_is_in_the_graph_and_not_doubled(built):
    """The first layer with weights sees the range that the backbone was trained on."""
    recipe, network = built
    order = operations(network)
    first = next(i for i, op in enumerate(order) if getattr(op, "kernel", None) is not None)
    seen = keras.Model(
        network.input, [c.tensor for c in find_cuts(network) if c.position < first][-1]
    )
    image = np.zeros((2, 32, 32, 3), np.float32)
    image[1] = 255.0
    low, high = seen.predict(image, verbose=0)[:, 16, 16]
    limits = {
        "tf": ([-1, -1, -1], [1, 1, 1]),
        "torch": ([-2.1179, -2.0357, -1.8044], [2.2489, 2.4286, 2.64]),
        "caffe": ([-103.939, -116.779, -123.68], [151.061, 138.221, 131.32]),
        "included": {
            "mobilenet_v3_small": ([-1] * 3, [1] * 3),
            "mobilenet_v3_large": ([-1] * 3, [1] * 3),
            "efficientnet_b0": ([0] * 3, [1] * 3),
            "efficientnet_v2_b0": ([-2.1179, -2.0357, -1.8044], [2.2489, 2.4286, 2.64]),
            "convnext_tiny": ([-2.1179, -2.0357, -1.8044], [2.2489, 2.4286, 2.64]),
        }.get(recipe.record.name),
    }[recipe.record.preprocessing]
    np.testing.assert_allclose(low, limits[0], atol=2e-3)
    np.testing.assert_allclose(high, limits[1], atol=2e-3)


# At every stage of the same backbones, this one too, test_cuts.py holds it, layer by layer; here
# three graphs are traced for it.
@pytest.mark.long
def test_the_cut_at_the_recommended_stage_is_exact(built):
    recipe, network = built
    stage = next(s for s in stages_of(network) if s.name == recipe.record.fine_tune_from)
    prefix, suffix = split(network, stage.cut)
    x = images(2)
    np.testing.assert_array_equal(
        suffix.predict(prefix.predict(x, verbose=0), verbose=0), network.predict(x, verbose=0)
    )
