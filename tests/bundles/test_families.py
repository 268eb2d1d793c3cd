"""Every family of backbones through every float format: the slice of the matrix that CI runs.

Small twins stand for KerasHub's families and for the deepest networks of keras.applications, small
images for the rest of these. KerasHub's are converted by the worker's code in this process; the
others in a process of their own, since converters keep gigabytes of what they converted.
"""

import keras
import numpy as np
import pytest

from kerastl.bundles import network as networks
from kerastl.bundles import worker
from kerastl.bundles.bundle import FORMATS, LiteRTOptions
from kerastl.bundles.jobs import run_worker
from kerastl.bundles.manifest import input_entry
from kerastl.bundles.runtimes import open_artifact
from kerastl.graph import nodes_of
from tests.contracts.families import assemble, images
from tests.contracts.tiny import TINY, shallow, tiny_network

FLOAT = {"saved_model": "saved_model", "onnx": "model.onnx", "litert": "model.tflite"}
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


@pytest.mark.slow
@pytest.mark.parametrize("name", [*APPLICATIONS, *sorted(TINY)])
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
    shape = tuple(network.input_shape[1:])
    networks.save_network(network, tmp_path / "network.keras")
    job = {
        "out": str(tmp_path),
        "shape": shape,
        "any_size": False,
        "class_names": ["a", "b", "c"],
        "formats": list(FLOAT),
        "quantize": [],
        "litert": vars(LiteRTOptions()),
        "gate": 0.98,
        "modules": networks.modules_of(network),
        "metadata": {"class_names": ["a", "b", "c"], "input": input_entry(shape, False)},
    }
    assert set(FLOAT) <= set(FORMATS)
    if name in TINY:
        worker.convert(job, tmp_path, worker.Steps(tmp_path / "steps.jsonl"))
    else:
        run_worker({"kind": "convert", **job}, tmp_path)
    for format, file in FLOAT.items():
        found = open_artifact(format, tmp_path / file).predict(x)
        np.testing.assert_allclose(found, expected, atol=DIFFERENCE, err_msg=format)
        alone = open_artifact(format, tmp_path / file).predict(x[:1])
        np.testing.assert_allclose(alone, expected[:1], atol=DIFFERENCE, err_msg=format)
