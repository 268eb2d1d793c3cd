from __future__ import annotations

import os
import shutil
import threading
import warnings

import numpy as np
import pytest

from kerastl.data import ImageDataset, UnreadableImageWarning, decode_image, from_folder, load
from kerastl.errors import ConfigurationError, DataError, ImageError
from tests.data.conftest import noise, save, truncate

SIZE = (8, 6)


def arrays(n=10, classes=2):
    x = np.stack([noise(i) for i in range(n)])
    y = np.arange(n) % classes
    return ImageDataset(list(x), y, [f"c{k}" for k in range(classes)])


def everything(dataset, batch_size=4, **options):
    passed = list(dataset.batches(SIZE, batch_size, **options))
    return np.concatenate([x for x, _ in passed]), np.concatenate([y for _, y in passed])


def test_one_ordered_pass(make_folder):
    dataset = from_folder(make_folder(each=7))
    passed = list(dataset.batches(SIZE, 4))
    assert [len(y) for _, y in passed] == [4, 4, 4, 2]
    for images, labels in passed:
        assert images.dtype == np.uint8
        assert labels.dtype == np.int64
        assert images.shape == (len(labels), *SIZE, 3)
    images, labels = everything(dataset)
    np.testing.assert_array_equal(labels, dataset.labels)
    for i, image in enumerate(images):
        np.testing.assert_array_equal(image, decode_image(dataset.sources[i], SIZE))
        np.testing.assert_array_equal(image, dataset.image(i, SIZE))
    again, _ = everything(dataset, batch_size=5)
    np.testing.assert_array_equal(images, again)


def test_an_order_is_followed():
    dataset = arrays()
    order = np.random.default_rng(0).permutation(10)
    images, labels = everything(dataset, order=order)
    plain, _ = everything(dataset)
    np.testing.assert_array_equal(images, plain[order])
    np.testing.assert_array_equal(labels, dataset.labels[order])


def test_a_pass_left_early_ends_its_threads(make_folder):
    dataset = from_folder(make_folder(each=20))
    next(dataset.batches(SIZE, 2))
    before = threading.active_count()
    for _ in range(5):
        for _ in dataset.batches(SIZE, 2):
            break
    assert threading.active_count() <= before + 2


def test_sizes_are_checked_at_the_call():
    with pytest.raises(ConfigurationError, match="image_size must be"):
        arrays().batches((0, 1), 4)
    for batch_size in (0, 2.5, True):
        with pytest.raises(ConfigurationError, match="batch_size must be"):
            arrays().batches(SIZE, batch_size)


def test_truncated_images_are_left_out_with_one_warning(make_folder):
    folder = make_folder(each=10)
    for i in range(7):
        truncate(folder / "dog" / f"{i}.png")
    dataset = from_folder(folder)
    assert dataset.unreadable == ()
    with pytest.warns(UnreadableImageWarning) as caught:
        images, labels = everything(dataset)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert message.startswith("7 unreadable images skipped: ")
    assert "dog/4.png and 2 more. The first because: " in message
    assert "dog/5.png" not in message
    assert dataset.unreadable == tuple(f"dog/{i}.png" for i in range(7))
    assert labels.tolist() == [0] * 10 + [1] * 3
    np.testing.assert_array_equal(images[10], dataset.image(17, SIZE))
    # Known by now: no second warning, which would be an error here.
    _, again = everything(dataset)
    np.testing.assert_array_equal(again, labels)
    assert dataset.subset([0, 10, 18]).unreadable == ("dog/0.png",)


def test_truncated_images_raise_where_asked(make_folder):
    folder = make_folder()
    truncate(folder / "cat" / "1.png")
    dataset = from_folder(folder, on_error="raise")
    with pytest.raises(ImageError, match=r"1\.png cannot be decoded"):
        everything(dataset)
    with pytest.raises(ConfigurationError, match="Did you mean 'raise'"):
        from_folder(folder, on_error="raised")


def test_a_class_that_loses_all_its_images(make_folder):
    folder = make_folder()
    for i in range(3):
        truncate(folder / "dog" / f"{i}.png")
    dataset = from_folder(folder)
    with (
        pytest.warns(UnreadableImageWarning, match="3 unreadable"),
        pytest.raises(DataError, match="unreadable of: 'dog'"),
    ):
        everything(dataset)


def test_subsets_and_counts():
    dataset = arrays(9, 3)
    part = dataset.subset([8, 1, 4]).subset([2, 0])
    assert part.names == ("4", "8")
    assert part.labels.tolist() == [1, 2]
    np.testing.assert_array_equal(part.image(1, SIZE), dataset.image(8, SIZE))
    assert part.class_counts() == {"c0": 0, "c1": 1, "c2": 1}
    assert dataset.num_classes == 3
    assert len(dataset) == dataset.size_hint() == 9
    assert repr(dataset) == "ImageDataset(9 images, 3 classes)"
    with pytest.raises(ValueError, match="read-only"):
        dataset.labels[0] = 1


def test_splits_are_disjoint_and_repeat():
    dataset = arrays(40, 4)
    train, validation = dataset.split(0.25, seed=3)
    assert set(train.names) | set(validation.names) == set(dataset.names)
    assert set(validation.class_counts().values()) == {2, 3} or len(validation) in (8, 12)
    assert dataset.split(0.25, seed=3)[1].fingerprint == validation.fingerprint


def test_groups_are_kept_together_in_splits():
    x = [noise(i) for i in range(12)]
    groups = [i // 2 for i in range(12)]
    dataset = ImageDataset(x, [0, 1] * 6, ["a", "b"], groups=groups)
    train, validation = dataset.split(0.3, seed=0)
    assert not set(train.groups) & set(validation.groups)
    other = dataset.split(0.3, seed=0, groups=[i // 4 for i in range(12)])
    assert not {int(n) // 4 for n in other[0].names} & {int(n) // 4 for n in other[1].names}


def test_copies_do_not_leak():
    x = [noise(i // 3) for i in range(30)]
    dataset = ImageDataset(x, np.repeat([0, 1], 15), ["a", "b"])
    train, validation = dataset.split(0.3, seed=0)
    assert not set(train.digests()) & set(validation.digests())
    same = ImageDataset([noise(0)] * 10, [0, 1] * 5, ["a", "b"])
    assert len(same.split(0.4, seed=0)[1]) == 4


def test_fingerprint_of_folders(make_folder, tmp_path):
    folder = make_folder()
    original = from_folder(folder).fingerprint
    assert len(original) == 64
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    assert from_folder(copy).fingerprint == original
    os.utime(copy / "cat" / "0.png", (1, 1))
    assert from_folder(copy).fingerprint == original
    (copy / "cat" / "0.png").rename(copy / "cat" / "00.png")
    renamed = from_folder(copy).fingerprint
    (copy / "cat" / "00.png").rename(copy / "dog" / "00.png")
    relabelled = from_folder(copy).fingerprint
    (copy / "dog").rename(copy / "wolf")
    another_class = from_folder(copy).fingerprint
    path = folder / "cat" / "0.png"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    other_byte = from_folder(folder).fingerprint
    found = [original, renamed, relabelled, another_class, other_byte]
    assert len(set(found)) == 5


def test_fingerprint_of_arrays():
    x = np.stack([noise(i) for i in range(4)])
    names = ["a", "b"]
    original = load((x, [0, 1, 0, 1]), class_names=names).fingerprint
    assert load((x.astype(np.float32), [0, 1, 0, 1]), class_names=names).fingerprint == original
    assert load((x, [0, 1, 1, 0]), class_names=names).fingerprint != original
    assert load((x, [0, 1, 0, 1]), class_names=["a", "c"]).fingerprint != original
    x[0, 0, 0, 0] ^= 1
    assert load((x, [0, 1, 0, 1]), class_names=names).fingerprint != original


def test_fingerprint_of_bytes_and_pillow_images(tmp_path):
    from PIL import Image

    content = save(tmp_path / "a.png").read_bytes()
    sources = [content, Image.fromarray(noise(1))]
    dataset = ImageDataset(sources, [0, 1], ["a", "b"])
    assert dataset.fingerprint == ImageDataset(sources, [0, 1], ["a", "b"]).fingerprint
    assert dataset.fingerprint != ImageDataset(sources[::-1], [0, 1], ["a", "b"]).fingerprint
    gone = ImageDataset([tmp_path / "none.png"], [0], ["a"])
    with pytest.raises(ImageError, match="No such file"):
        _ = gone.fingerprint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": [0]}, "2 images but 1 labels"),
        ({"labels": [0, 2]}, "from 0 to 1.*labels from 0 to 2"),
        ({"names": ["a"]}, "2 images but 1 names"),
        ({"groups": ["a"]}, "2 images but 1 groups"),
    ],
)
def test_arguments_that_do_not_match(options, message):
    arguments = {"sources": [noise(0), noise(1)], "labels": [0, 1], "class_names": ["a", "b"]}
    with pytest.raises(DataError, match=message):
        ImageDataset(**{**arguments, **options})


def test_photos(trashnet):
    dataset = load(trashnet / "val")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, labels = everything(dataset, batch_size=32)
    assert len(labels) == 180
    assert dataset.class_counts() == dict.fromkeys(dataset.class_names, 30)
