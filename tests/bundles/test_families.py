"""Every family of backbones through every float format: the slice of the matrix that CI runs.

Small twins stand for KerasHub's families and for the deepest networks of keras.applications, small
images for the rest of these. KerasHub's are converted by the worker's code in this process; the
others in a process of their own, since converters keep gigabytes of what they converted.
"""

import keras
import numpy as np
import pytest

from kerastl.bundles import LiteRTOptions, worker
from kerastl.bundles import network as networks
from kerastl.bundles.jobs import run_worker
from kerastl.bundles.manifest import artifact_metadata
from kerastl.formats import FORMATS
from kerastl.graph import nodes_of
from kerastl.inputs import Image
from kerastl.outputs import Classes, Gate
from kerastl.task import Task
from tests.contracts.families import assemble, images
from tests.contracts.tiny import TINY, shallow, tiny_network

pytestmark = pytest.mark.usefixtures("forked_workers")
FLOAT = ("saved_model", "onnx", "litert")
# One of every family of keras.applications; the others differ in depth and width alone. The one
# InceptionResNetV2 takes the converters too much memory for two tests at a time: make matrix.
APPLICATIONS = (
    "mobilenet_0.25", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0",
    "efficientnet_v2_b0", "resnet50", "resnet50_v2", "densenet121", "convnext_tiny", "vgg16",
    "inception_v3", "xception", "nasnet_mobile",
)  # fmt: skip
DIFFERENCE = 1e-3
SPREAD = 10 * DIFFERENCE


def speaking(network, x, least):
    """Scales the head so that what the backbone says of an image decides its answer."""
    head = network.get_layer("probabilities")
    # The layer may have been called before, in a model that was laid open since.
    features = keras.Model(network.inputs[0], nodes_of(network)[-1].input_tensors[0])
    values = features.predict(x, verbose=0)
    kernel = np.random.default_rng(0).normal(size=head.kernel.shape) / np.sqrt(head.kernel.shape[0])
    # Features that hardly vary would be magnified with the rounding in them.
    scale = values.std(0) + least * np.abs(values).mean()
    kernel = 4 * kernel / scale[:, None]
    head.set_weights([kernel, -values.mean(0) @ kernel])


# They take a minute each, and hold no operation that NASNet and the others do not.
LONG = ("inception_v3", "xception")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if name in LONG else ())
        for name in (*APPLICATIONS, *sorted(TINY))
    ],
)
def test_every_format_answers_like_the_network(name, tmp_path):
    with shallow():
        network = tiny_network(name) if name in TINY else assemble(name)[1]
    x = images(network, count=5)
    for least in (0.05, 0.002):
        speaking(network, x, least)
        expected = network.predict(x, verbose=0)
        if np.ptp(expected, axis=0).max() > SPREAD:
            break
    assert np.ptp(expected, axis=0).max() > SPREAD
    job = job_of(network, tmp_path)
    Image(network.input_shape[1:3]).store(tmp_path, "sources", list(x.astype("uint8")))
    networks.save_network(network, tmp_path / "network.keras")
    if name in TINY:
        worker.convert(job, tmp_path, worker.Steps(tmp_path / "steps.jsonl"))
    else:
        run_worker(job, tmp_path)
    for format in FLOAT:
        for images_given, wanted in ((x, expected), (x[:1], expected[:1])):
            session = FORMATS[format].open(tmp_path / FORMATS[format].path())
            found = session.run({"image": images_given})["probabilities"]
            np.testing.assert_allclose(found, wanted, atol=DIFFERENCE, err_msg=format)


def job_of(network, folder):
    """What an export asks of its worker."""
    task = Task.of_one(Image(network.input_shape[1:3]), Classes(("a", "b", "c")))
    entries = task.input.manifest_entries()
    return {
        "does": "convert",
        "bundle": str(folder),
        "manifest": {**entries, "task": task.name},
        "outputs": task.outputs_config(),
        "formats": list(FLOAT),
        "quantize": {},
        "litert": vars(LiteRTOptions()),
        "gate": vars(Gate()),
        "modules": networks.modules_of(network),
        "metadata": artifact_metadata(task, entries),
        "prove": False,
    }
