"""Which backbones the contract suites take: a slice that covers every family, and all."""

import gc

import keras
import numpy as np

import kerastl
from kerastl.outputs import Classes

RECORDS = {record.name: record for record in kerastl.list_backbones("image")}
APPLICATIONS = tuple(name for name, r in RECORDS.items() if r.source == "keras.applications")

# One member of every family that is quick to build, for the tests that run each time.
QUICK = ("mobilenet_0.25", "mobilenet_v2", "mobilenet_v3_small", "vgg16", "inception_v3")


def assemble(name, size=None, classes=3):
    """The recipe and network of a backbone with random weights, small where that is allowed."""
    keras.utils.clear_session()
    gc.collect()
    keras.utils.set_random_seed(0)
    record = RECORDS[name]
    if size is None:
        least = record.minimum_size  # Random weights fit every size.
        size = max(32, -(-least // record.size_step) * record.size_step)
    recipe = kerastl.ImageClassification(backbone=name, weights=None, image_size=size)
    return recipe, recipe.assemble(Classes(tuple("abcdefghij"[:classes])), seed=0)[0]


def images(network, count=2, seed=0):
    """Random pixels of the size that a network takes, float32 (count, height, width, 3)."""
    shape = (count, *network.input_shape[1:])
    return np.random.default_rng(seed).integers(0, 256, shape).astype("float32")
