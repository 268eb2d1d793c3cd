"""What is refused before any work is done, and what it says."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from kerastl.bundles.parity import agreeing, describe, max_abs_diff, passes

from kerastl.bundles import Gate, LiteRTOptions, export
from kerastl.bundles.bundle import Artifact
from kerastl.errors import ConfigurationError
from kerastl.inputs.image_probes import synthetic_images

from .conftest import CLASS_NAMES, HEIGHT, WIDTH


def test_importing_the_export_layer_imports_neither_tensorflow_nor_keras():
    code = "import sys, kerastl.bundles; print({'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"class_names": ["a", "b"]}, "3 outputs and class_names has 2"),
        ({"class_names": ["a", "b", "b"]}, "repeated are \\['b'\\]"),
        ({"class_names": ["a", "b", "c\nd"]}, "one non-empty line"),
        ({"class_names": "abc"}, "must be a list"),
        ({"formats": ()}, "formats is empty"),
        ({"formats": ("onxx",)}, "Did you mean 'onnx'"),
        ({"formats": "onnx"}, "received a string"),
        ({"quantize": ("int4",)}, "quantize may hold"),
        ({"quantize": ("int8",)}, "Pass calibration=, about 100 training images"),
        ({"quantize": ("int16x8",)}, "has 'int16x8', which needs real images"),
        ({"litert": LiteRTOptions(batch=8)}, r"None \(any size\) or 1; received 8"),
        ({"litert": LiteRTOptions(batch=True)}, "received True"),
        ({"quantize": ("float16",), "formats": ("onnx",)}, "has no 'litert'"),
        ({"examples": np.zeros((2, HEIGHT, WIDTH, 3))}, "dtype uint8.*received float64"),
        ({"examples": np.zeros((2, 8, 8, 3), "uint8")}, "input size"),
        ({"examples": np.zeros((0, HEIGHT, WIDTH, 3), "uint8")}, "n of 1 or more"),
        ({"labels": np.zeros(2, int)}, "was not given"),
        ({"gate": Gate(label_agreement=1.5)}, "0 to 1; received 1.5"),
        ({"gate": Gate(max_abs_diff=float("nan"))}, "received nan"),
        ({"class_names": ["a", "b", "\udce9"]}, "text that UTF-8 can hold"),
        ({"litert": LiteRTOptions(float_input=True)}, "has no 'int8'"),
        ({"litert": LiteRTOptions(batch=1), "formats": ("onnx",)}, "has no 'litert'"),
        (
            {"quantize": ("int8",), "calibration": np.zeros((2, HEIGHT, WIDTH, 3), "uint8")},
            "one grey level alone, 0",
        ),
        ({"details": {"x": object()}}, "must be JSON data"),
    ],
)
def test_bad_arguments(trained, tmp_path, changes, match):
    with pytest.raises(ConfigurationError, match=match):
        export(trained.network, tmp_path / "b", **{"class_names": CLASS_NAMES, **changes})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("labels", [np.zeros(3, int), np.zeros(2), np.array([0, 3])])
def test_bad_labels(trained, tmp_path, labels):
    with pytest.raises(ConfigurationError, match="labels must"):
        export(
            trained.network,
            tmp_path / "b",
            class_names=CLASS_NAMES,
            examples=trained.x_val[:2],
            labels=labels,
        )


def test_networks_that_are_no_image_classifiers(tmp_path):
    import keras

    flat = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(ConfigurationError, match="RGB with channels last"):
        export(flat, tmp_path / "b", class_names=CLASS_NAMES)
    image = keras.Input((8, 8, 3))
    with pytest.raises(ConfigurationError, match=r"output must have the shape \(batch, classes\)"):
        export(keras.Model(image, image + 1), tmp_path / "b", class_names=CLASS_NAMES)
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    with pytest.raises(ConfigurationError, match="1 inputs and 2 outputs"):
        export(keras.Model(image, [pooled, pooled + 1]), tmp_path / "b", class_names=CLASS_NAMES)
    free = keras.Input((None, None, 3))
    with pytest.raises(ConfigurationError, match="no fixed size"):
        export(
            keras.Model(free, keras.layers.GlobalAveragePooling2D()(free)),
            tmp_path / "b",
            class_names=CLASS_NAMES,
        )


def test_a_folder_that_exists_is_not_replaced(trained, tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(ConfigurationError, match="exists already"):
        export(trained.network, tmp_path / "b", class_names=CLASS_NAMES)


def test_parity_figures():
    reference = np.array([[0.1, 0.9], [0.5, 0.5], [0.8, 0.2]], "float32")
    swapped = reference[:, ::-1]
    assert agreeing(reference, reference).all()
    assert agreeing(reference, swapped).tolist() == [False, True, False]
    assert max_abs_diff(reference, swapped) == pytest.approx(0.8)
    broken = reference.copy()
    broken[0, 0] = np.nan
    assert max_abs_diff(reference, broken) is None
    assert agreeing(reference, broken).tolist() == [False, True, True]
    assert not passes(Gate(quantized_label_agreement=0), "int8", None, 1.0)
    assert max_abs_diff(reference, reference[:, :1]) is None


def test_the_report_says_by_how_much_an_artifact_fell_short():
    short = Artifact("litert", "model_int8.tflite", 1, "", "int8", 0.3, 0.95, 100, False)
    far = Artifact("onnx", "model.onnx", 1, "", None, 0.5, 1.0, 100, False)
    text = describe([short, far], Gate())
    assert "asks for an agreement of 0.98, 0.0300 more" in text
    assert "allows a difference of 0.001, 4.99e-01 less" in text


def test_synthetic_images_are_varied_and_repeatable():
    images = synthetic_images(6, (20, 30), seed=3)
    assert images.shape == (6, 20, 30, 3)
    assert images.dtype == np.uint8
    assert np.array_equal(images, synthetic_images(6, (20, 30), seed=3))
    assert len({image.tobytes() for image in images}) == 6
