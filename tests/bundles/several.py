"""A tiny network of images with four outputs, one of each kind."""

from __future__ import annotations

import keras
import numpy as np

from kerastl.inputs import Image
from kerastl.model import TrainedModel
from kerastl.outputs import Classes, Labels, Number, Vector
from kerastl.samples import Samples
from kerastl.task import Task

from .conftest import HEIGHT, WIDTH

OUTPUTS = {
    "make": Classes(("amber glass", "blé", "carton")),
    "defects": Labels(("crack", "scratch", "stain"), thresholds=(0.4, 0.5, 0.6)),
    "size (cm)": Number(quantity="size (cm)"),
    "look": Vector(dimensions=6, project=True),
}


def several_model(trained):
    """The trained network's features under heads whose answers differ from image to image."""
    features = trained.network.layers[-2].output
    named = zip(OUTPUTS.items(), ("make", "defects", "size", "look"), strict=True)
    made = [output.attach(features, name=name, seed=3) for (_, output), name in named]
    network = keras.Model(trained.network.inputs, made)
    x = keras.Model(trained.network.inputs, features).predict(
        trained.x_val.astype("float32"), verbose=0
    )
    for name, scale in (("make", 3), ("defects", 2), ("size", 40)):
        head = network.get_layer(name)
        raw = x @ np.asarray(head.kernel)
        head.kernel.assign(head.kernel * (scale / raw.std(axis=0)))
        head.bias.assign(-raw.mean(axis=0) * (scale / raw.std(axis=0)))
    task = Task(Image((HEIGHT, WIDTH)), OUTPUTS)
    own = TrainedModel(network, task)
    answers = own.outputs(list(trained.x_val))
    samples = Samples(
        list(trained.x_val),
        {
            "make": answers["make"].argmax(axis=1),
            "defects": (answers["defects"] >= OUTPUTS["defects"].limits).astype("float32"),
            "size (cm)": answers["size (cm)"][:, 0],
            "look": trained.y_val,
        },
        list(trained.x_train[:100]),
        tuple((file.name, file.read_bytes()) for file in trained.files),
    )
    return TrainedModel(network, task, samples=samples)
