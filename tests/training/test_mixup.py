import keras
import numpy as np
import pytest

import kerastl
from kerastl.training import SilentReporter
from kerastl.training.batches import ViewBatches
from kerastl.training.mixup import mix
from kerastl.training.targets import KerasTargets
from tests.conftest import CLASSES

QUIET = {"class_names": CLASSES, "reporter": SilentReporter()}


@pytest.fixture
def batch():
    random = np.random.default_rng(1)
    values = random.normal(size=(6, 4)).astype(np.float32)
    return values, np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]


def mixed_with(values, targets, weights, alpha, key):
    """Of one output: values, targets and weights."""
    given = KerasTargets((targets,), None if weights is None else (weights,))
    mixed, made = mix(values, given, alpha, key)
    return mixed, made.values[0], None if weights is None else made.weights[0]


def test_inputs_and_targets_are_mixed_by_the_same_share(batch):
    values, targets = batch
    mixed, soft, _ = mixed_with(values, targets, None, 0.4, (1, 2, 3))
    random = np.random.default_rng([1, 2, 3])
    share = random.beta(0.4, 0.4)
    other = random.permutation(6)
    np.testing.assert_allclose(mixed, share * values + (1 - share) * values[other], atol=1e-6)
    np.testing.assert_allclose(soft, share * targets + (1 - share) * targets[other], rtol=1e-5)
    assert mixed.dtype == soft.dtype == np.float32
    np.testing.assert_array_equal(mixed, mixed_with(values, targets, None, 0.4, (1, 2, 3))[0])
    assert not np.array_equal(mixed, mixed_with(values, targets, None, 0.4, (1, 2, 4))[0])


def test_the_loss_is_the_mixture_of_the_weighted_losses(batch):
    values, targets = batch
    weights = np.arange(1, 7, dtype=np.float32)
    random = np.random.default_rng([5])
    share = random.beta(1.0, 1.0)
    other = random.permutation(6)
    _, soft, combined = mixed_with(values, targets, weights, 1.0, (5,))
    guess = np.random.default_rng(2).dirichlet(np.ones(3), 6).astype(np.float32)
    loss = keras.losses.CategoricalCrossentropy(reduction=None, label_smoothing=0.1)

    def each(y):
        return np.asarray(loss(y, guess))

    expected = share * weights * each(targets)
    expected = expected + (1 - share) * weights[other] * each(targets[other])
    np.testing.assert_allclose(combined * each(soft), expected, rtol=1e-4)


def test_a_mixture_depends_on_the_number_of_its_batch(batch):
    values, targets = batch
    order = {"batch_size": 3, "seed": 3, "phase": 1, "mixup": 1.0}
    targets = KerasTargets((targets,))
    whole = ViewBatches([values], lambda _: targets, first_epoch=4, skip=0, **order)
    rest = ViewBatches([values], lambda _: targets, first_epoch=4, skip=1, **order)
    for one, other in zip(whole.batch(4, 1), next(rest.epochs(5)), strict=True):
        np.testing.assert_array_equal(one, other)
    plain = ViewBatches([values], lambda _: targets, first_epoch=4, skip=0, **{**order, "mixup": 0})
    assert not np.allclose(whole.batch(4, 1)[0], plain.batch(4, 1)[0])


@pytest.mark.parametrize("cache", ["auto", False])
def test_cached_and_uncached_phases_train(small_recipe, colours, cache):
    recipe = small_recipe(plan=kerastl.head_only(3, 1e-2, mixup=0.2), cache=cache)
    [record] = recipe.fit(colours, **QUIET).history
    assert record["history"]["loss"][-1] < record["history"]["loss"][0]
