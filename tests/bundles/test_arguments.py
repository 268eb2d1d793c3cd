"""What is refused before any work is done, and what it says."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from kerastl.bundles import Gate, LiteRTOptions, Samples, Subject, export, export_subject
from kerastl.bundles.arguments import plan_of
from kerastl.bundles.bundle import Artifact
from kerastl.bundles.reporting import describe
from kerastl.errors import ConfigurationError
from kerastl.inputs import Image
from kerastl.inputs.image_probes import synthetic_images
from kerastl.outputs import Classes, Number
from kerastl.outputs.gate import max_abs_diff
from kerastl.task import Task

from .conftest import CLASS_NAMES, HEIGHT, WIDTH
from .several import several_model


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
        ({"quantize": "int8"}, "quantize must be a sequence of strings"),
        ({"quantize": ("onnx:int8",)}, "ONNX files are not made in 'int8'. Allowed are 'dynamic'"),
        ({"quantize": ("openvino:float16",)}, "OpenVINO files are not made .*Allowed are none"),
        ({"quantize": ("saved_model:dynamic",)}, "SavedModel files are not made in 'dynamic'"),
        ({"quantize": ("onxx:dynamic",)}, "Did you mean 'onnx'"),
        ({"quantize": ("onnx:dynamik",)}, "Did you mean 'dynamic'"),
        ({"quantize": ("onnx:",)}, "quantize may hold .*received ''"),
        ({"quantize": ("onnx:dynamic",), "formats": ("litert",)}, "has no 'onnx'. Add one"),
        ({"quantize": ("litert:int8",)}, "has 'int8', which needs real images"),
        ({"quantize": ("litert:dynamic",), "any_size": True}, r"quantize=\['dynamic'\] cannot"),
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
            "one grey level, 0",
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


def test_quantisations_of_one_format_and_of_all_that_can():
    task = Task.of_one(Image((HEIGHT, WIDTH)), Classes(tuple(CLASS_NAMES)))
    images = synthetic_images(4, (HEIGHT, WIDTH))
    subject = Subject(None, task, Samples(calibration=list(images)))

    def artifacts(formats, quantize):
        return plan_of(subject, formats, quantize, LiteRTOptions(), False).artifacts

    both = ["onnx", "litert"]
    # Of images ONNX's quantised convolutions lose too many labels: it has to be named.
    assert artifacts(both, ["dynamic"])[2:] == [("litert", "dynamic")]
    assert artifacts(both, ["onnx:dynamic"])[2:] == [("onnx", "dynamic")]
    assert artifacts(both, ["litert:int8", "dynamic", "onnx:dynamic", "dynamic"]) == [
        ("onnx", None),
        ("litert", None),
        ("onnx", "dynamic"),
        ("litert", "dynamic"),
        ("litert", "int8"),
    ]
    plan = plan_of(subject, both, ["int8"], LiteRTOptions(), False)
    np.testing.assert_array_equal(plan.calibration, images)
    assert plan_of(subject, both, [], LiteRTOptions(), False).calibration is None


def test_calibration_images_of_a_subject_are_looked_at(trained, tmp_path):
    task = Task.of_one(Image((HEIGHT, WIDTH)), Classes(tuple(CLASS_NAMES)))
    flat = [np.full((HEIGHT, WIDTH, 3), 7, np.uint8)] * 3
    subject = Subject(trained.network, task, Samples(calibration=flat))
    with pytest.raises(ConfigurationError, match="one grey level, 7"):
        export_subject(subject, tmp_path / "b", formats=["litert"], quantize=["int8"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["label", "input", "a/b", "../up", "", "a\nb", ".hidden"])
def test_names_of_outputs_that_files_have_no_place_for(trained, tmp_path, name):
    model = several_model(trained)
    outputs = {
        (name if key == "look" else key): output for key, output in model.task.outputs.items()
    }
    subject = Subject(model.network, Task(model.task.input, outputs))
    with pytest.raises(ConfigurationError, match="An output cannot be called"):
        export_subject(subject, tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_networks_whose_outputs_are_not_the_tasks(trained, tmp_path):
    import keras

    model = several_model(trained)
    other = Task(model.task.input, dict(reversed(model.task.outputs.items())))
    match = r"the task says: look \(n, 6\), size \(cm\) \(n, 1\)"
    with pytest.raises(ConfigurationError, match=match):
        export_subject(Subject(model.network, other), tmp_path / "b")
    named = keras.Model(trained.network.inputs, {"price": model.network.outputs[2]})
    with pytest.raises(ConfigurationError, match="answers with a dict"):
        export_subject(Subject(named, Task.of_one(model.task.input, Number())), tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_parity_figures():
    reference = np.array([[0.1, 0.9], [0.5, 0.5], [0.8, 0.2]], "float32")
    swapped = reference[:, ::-1]
    output = Classes(("a", "b"))

    def agreeing(outputs):
        return output.agreeing(reference, outputs, Gate(), None)

    assert agreeing(reference).all()
    assert agreeing(swapped).tolist() == [False, True, False]
    assert max_abs_diff(reference, swapped) == pytest.approx(0.8)
    broken = reference.copy()
    broken[0, 0] = np.nan
    assert max_abs_diff(reference, broken) is None
    assert agreeing(broken).tolist() == [False, True, True]
    assert not Gate(quantized_label_agreement=0).passes("int8", None, 1.0)
    assert max_abs_diff(reference, reference[:, :1]) is None
    task = Task.of_one(Image((4, 4)), output)
    nothing = task.figures({"probabilities": reference}, {}, Gate(), None)
    assert (nothing["max_abs_diff"], nothing["label_agreement"]) == (None, 0.0)
    assert not nothing["passed"]


def test_the_report_says_by_how_much_an_artifact_fell_short():
    short = Artifact("litert", "model_int8.tflite", 1, "", "int8", 0.3, 0.95, 100, False)
    far = Artifact("onnx", "model.onnx", 1, "", None, 0.5, 1.0, 100, False)
    text = describe([short, far], Gate())
    assert "asks for an agreement of 0.98, 0.0300 more" in text
    assert "allows a difference of 0.001, 4.99e-01 less" in text
    outputs = {"make": {"passed": True}, "size": {"passed": False}, "look": {"passed": False}}
    several = Artifact("onnx", "a", 1, "", None, 0.5, 1.0, 9, False, outputs=outputs)
    assert describe([several], Gate()).endswith("; of 'size', 'look'")


def test_synthetic_images_are_varied_and_repeatable():
    images = synthetic_images(6, (20, 30), seed=3)
    assert images.shape == (6, 20, 30, 3)
    assert images.dtype == np.uint8
    assert np.array_equal(images, synthetic_images(6, (20, 30), seed=3))
    assert len({image.tobytes() for image in images}) == 6
