import keras
import numpy as np
import pytest

import kerastl
from kerastl.errors import ConfigurationError, TrainingError
from kerastl.outputs import Classes
from kerastl.training import SilentReporter
from kerastl.training.optimization import make_schedule
from kerastl.training.selection import Score, interpolate
from kerastl.training.targets import make_targets
from tests.conftest import CLASSES

QUIET = {"class_names": CLASSES, "reporter": SilentReporter()}


def plain_head():
    return kerastl.Head(dropout=0.0)


class Count(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(epoch)


@pytest.fixture(scope="module")
def counted(small_recipe, colours):
    """A model of two phases, seed 3, and the callback that was told of its epochs."""
    count = Count()
    return small_recipe().fit(colours, seed=3, callbacks=[count], **QUIET), count


def test_two_phases_leave_the_early_stages_as_they_were(small_recipe, counted):
    keras.utils.set_random_seed(3)
    start, _ = small_recipe().assemble(Classes(CLASSES), seed=3)
    model = counted[0]
    moved = {
        layer.name
        for layer in start.layers
        for old, new in zip(
            layer.get_weights(), model.network.get_layer(layer.name).get_weights(), strict=True
        )
        if not np.array_equal(old, new)
    }
    assert moved
    assert moved <= {"conv_dw_12", "conv_pw_12", "conv_dw_13", "conv_pw_13", "probabilities"}


def test_a_phase_never_ends_worse_than_it_began(small_recipe, colours):
    wild = (kerastl.Phase("head", 3, 1e-2), kerastl.Phase("all", 2, 10.0, warmup=0.0))
    head, full = small_recipe(plan=wild).fit(colours, **QUIET).history
    assert full["accuracy"] >= head["accuracy"]


def test_cached_training_gives_the_weights_of_uncached_training(small_recipe, colours):
    models = [
        small_recipe(cache=cache, head=plain_head()).fit(colours, seed=1, **QUIET)
        for cache in ("auto", False)
    ]
    for one, other in zip(*(m.network.get_weights() for m in models), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_cached_training_gives_the_weights_of_a_plain_keras_loop(small_recipe, colours):
    """The guide's loop: the whole network, batch after batch, in the same order."""
    epochs, size, output = 3, 8, Classes(CLASSES)
    plan = (kerastl.Phase("conv_12", epochs, 1e-3),)
    recipe = small_recipe(plan=plan, head=plain_head(), batch_size=size, augment=None)
    x, y = np.asarray(colours[0])[:, :32, :32], np.asarray(colours[1])
    ours = recipe.fit((x, y), validation=False, seed=1, **QUIET).network

    keras.utils.set_random_seed(1)
    network, _ = recipe.assemble(output, seed=1)
    kerastl.unfreeze(network, "conv_12")
    steps = -(-len(x) // size)
    optimizer = keras.optimizers.AdamW(
        make_schedule(plan[0], steps), weight_decay=plan[0].weight_decay
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    network.compile(optimizer, output.loss(plan[0]))
    for epoch in range(epochs):
        order = np.random.default_rng([1, 0, epoch]).permutation(len(x))
        for start in range(0, len(x), size):
            rows = np.sort(order[start : start + size])
            network.train_on_batch(x[rows].astype("float32"), np.eye(3)[y[rows]])
    for one, other in zip(ours.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_views_are_cycled(small_recipe, colours):
    head = kerastl.Head(features="last")
    recipe = small_recipe(plan=kerastl.head_only(4), augment=kerastl.Augment(views=3), head=head)
    [phase] = recipe.fit(colours, **QUIET).history
    examples = phase["train_examples"]
    assert phase["cached_bytes"] == 3 * examples * recipe.record.features * 4


def test_early_stopping(small_recipe, colours):
    plan = (kerastl.Phase("head", 30, 1e-9, patience=2),)
    [phase] = small_recipe(plan=plan).fit(colours, **QUIET).history
    assert phase["epochs"] < 30


def test_the_same_seed_gives_the_same_weights(small_recipe, colours, counted):
    first, second = counted[0], small_recipe().fit(colours, seed=3, **QUIET)
    for one, other in zip(first.network.get_weights(), second.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_balanced_class_weights_are_inverse_to_counts():
    outputs, labels = {"kind": Classes(("a", "b"))}, {"kind": np.array([0, 0, 0, 1])}
    [weights] = make_targets(outputs, labels, "balanced").weights
    np.testing.assert_allclose(weights, [4 / 6, 4 / 6, 4 / 6, 2])
    [weights] = make_targets(outputs, labels, {"a": 1.0, "b": 5.0}).weights
    np.testing.assert_allclose(weights, [1, 1, 1, 5])
    with pytest.raises(ConfigurationError, match="a weight for each of the classes a, b"):
        make_targets(outputs, labels, {"a": 1.0})


def test_user_callbacks_are_called(counted):
    assert counted[1].seen == [0, 1, 2, 0, 1]


class Poison(keras.callbacks.Callback):
    """Makes the weights NaN in the epochs of a phase, a few times."""

    def __init__(self, epoch, times):
        super().__init__()
        self.epoch, self.left = epoch, times

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch and self.left:
            self.left -= 1
            weights = self.model.trainable_variables[0]
            weights.assign(np.full(weights.shape, np.nan, np.float32))


@pytest.mark.parametrize("validation", [None, False])
def test_a_divergence_is_rolled_back_once_at_a_lower_rate(small_recipe, colours, validation):
    notes = []

    class Notes(SilentReporter):
        def note(self, text):
            notes.append(text)

    plan = (kerastl.Phase("head", 4, 1e-2),)
    model = small_recipe(plan=plan).fit(
        colours, validation, class_names=CLASSES, reporter=Notes(), callbacks=[Poison(2, 1)]
    )
    [record] = model.history
    assert record["slowed_at"] == 2
    assert record["epochs"] == 4
    assert all(np.isfinite(weights).all() for weights in model.network.get_weights())
    assert any("became nan in epoch 3. Back to the last good weights" in note for note in notes)


def test_a_second_divergence_is_an_error(small_recipe, colours):
    with pytest.raises(TrainingError, match="became nan in epoch 2. It did so before"):
        small_recipe().fit(colours, callbacks=[Poison(1, 2)], **QUIET)


def test_a_probe_ends_where_it_no_longer_improves(small_recipe, colours):
    plan = kerastl.lp_ft(60, 1, patience=2, probe_learning_rate=3e-2)
    probe, tuned = small_recipe(plan=plan).fit(colours, **QUIET).history
    assert probe["epochs"] < 60
    assert probe["epochs"] == probe["best_epoch"] + 2
    assert tuned["trainable_parameters"] > 10 * probe["trainable_parameters"]
    assert tuned["accuracy"] >= probe["accuracy"]


def test_random_layers_cannot_be_cached():
    from kerastl.errors import GraphError
    from kerastl.graph import find_cuts
    from kerastl.training.activations import check_cacheable

    inputs = keras.Input((8, 8, 3))
    x = keras.layers.RandomFlip(name="flip")(inputs)
    model = keras.Model(inputs, keras.layers.Conv2D(2, 3)(x))
    with pytest.raises(GraphError, match="'flip'.*is random"):
        check_cacheable(model, find_cuts(model)[-1])


def test_interpolation_never_ends_worse_and_says_what_it_chose(small_recipe, colours):
    plan = (
        kerastl.Phase("head", 3, 1e-2),
        kerastl.Phase("conv_12", 2, 1e-2, interpolate=True),
    )
    head, tuned = small_recipe(plan=plan).fit(colours, **QUIET).history
    assert head["interpolation"] is None
    assert 0 <= tuned["interpolation"] <= 1
    assert (tuned["accuracy"], -tuned["loss"]) >= (head["accuracy"], -head["loss"])


def test_interpolation_needs_validation_data(small_recipe, colours):
    plan = (kerastl.Phase("head", 1, interpolate=True),)
    with pytest.raises(ConfigurationError, match="there are none"):
        small_recipe(plan=plan).fit(colours, validation=False, **QUIET)


def test_mixtures_lie_on_the_line_between_two_states():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    # Class 1 from x = 0.5 on; the start says from 0.8 on, the end from 0.3 on.
    x = np.linspace(0.05, 0.95, 10).reshape(-1, 1).astype("float32")
    y = np.eye(2)[(x[:, 0] > 0.5).astype(int)]
    start = [np.array([[0.0, 40.0]], np.float32), np.array([0.0, -32.0], np.float32)]
    end = [np.array([[0.0, 40.0]], np.float32), np.array([0.0, -12.0], np.float32)]
    model.set_weights(end)
    scores = model.evaluate(x, y, verbose=0, return_dict=True)
    best, by = (scores["accuracy"], -scores["loss"]), Score("accuracy", ("accuracy",))
    share, score = interpolate(model, start, _pair(x, y), best, by=by)
    assert share == pytest.approx(0.6)
    assert score[0] == 1.0
    np.testing.assert_allclose(model.get_weights()[1], [0.0, -20.0])


def _pair(x, y):
    class Pair(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return x, y

    return Pair()


def test_accumulated_gradients_change_the_weights_less_often(small_recipe, colours):
    class Watch(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seen = []

        def on_train_batch_end(self, batch, logs=None):
            self.seen.append(self.model.get_layer("probabilities").get_weights()[0].copy())

    watch = Watch()
    plan = (kerastl.Phase("head", 2, 1e-2, gradient_accumulation=2),)
    small_recipe(plan=plan).fit(colours, callbacks=[watch], **QUIET)
    changes = [not np.array_equal(a, b) for a, b in zip(watch.seen, watch.seen[1:], strict=False)]
    assert changes == [number % 2 == 0 for number in range(len(changes))]


def test_focal_loss_weighs_down_what_is_classified_well():
    target = np.array([[1.0, 0.0]])
    plain, focal = (Classes().loss(kerastl.Phase(loss=name)) for name in ("cross_entropy", "focal"))
    for p in (0.6, 0.9, 0.99):
        guess = np.array([[p, 1 - p]])
        assert float(focal(target, guess)) == pytest.approx(
            (1 - p) ** 2 * float(plain(target, guess)), rel=1e-3
        )
