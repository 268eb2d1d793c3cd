from __future__ import annotations

import numpy as np
import pytest

from kerastl.data import StreamDataset, UnstableStreamWarning, load, load_pair, load_texts
from kerastl.errors import ConfigurationError, DataError
from kerastl.outputs import Classes, Labels, Number, Vector
from tests.data.conftest import noise

NAMES = ["cat", "dog", "eel"]
N = 10
X = np.stack([noise(i) for i in range(N)])
Y = np.arange(N) % 3


def as_tf(x=X, y=Y, batch=4):
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices((x, y))
    return data.batch(batch) if batch else data


def as_pydataset(x=X, y=Y, batch=4, length=None):
    keras = pytest.importorskip("keras")

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return -(-len(x) // batch)

        def __getitem__(self, i):
            return x[i * batch : (i + 1) * batch], y[i * batch : (i + 1) * batch]

    return Batches()


def as_grain(x=X, y=Y, batch=4):
    import grain

    data = grain.MapDataset.source(range(len(x))).map(lambda i: (x[i], y[i]))
    return data.batch(batch) if batch else data


def as_grain_iterator(x=X, y=Y, batch=4):
    return as_grain(x, y, batch).to_iter_dataset()


class Pairs:
    """A grain data source."""

    def __len__(self):
        return N

    def __getitem__(self, i):
        return X[i], Y[i]


def as_loader(x=X, y=Y, batch=4):
    import grain

    sampler = grain.samplers.IndexSampler(N, num_epochs=1, shuffle=False)
    operations = [grain.transforms.Batch(batch)] if batch else []
    return grain.DataLoader(data_source=Pairs(), sampler=sampler, operations=operations)


KINDS = [as_tf, as_pydataset, as_grain, as_grain_iterator, as_loader]


@pytest.mark.parametrize("make", KINDS)
def test_every_kind_of_stream(make):
    dataset = load(make(), class_names=NAMES)
    assert isinstance(dataset, StreamDataset)
    assert dataset.size_hint() is None
    passed = list(dataset.batches((12, 10), 3))
    assert [len(y) for _, y in passed] == [3, 3, 3, 1]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in passed]), X)
    np.testing.assert_array_equal(np.concatenate([y for _, y in passed]), Y)
    assert passed[0][0].dtype == np.uint8
    assert passed[0][1].dtype == np.int64
    assert dataset.size_hint() == N
    assert dataset.fingerprint == StreamDataset(as_grain(), NAMES).fingerprint


@pytest.mark.parametrize("make", [as_tf, as_grain, as_grain_iterator, as_loader])
def test_single_examples(make):
    dataset = load(make(batch=None), class_names=NAMES)
    images, labels = next(dataset.batches((6, 6), 8))
    assert images.shape == (8, 6, 6, 3)
    np.testing.assert_array_equal(labels, Y[:8])
    assert dataset.fingerprint == StreamDataset(as_grain(), NAMES).fingerprint


@pytest.mark.parametrize("batch", [None, 4])
@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X.astype(np.float32), np.eye(3)[Y]),
        (X[..., :1], Y[:, None]),
        (X, Y.astype(np.float32)[:, None]),
        (X[..., 0], Y),
    ],
)
def test_labels_and_shapes(x, y, batch):
    if batch is None and x.ndim == 3:
        x = x[..., None]
    dataset = StreamDataset(as_grain(x, y, batch), NAMES)
    images, labels = next(dataset.batches((12, 10), N))
    np.testing.assert_array_equal(labels, Y)
    assert images.shape == (N, 12, 10, 3)


def test_fingerprints():
    original = StreamDataset(as_grain(), NAMES).fingerprint
    changed = X.copy()
    changed[0, 0, 0, 0] ^= 1
    assert StreamDataset(as_grain(changed), NAMES).fingerprint != original
    assert StreamDataset(as_grain(X, Y[::-1]), NAMES).fingerprint != original
    assert StreamDataset(as_grain(), ["cat", "dog", "fox"]).fingerprint != original
    assert StreamDataset(as_grain(batch=3), NAMES).fingerprint == original


def test_reshuffling_is_fine_and_labels_go_along():
    tf = pytest.importorskip("tensorflow")
    tf.random.set_seed(1)
    data = as_tf(batch=None).shuffle(N, reshuffle_each_iteration=True).batch(4)
    dataset = StreamDataset(data, NAMES)
    for _ in range(3):
        for images, labels in dataset.batches((12, 10), 4):
            for image, label in zip(images, labels, strict=True):
                at = [i for i in range(N) if (X[i] == image).all()]
                assert Y[at[0]] == label
    assert dataset.fingerprint == StreamDataset(as_tf(), NAMES).fingerprint


def test_random_augmentation_warns():
    rng = np.random.default_rng(0)
    data = as_grain().map(lambda pair: (rng.integers(0, 256, pair[0].shape), pair[1]))
    dataset = StreamDataset(data, NAMES)
    list(dataset.batches((4, 4), 4))
    fingerprint = dataset.fingerprint
    with pytest.warns(UnstableStreamWarning, match="augmentation belongs to the recipe"):
        list(dataset.batches((4, 4), 4))
    assert dataset.fingerprint == fingerprint


def test_filtered_elements_of_grain():
    data = as_grain(batch=None).filter(lambda pair: pair[1] != 1)
    _, labels = next(StreamDataset(data, NAMES).batches((4, 4), N))
    assert set(labels) == {0, 2}


def test_streams_need_class_names():
    for outputs in (None, Labels(), Vector()):
        with pytest.raises(DataError, match="grain MapDataset does not name its classes"):
            load(as_grain(), outputs=outputs)


@pytest.mark.parametrize("batch", [None, 4])
def test_labels_of_other_outputs(batch):
    flags = np.eye(3)[Y] + np.eye(3)[(Y + 1) % 3]
    several = load(as_grain(X, flags, batch), outputs=Labels(tuple(NAMES)))
    np.testing.assert_array_equal(next(several.batches((4, 4), N))[1], flags)
    numbers = load(as_grain(X, Y / 2, batch), outputs=Number())
    labels = next(numbers.batches((4, 4), N))[1]
    np.testing.assert_array_equal(labels, (Y / 2).astype(np.float32))
    vectors = load(as_grain(X, Y, batch), outputs=Vector(), class_names=NAMES)
    assert vectors.class_names == tuple(NAMES)
    assert vectors.fingerprint == StreamDataset(as_grain(), NAMES).fingerprint
    assert len({several.fingerprint, numbers.fingerprint, vectors.fingerprint}) == 3


def test_what_streams_cannot_hold():
    with pytest.raises(ConfigurationError, match="labels for one output"):
        load(as_grain(), outputs={"kind": Classes(tuple(NAMES)), "n": Number()})
    with pytest.raises(DataError, match="Texts cannot be loaded from this: "):
        load_texts(as_grain(), class_names=["a", "b"])


def test_streams_without_end():
    with pytest.raises(DataError, match=r"grain MapDataset never ends.*take\(n\)"):
        load(as_grain().repeat(), class_names=NAMES)
    with pytest.raises(DataError, match=r"tf.data.Dataset never ends"):
        load(as_tf().repeat(), class_names=NAMES)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: as_grain(X, Y + 1), "from 0 to 2.*Received 3"),
        (lambda: as_grain(X / 255), "0..255 are wanted"),
        (lambda: as_grain(X[:0], Y[:0]), "holds no examples"),
        (lambda: as_grain().map(lambda pair: pair[0]), "a pair .*a ndarray"),
        (lambda: as_grain().map(lambda pair: (*pair, pair[1])), "3 values. Sample weights"),
        (lambda: as_grain().map(lambda pair: (pair[0], pair[1][:1])), "4 images with 1 labels"),
        (lambda: as_grain(X[..., :2]), r"Received: \(4, 12, 10, 2\)"),
    ],
)
def test_elements_that_cannot_be(data, message):
    with pytest.raises(DataError, match=message):
        list(StreamDataset(data(), NAMES).batches((4, 4), 4))


def test_pairs_of_streams():
    train, validation = load_pair(as_grain(), class_names=NAMES)
    assert validation is None
    train, validation = load_pair(as_grain(), as_pydataset(), class_names=NAMES)
    assert validation.class_names == train.class_names
    assert load(train) is train
    with pytest.raises(DataError, match="stream cannot be split"):
        load_pair(as_grain(), 0.2, class_names=NAMES)


def test_what_is_no_stream():
    with pytest.raises(DataError, match="Received: list"):
        StreamDataset([1], NAMES)
    with pytest.raises(ConfigurationError, match="batch_size"):
        StreamDataset(as_grain(), NAMES).batches((4, 4), 0)
    assert repr(StreamDataset(as_grain(), NAMES)) == "StreamDataset(grain MapDataset, 3 classes)"
