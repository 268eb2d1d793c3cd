import keras
import numpy as np
import pytest

from kerastl.errors import GraphError
from kerastl.graph import find_cuts, inline, split


def branched():
    """input -> a -> (b, c) -> add -> d, with a skip inside."""
    inputs = keras.Input((4,), name="x")
    a = keras.layers.Dense(4, name="a")(inputs)
    b = keras.layers.Dense(4, name="b")(a)
    c = keras.layers.Dense(4, name="c")(a)
    joined = keras.layers.Add(name="add")([b, c])
    return keras.Model(inputs, keras.layers.Dense(2, name="d")(joined))


def test_cuts_are_where_a_single_tensor_passes():
    assert [cut.name for cut in find_cuts(branched())] == ["x", "a", "add", "d"]


def test_no_cut_before_the_last_input_is_consumed():
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    a = keras.layers.Dense(4, name="a")(x)
    model = keras.Model(
        [x, y], keras.layers.Dense(2, name="d")(keras.layers.Add(name="add")([a, y]))
    )
    assert [cut.name for cut in find_cuts(model)] == ["add", "d"]


def test_values_of_a_cut():
    assert find_cuts(branched())[1].values == 4
    sequence = keras.Input((None, 3))
    assert find_cuts(keras.Model(sequence, keras.layers.Dense(2)(sequence)))[0].values is None


def test_every_split_answers_like_the_model_and_shares_its_weights():
    model = branched()
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    for cut in find_cuts(model)[:-1]:
        prefix, suffix = split(model, cut)
        np.testing.assert_array_equal(
            suffix.predict(prefix.predict(x, verbose=0), verbose=0), model.predict(x, verbose=0)
        )
        shared = {id(w) for w in prefix.weights + suffix.weights}
        assert shared == {id(w) for w in model.weights}


def test_inline_opens_nested_models():
    base = branched()
    inputs = keras.Input((4,), name="outer")
    head = keras.Sequential([keras.layers.Dense(3, name="h1"), keras.layers.Dense(2, name="h2")])
    model = keras.Model(inputs, head(base(inputs)))
    flat = inline(model)
    assert [cut.name for cut in find_cuts(flat)] == ["outer", "a", "add", "d", "h1", "h2"]
    assert {id(w) for w in flat.weights} == {id(w) for w in model.weights}
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    np.testing.assert_array_equal(flat.predict(x, verbose=0), model.predict(x, verbose=0))


def test_inline_opens_a_sequential_model():
    model = keras.Sequential(
        [keras.Input((4,), name="x"), branched(), keras.layers.Dense(1, name="e")]
    )
    assert [cut.name for cut in find_cuts(inline(model))] == ["x", "a", "add", "d", "e"]


def test_models_without_a_graph_are_refused():
    class Hidden(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(GraphError, match=r"Only Functional.*received Hidden"):
        find_cuts(Hidden())
    with pytest.raises(GraphError, match="no input shape yet"):
        inline(keras.Sequential([keras.layers.Dense(2)]))


def test_a_cut_of_another_model_is_refused():
    with pytest.raises(GraphError, match="is not one of the model"):
        split(branched(), find_cuts(branched())[1])


def test_inline_opens_a_base_that_is_called_on_a_computed_tensor():
    inputs = keras.Input((4,), name="outer")
    scaled = keras.layers.Rescaling(0.5, name="scale")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, name="e")(branched()(scaled, training=False)))
    flat = inline(model)
    assert [cut.name for cut in find_cuts(flat)] == ["outer", "scale", "a", "add", "d", "e"]
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    np.testing.assert_array_equal(flat.predict(x, verbose=0), model.predict(x, verbose=0))


def test_inline_keeps_several_inputs_in_order():
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    both = keras.Model([x, y], keras.layers.Subtract(name="minus")([x, y]))
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    model = keras.Model([a, b], keras.layers.ReLU(name="relu")(both([b, a])))
    values = [np.full((1, 4), 1.0, np.float32), np.full((1, 4), 3.0, np.float32)]
    np.testing.assert_array_equal(inline(model).predict(values, verbose=0), np.full((1, 4), 2.0))


def chained():
    """Every block feeds the next two; a mask goes along to all of them."""
    x, mask = keras.Input((4, 3), name="x"), keras.Input((4,), name="mask", dtype="int32")
    before, now = x, keras.layers.Dense(3, name="first")(x)
    for number in range(3):
        attended = keras.layers.MultiHeadAttention(1, 2, name=f"block_{number}")(
            now, now, attention_mask=mask[:, None, :] > 0
        )
        before, now = now, keras.layers.Add(name=f"join_{number}")([attended, before])
    return keras.Model([x, mask], keras.layers.Dense(2, name="out")(now))


def test_a_cut_of_several_tensors_carries_them_all():
    model = chained()
    random = np.random.default_rng(0)
    inputs = [random.normal(size=(5, 4, 3)).astype("float32"), random.integers(0, 2, (5, 4))]
    inputs[1][:, 0] = 1
    whole = model.predict(inputs, verbose=0)
    singles, several = find_cuts(model), find_cuts(model, tensors=5)
    assert {cut.name for cut in singles} == {"join_2", "out"}
    assert {"join_0", "join_1"} <= {cut.name for cut in several}
    for cut in several[:-1]:
        prefix, suffix = split(model, cut)
        np.testing.assert_array_equal(
            suffix.predict(prefix.predict(inputs, verbose=0), verbose=0), whole
        )
        assert {id(w) for w in prefix.weights + suffix.weights} == {id(w) for w in model.weights}


def test_a_cut_of_several_tensors_needs_fixed_shapes():
    x, y = keras.Input((None, None, 3)), keras.Input((None, None, 3))
    model = keras.Model([x, y], keras.layers.Add()([keras.layers.Dense(3, name="a")(x), y]))
    cut = next(cut for cut in find_cuts(model, tensors=2) if cut.name == "a")
    with pytest.raises(GraphError, match="no fixed shapes"):
        split(model, cut)


def test_a_cut_of_several_sequences_joins_them_position_by_position():
    x, y = keras.Input((None, 3)), keras.Input((None,), dtype="bool")
    hidden = keras.layers.Dense(4, name="a")(x)
    masked = hidden * keras.ops.expand_dims(keras.ops.cast(y, "float32"), -1)
    model = keras.Model([x, y], masked)
    cut = next(cut for cut in find_cuts(model, tensors=2) if cut.name == "a")
    assert cut.is_sequence
    assert cut.tensor.shape[-1] == 5
    prefix, suffix = split(model, cut)
    values = np.random.default_rng(0).normal(size=(2, 7, 3)).astype(np.float32)
    mask = np.arange(14).reshape(2, 7) % 3 > 0
    packed = prefix([values, mask])
    assert tuple(packed.shape) == (2, 7, 5)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(suffix(packed)),
        keras.ops.convert_to_numpy(model([values, mask])),
    )
