import keras
import pytest

from kerastl.errors import ConfigurationError
from kerastl.graph import find_stages, head_cut, inline, resolve_boundary


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    for number in (1, 2, 3):
        y = keras.layers.Conv2D(4, 3, padding="same", name=f"block_{number}_conv")(x)
        x = keras.layers.Add(name=f"block_{number}_add")([x, y])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="logits")(x))


def stages(model):
    return find_stages(model, r"(block_\d)_")


def test_a_stage_begins_at_the_last_cut_before_its_first_layer(model):
    assert [(s.name, s.cut.name) for s in stages(model)] == [
        ("block_1", "stem"),
        ("block_2", "block_1_add"),
        ("block_3", "block_2_add"),
    ]


def test_groups_of_a_pattern_are_joined(model):
    assert next(s.name for s in find_stages(model, r"(block)_(\d)_")) == "block_1"


def test_without_a_pattern_stages_end_where_branches_merge(model):
    assert [s.cut.name for s in find_stages(model, None)] == ["image", "block_1_add", "block_2_add"]


def test_without_branches_every_layer_with_weights_is_a_stage():
    plain = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, name="a"),
            keras.layers.ReLU(),
            keras.layers.Dense(2, name="b"),
        ]
    )
    assert [s.name for s in find_stages(inline(plain), None)] == ["a", "b"]


@pytest.mark.parametrize(
    ("train_from", "boundary"),
    [
        ("head", "pool"),
        ("all", "image"),
        ("block_2", "block_1_add"),
        (-1, "block_2_add"),
        (-3, "stem"),
        ("block_3_conv", "block_2_add"),
        ("logits", "pool"),
    ],
)
def test_boundaries(model, train_from, boundary):
    assert resolve_boundary(model, train_from, stages(model)).name == boundary


def test_unknown_stages_are_named_with_near_misses(model):
    with pytest.raises(ConfigurationError, match="Did you mean 'block_3'"):
        resolve_boundary(model, "blok_3", stages(model))
    with pytest.raises(ConfigurationError, match="there are 3: block_1, block_2, block_3"):
        resolve_boundary(model, -4, stages(model))


def test_the_head_of_a_model_without_pooling_is_its_last_weighted_layer():
    plain = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, name="a"),
            keras.layers.ReLU(name="r"),
            keras.layers.Dense(2, name="b"),
        ]
    )
    assert head_cut(inline(plain)).name == "r"
