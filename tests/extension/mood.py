"""A recipe for the mood of a series, as a user would write it."""

import keras
from scale import Scale
from series import LENGTH, Series

import kerastl


def backbone():
    """A small network of a user's own."""
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((LENGTH,), name="series")
    for width in (32, 16):
        x = keras.layers.Dense(width, activation="relu", name=f"block_{width}")(x)
    return keras.Model(inputs, x, name="small")


def recipe():
    """Trained from scratch, since nobody has pretrained weights for it."""
    return kerastl.CustomRecipe(
        input=Series(),
        backbone=backbone(),
        random=True,
        plan=kerastl.full(epochs=30, learning_rate=1e-2, batch_norm=True),
        head=kerastl.Head(dropout=0.0),
        outputs={"mood": Scale()},
    )
