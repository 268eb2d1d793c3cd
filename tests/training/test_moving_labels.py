"""Labels that are places in an image move with it when it is varied."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import keras
import numpy as np
import pytest

import kerastl
from kerastl.graph import find_stages
from kerastl.inputs import ArrayExamples
from kerastl.outputs import Number
from kerastl.training import DTYPES, Job, SilentReporter, Storage, run_plan
from kerastl.training.goal import Goal
from kerastl.training.inputs import PhaseInputs
from kerastl.training.phase_batches import training_batches

HEIGHT, WIDTH, COUNT, BATCH = 24, 32, 24, 8
AUGMENT = kerastl.Augment(views=4, crop=(0.7, 0.9), brightness=0.0)


@dataclasses.dataclass(frozen=True)
class Place(Number):
    """How far from the left edge something is, as a share of the width."""

    kind: ClassVar[str] = "place"
    moves: ClassVar[bool] = True

    def moved(self, labels, alignment):
        """Where it is after crops and mirroring; its height in the image does not matter."""
        points = np.stack([labels * WIDTH, np.full(len(labels), HEIGHT / 2)], axis=1)[:, None]
        return (alignment.points(points)[:, 0, 0] / WIDTH).astype(np.float32)


def spots():
    """Black images with a bright spot, and where it is; the spot stays inside every crop."""
    random = np.random.default_rng(0)
    images = np.zeros((COUNT, HEIGHT, WIDTH, 3), np.uint8)
    columns = random.integers(12, WIDTH - 12, COUNT)
    for image, column in zip(images, columns, strict=True):
        image[HEIGHT // 2 - 1 : HEIGHT // 2 + 1, column - 1 : column + 1] = 255
    return ArrayExamples(images, {"place": (columns / WIDTH).astype(np.float32)})


def found_in(images):
    """The middle of the spot, as a share of the width."""
    light = images[..., 0].sum(axis=1)
    return (light * (np.arange(WIDTH) + 0.5)).sum(axis=1) / light.sum(axis=1) / WIDTH


@pytest.fixture
def job(tmp_path):
    keras.utils.set_random_seed(0)
    image = keras.Input((HEIGHT, WIDTH, 3), name="image")
    columns = keras.layers.AveragePooling2D((HEIGHT, 1), name="early")(image)
    flat = keras.layers.Flatten(name="late")(keras.layers.Rescaling(1 / 10)(columns))
    output = Place()
    network = keras.Model(image, output.attach(flat, name="place", seed=0))
    return Job(
        network=network,
        outputs={"place": output},
        stages=find_stages(network, "(early|late)"),
        named={"recommended": "late"},
        train=spots(),
        validation=None,
        batch_size=BATCH,
        seed=3,
        augment=AUGMENT,
        class_weight=None,
        cache="auto",
        storage=Storage(None, 1 << 30, DTYPES["float32"]),
        scratch=tmp_path,
        reporter=SilentReporter(),
    )


@pytest.mark.parametrize("cached", [True, False], ids=["views", "varied anew"])
def test_targets_go_with_the_images_of_each_epoch(job, cached):
    views = None
    if cached:
        rows = np.arange(COUNT)
        views = [job.train.take(rows, view=v, augment=AUGMENT) for v in range(AUGMENT.views)]
    inputs = PhaseInputs(job.network, views, None)
    batches = training_batches(
        job, Goal(job), kerastl.Phase("all", 6, 1e-3), inputs, number=0, epoch=0, skip=0
    )
    moved = 0.0
    for epoch in range(6):
        for step in range(len(batches)):
            images, targets = batches.batch(epoch, step)
            np.testing.assert_allclose(targets[:, 0], found_in(images), atol=0.01)
        moved = max(moved, float(np.abs(targets[:, 0] - 0.5).max()))
    assert moved > 0.1


def test_the_way_back_leads_to_the_image_as_it_was():
    key = {"seed": 1, "view": 2, "count": COUNT}
    alignment = AUGMENT.alignment((HEIGHT, WIDTH), **key)
    points = np.random.default_rng(0).uniform(0, 24, (COUNT, 5, 2))
    there = alignment.points(points)
    assert np.abs(there - points).max() > 1
    np.testing.assert_allclose(alignment.inverse().points(there), points, atol=1e-9)
    still = AUGMENT.alignment((HEIGHT, WIDTH), **{**key, "view": 0})
    np.testing.assert_array_equal(still.points(points), points)


def test_a_place_is_learned_from_mirrored_images(job):
    run_plan(job, (kerastl.Phase("head", 200, 0.05),))
    images, places = job.train.arrays, job.train.targets["place"]
    error = np.abs(job.network.predict(images, verbose=0)[:, 0] - places)
    # Labels that stayed where they were would contradict the mirrored images: 0.06 is the spread.
    assert error.mean() < 0.5 * np.abs(places - places.mean()).mean()
