import keras
import numpy as np
import pytest

import kerastl
from kerastl.backbones import stages_of
from kerastl.graph import find_cuts, split
from kerastl.inputs.examples import LazyView
from kerastl.inputs.token_examples import padded_lengths, sort_tokens
from kerastl.outputs import Classes
from kerastl.outputs.contrastive import ContrastiveLoss
from kerastl.training import (
    ActivationCache,
    SilentReporter,
    Storage,
    activations,
)
from kerastl.training.batches import ViewBatches
from kerastl.training.targets import KerasTargets


def encoded(count=600, seed=0):
    random = np.random.default_rng(seed)
    return [
        random.integers(5, 60, int(random.integers(2, 48))).astype(np.int32) for _ in range(count)
    ]


@pytest.fixture
def examples():
    texts = encoded()
    return sort_tokens(texts, {"parity": np.arange(len(texts)) % 2}, pad_id=0)


def test_lengths_of_batches_are_few_and_long_enough():
    lengths = np.arange(1, 3000)
    padded = padded_lengths(lengths)
    assert (padded >= lengths).all()
    assert len(set(padded_lengths(np.arange(1, 513)).tolist())) == 20
    assert (padded[:512] - lengths[:512]).max() < 64


def test_texts_are_sorted_and_filled_up(examples):
    texts = encoded()
    assert (np.diff(examples.lengths) >= 0).all()
    rows = np.array([5, 300, 599])
    batch = examples.take(rows, view=0, augment=None)
    assert batch.dtype == np.int32
    assert batch.shape == (3, examples.lengths[599])
    for row, ids in zip(rows, batch, strict=True):
        text = texts[examples.positions[row]]
        np.testing.assert_array_equal(ids[: len(text)], text)
        assert not ids[len(text) :].any()
        assert examples.labels[row] == examples.positions[row] % 2


def test_the_hash_knows_where_texts_end():
    one = sort_tokens([np.array([1, 2]), np.array([3])], {}, pad_id=0)
    other = sort_tokens([np.array([1]), np.array([3, 2])], {}, pad_id=0)
    assert one.sha256() != other.sha256()


def test_batches_are_of_one_length_each_and_hold_every_text_once(examples):
    targets = KerasTargets((np.arange(len(examples), dtype=np.float32)[:, None],))
    view = LazyView(examples, 0, None)
    order = {"batch_size": 16, "seed": 3, "phase": 0, "first_epoch": 0, "skip": 0}
    batches = ViewBatches([view], lambda _: targets, **order, lengths=examples.lengths)
    shuffled = ViewBatches([view], lambda _: targets, **order)
    for epoch in range(2):
        seen, padding, plain = [], 0, 0
        for step in range(len(batches)):
            ids, rows = batches.batch(epoch, step)
            seen += rows[:, 0].tolist()
            padding += int((ids == 0).sum())
            plain += int((shuffled.batch(epoch, step)[0] == 0).sum())
        assert sorted(seen) == list(range(len(examples)))
        assert padding < plain / 3
    first = [batches.batch(0, step)[1][:, 0].tolist() for step in range(len(batches))]
    assert first != [batches.batch(1, step)[1][:, 0].tolist() for step in range(len(batches))]
    assert first[0] != sorted(first[0]) or first != sorted(first)


@pytest.fixture(scope="module")
def network(tiny_text):
    head = kerastl.TextHead(dropout=0.0)
    recipe = kerastl.TextClassification(backbone=str(tiny_text), max_length=48, head=head)
    return recipe.assemble(Classes(("a", "b")), seed=0)[0], recipe.record


def cut_of(network, record, name):
    return next(s.cut for s in stages_of(network, record.stage_pattern) if s.name == name)


def test_the_boundary_carries_the_mask(network, examples):
    model, record = network
    cut = find_cuts(model, tensors=3)
    stages = stages_of(model, record.stage_pattern)
    assert len(stages) >= 2
    assert cut
    ids = examples.take(np.arange(280, 296), view=0, augment=None)
    whole = keras.ops.convert_to_numpy(model(ids))
    for stage in stages[1:]:
        assert len(stage.cut.tensors) == 2
        prefix, suffix = split(model, stage.cut)
        parts = prefix(ids)
        assert tuple(parts.shape) == (*ids.shape, 17)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(suffix(parts)), whole)


@pytest.mark.parametrize("kept", ["disk", "memory", "disk, little memory"])
def test_activations_of_any_length(network, examples, tmp_path, kept):
    model, record = network
    cut = stages_of(model, record.stage_pattern)[-1].cut
    cache = None if kept == "memory" else ActivationCache(tmp_path)
    limit = 1 << 16 if kept == "disk, little memory" else 1 << 30
    prefixes = activations.Prefixes(model)
    kerastl.freeze(model)
    for again in range(2):
        found = activations.compute(
            model, [cut], prefixes, examples, Storage(cache, limit, np.dtype(np.float32)),
            views=[1], augment=None,
        )[0]  # fmt: skip
        assert found.computed == (0 if again and cache else len(examples))
    values = found.views[0]
    assert values.nbytes < 0.75 * len(examples) * int(examples.lengths[-1]) * 17 * 4
    for rows in (np.array([0, 1, 2]), np.array([3, 255, 256, 599]), np.arange(500, 520)):
        ids = examples.take(rows, view=0, augment=None)
        [expected] = prefixes.of([cut])(ids)
        got = values[rows]
        assert got.shape == expected.shape
        present = ids != 0
        np.testing.assert_allclose(got[present], expected[present], atol=2e-5)
        np.testing.assert_array_equal(got[..., 0], present)
    if cache is not None:
        assert sum(row["bytes"] for row in cache.list()) < 2 * values.nbytes


def test_a_damaged_shard_of_sequences_is_computed_again(network, examples, tmp_path):
    model, record = network
    cut = stages_of(model, record.stage_pattern)[-1].cut
    cache = ActivationCache(tmp_path)
    kerastl.freeze(model)
    storage = Storage(cache, 1 << 30, np.dtype(np.float32))

    def fill():
        prefixes = activations.Prefixes(model)
        return activations.compute(
            model, [cut], prefixes, examples, storage, views=[1], augment=None
        )[0]

    first = fill()
    shard = sorted(tmp_path.glob("*/*.shard"))[1]
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    second = fill()
    assert second.computed == 256
    rows = np.arange(250, 300)
    np.testing.assert_array_equal(first.views[0][rows], second.views[0][rows])


def test_mixup_is_refused_where_lengths_differ(tiny_text, reviews):
    recipe = kerastl.TextClassification(
        backbone=str(tiny_text), max_length=48, plan=(kerastl.Phase("all", 1, mixup=0.2),)
    )
    with pytest.raises(kerastl.ConfigurationError, match="mixup mixes examples of one shape"):
        recipe.fit(reviews, reporter=SilentReporter())


def test_contrastive_loss_is_the_error_of_all_pairs():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(5, 4)).astype(np.float32)
    labels = np.array([0, 0, 1, 1, 2])
    targets = np.eye(3, dtype=np.float32)[labels]
    expected = []
    for i in range(5):
        near, far = [], []
        for j in range(5):
            if i == j:
                continue
            cosine = (
                vectors[i] @ vectors[j] / np.linalg.norm(vectors[i]) / np.linalg.norm(vectors[j])
            )
            (near if labels[i] == labels[j] else far).append(
                (cosine - (labels[i] == labels[j])) ** 2
            )
        expected.append(np.mean(near or [0.0]) + np.mean(far or [0.0]))
    found = ContrastiveLoss(reduction=None)(targets, vectors)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), expected, rtol=1e-5)


def test_few_shots(tiny_text, reviews):
    """A contrastive phase draws classes apart, and resumes within itself."""
    texts, labels = reviews
    few = (texts[:16], labels[:16])
    recipe = kerastl.TextClassification(
        backbone=str(tiny_text), max_length=48, batch_size=16,
        plan=kerastl.few_shot(60, 150, learning_rate=3e-3, head_learning_rate=3e-2),
    )  # fmt: skip
    model = recipe.fit(few, validation=False, seed=0, reporter=SilentReporter())
    losses = model.history[0]["history"]["loss"]
    assert losses[-1] < 0.7 * losses[0]
    assert model.history[0]["accuracy"] is None
    with pytest.warns(UserWarning, match="16 of 16 texts were trained on"):
        found = model.evaluate(few)
    assert found["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        (kerastl.Phase("head", 1, loss="contrastive"), "let the phase begin in the backbone"),
        (kerastl.Phase("all", 1, loss="contrastive", mixup=0.1), "a contrastive loss with"),
    ],
)
def test_contrastive_phases_that_cannot_be(tiny_text, reviews, phase, message):
    recipe = kerastl.TextClassification(backbone=str(tiny_text), max_length=48, plan=(phase,))
    with pytest.raises(kerastl.ConfigurationError, match=message):
        recipe.fit(reviews, reporter=SilentReporter())
