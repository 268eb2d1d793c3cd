"""Each fault is planted in an artifact after its conversion; the gate must name it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from kerastl.bundles import verify
from kerastl.bundles.bundle import Artifact
from kerastl.bundles.diagnosis import diagnose
from kerastl.bundles.proof import Proof
from kerastl.errors import ExportError, ParityError
from kerastl.formats.litert_conversion import custom_operators
from kerastl.formats.litert_graph import Graph
from kerastl.inputs import Image
from kerastl.outputs import Classes, Gate
from kerastl.task import Task

from .conftest import CLASS_NAMES, HEIGHT, WIDTH
from .planting import forge, permute_onnx, spoil_after_conversion
from .test_failures import export_quickly

pytestmark = pytest.mark.usefixtures("forked_workers")


def before_the_input(path: Path, *nodes) -> None:
    """Puts ONNX nodes, as (operator, constant, attributes), between the image and its reader."""
    import onnx

    model = onnx.load(path)
    readers = list(model.graph.node)
    name, added = "image", []
    for index, (operator, constant, attributes) in enumerate(nodes):
        inputs = [name]
        if constant is not None:
            model.graph.initializer.append(
                onnx.numpy_helper.from_array(np.asarray(constant), f"planted_{index}")
            )
            inputs.append(f"planted_{index}")
        name = f"planted_value_{index}"
        added.append(onnx.helper.make_node(operator, inputs, [name], **attributes))
    for node in readers:
        node.input[:] = [name if value == "image" else value for value in node.input]
    del model.graph.node[:]
    model.graph.node.extend([*added, *readers])
    onnx.save(model, path)


def reverse_channels(out):
    order = np.array([2, 1, 0])
    before_the_input(out / "model.onnx", ("Gather", order, {"axis": 3}))


def preprocess_twice(out):
    half = np.float32(127.5)
    before_the_input(out / "model.onnx", ("Div", half, {}), ("Sub", np.float32(1), {}))


def divide_twice(out):
    before_the_input(out / "model.onnx", ("Div", np.float32(255), {}))


def preprocess_nowhere(out):
    one, half = np.float32(1), np.float32(127.5)
    before_the_input(out / "model.onnx", ("Add", one, {}), ("Mul", half, {}))


def preprocess_nowhere_from_0_to_1(out):
    before_the_input(out / "model.onnx", ("Mul", np.float32(255), {}))


def of_onnx(change):
    def plant(out):
        import onnx

        model = onnx.load(out / "model.onnx")
        # The last layer's kernel.
        name = next(
            node.input[1]
            for node in reversed(model.graph.node)
            if node.op_type in ("MatMul", "Gemm")
        )
        tensor = next(item for item in model.graph.initializer if item.name == name)
        values = change(onnx.numpy_helper.to_array(tensor).copy())
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, name))
        onnx.save(model, out / "model.onnx")

    return plant


def one_nan(values):
    values.flat[0] = np.nan
    return values


@pytest.mark.parametrize(
    ("plant", "cause"),
    [
        (reverse_channels, "its colour order is BGR, not RGB"),
        (preprocess_twice, r"its graph maps pixels to -1\.\.1 twice"),
        (divide_twice, "its graph divides pixels by 255 twice"),
        (preprocess_nowhere, "lacks the network's preprocessing: it wants pixels from -1 to 1"),
        (
            preprocess_nowhere_from_0_to_1,
            "lacks the network's preprocessing: it wants pixels from 0 to 1",
        ),
        (
            lambda out: permute_onnx(out / "model.onnx"),
            "outputs are in another order: output 0 is 'blé', not 'amber glass'",
        ),
        (of_onnx(one_nan), "not finite on 32 of 32 images: a weight is NaN"),
    ],
)
def test_a_fault_of_an_onnx_file(exported, tmp_path, plant, cause):
    folder = tmp_path / "bundle"
    shutil.copytree(exported.bundle.path, folder)
    plant(folder)
    forge(folder, keep=["model.onnx"])
    with pytest.raises(ParityError, match=rf"CAUSE   model\.onnx: .*{cause}") as caught:
        verify(folder)
    assert "FAILED  model.onnx" in str(caught.value)


def test_a_fault_stops_the_export(trained, tmp_path, monkeypatch):
    spoil_after_conversion(monkeypatch, reverse_channels)
    with pytest.raises(ParityError, match=r"CAUSE   model\.onnx: its colour order is BGR, not RGB"):
        export_quickly(trained, tmp_path / "b", ["onnx"])
    assert list(tmp_path.iterdir()) == []


def columns_of(task):
    """Outputs of several columns, which could be in another order."""
    return [name for name, output in task.outputs.items() if output.width > 1]


def test_columns_in_another_order(case, tmp_path):
    name = columns_of(case.task)[-1]
    width = case.task.outputs[name].width
    folder = shutil.copytree(case.bundle.path, tmp_path / "bundle")
    permute_onnx(folder / "model.onnx", name, [1, 0, *range(2, width)])
    forge(folder, ["model.onnx", "model.tflite"])
    with pytest.raises(ParityError, match=r"does not give its golden answers") as caught:
        verify(folder)
    message = str(caught.value)
    where = f"of {name!r}, " if len(case.task.outputs) > 1 else ""
    columns = [case.task.outputs[name].column(index) for index in (1, 0)]
    assert (
        f"CAUSE   model.onnx: {where}its outputs are in another order: output 0 is {columns[0]}, "
        f"not {columns[1]}"
    ) in message
    assert message.count("CAUSE") == 1
    assert "passed  model.tflite" in message
    assert [item["passed"] for item in caught.value.results] == [False, True]


def test_class_names_in_a_file_that_are_others(case, tmp_path):
    import onnx

    folder = shutil.copytree(case.bundle.path, tmp_path / "bundle")
    model = onnx.load(folder / "model.onnx")
    [entry] = [item for item in model.metadata_props if item.key == "class_names"]
    entry.value = '["another"]'
    onnx.save(model, folder / "model.onnx")
    forge(folder, ["model.onnx"])
    with pytest.raises(ParityError, match=r"model\.onnx holds the class names \['another'\], not "):
        verify(folder)


def rename_output(path, old, new):
    import onnx

    model = onnx.load(path)
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    for value in model.graph.output:
        value.name = new if value.name == old else value.name
    onnx.save(model, path)


def test_one_of_several_outputs_under_another_name(several_case, tmp_path):
    folder = shutil.copytree(several_case.bundle.path, tmp_path / "bundle")
    rename_output(folder / "model.onnx", "defects", "faults")
    forge(folder, ["model.onnx"])
    with pytest.raises(ParityError) as caught:
        verify(folder)
    message = str(caught.value)
    assert "model.onnx calls its outputs ['faults', 'look', 'make', 'size (cm)'], not " in message
    assert "CAUSE   model.onnx: of 'defects', it lacks an output" in message
    assert "FAILED  model.onnx" in message


def test_a_number_that_is_off(several_case, tmp_path):
    import onnx

    folder = shutil.copytree(several_case.bundle.path, tmp_path / "bundle")
    rename_output(folder / "model.onnx", "size (cm)", "right")
    model = onnx.load(folder / "model.onnx")
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(1.5), "off"))
    model.graph.node.append(onnx.helper.make_node("Mul", ["right", "off"], ["size (cm)"]))
    model.graph.output[[x.name for x in model.graph.output].index("right")].name = "size (cm)"
    onnx.save(model, folder / "model.onnx")
    forge(folder, ["model.onnx"])
    with pytest.raises(ParityError, match=r"FAILED  model\.onnx.*; of 'size \(cm\)'") as caught:
        verify(folder)
    assert "CAUSE" not in str(caught.value)
    passed = {name: x["passed"] for name, x in caught.value.results[0]["outputs"].items()}
    assert passed == {"make": True, "defects": True, "size (cm)": False, "look": True}


def of_litert(change):
    """Changes the last dense layer's kernel and bias in a LiteRT file, labels and all kept."""

    def plant(path):
        data = path.read_bytes()
        graph = Graph(data)
        layer = list(graph.weighted())[-1]
        for place in (1, 2):
            values = graph.constant(layer.operator.inputs[place]).copy()
            graph.set_constant(layer.operator.inputs[place], change(values))
        archive = data[data.rindex(b"PK\x03\x04") :]
        path.write_bytes(graph.pack() + archive)

    return plant


def swap_first_two(values):
    values[[0, 1]] = values[[1, 0]]
    return values


def test_faults_of_litert_files(trained, tmp_path, monkeypatch):
    def plant(out):
        of_litert(swap_first_two)(out / "model.tflite")
        of_litert(one_nan)(out / "model_dynamic.tflite")

    def as_float(out):
        # The dynamic file's kernels are integers: a float file takes its place.
        shutil.copyfile(out / "model.tflite", out / "model_dynamic.tflite")
        plant(out)

    spoil_after_conversion(monkeypatch, as_float)
    with pytest.raises(ParityError) as caught:
        export_quickly(trained, tmp_path / "b", ["litert"], quantize=["dynamic"])
    message = str(caught.value)
    assert "CAUSE   model.tflite: its outputs are in another order: output 0 is 'blé'" in message
    assert "CAUSE   model_dynamic.tflite: it answers with values that are not finite" in message
    assert list(tmp_path.iterdir()) == []


def test_outputs_of_a_saved_model_in_another_order(trained, tmp_path, monkeypatch):
    def plant(out):
        import tensorflow as tf

        path = out / "saved_model"
        loaded = tf.saved_model.load(str(path))
        module = tf.Module()
        module.loaded = loaded
        module.labels = tf.saved_model.Asset(str(path / "assets" / "labels.txt"))
        module.infer = tf.function(
            lambda image: {
                "probabilities": tf.gather(
                    loaded.signatures["serving_default"](image=image)["probabilities"],
                    [2, 0, 1],
                    axis=1,
                )
            },
            input_signature=[tf.TensorSpec((None, HEIGHT, WIDTH, 3), tf.float32, name="image")],
        )
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, str(out / "other"), {"serving_default": module.infer}, options)
        shutil.rmtree(path)
        (out / "other").rename(path)

    spoil_after_conversion(monkeypatch, plant)
    with pytest.raises(
        ParityError, match="saved_model: its outputs are in another order"
    ) as caught:
        export_quickly(trained, tmp_path / "b", ["saved_model"])
    assert "output 0 is 'carton', not 'amber glass'" in str(caught.value)


def test_an_operator_that_only_flex_has(tmp_path):
    import keras

    inputs = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    network = keras.Model(inputs, keras.ops.erfinv(pooled / 512))
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    from kerastl.bundles import export

    with pytest.raises(ExportError, match="while converting to litert: .*Erfinv"):
        export(
            network, tmp_path / "b", class_names=CLASS_NAMES, formats=["litert"], examples=images
        )
    assert list(tmp_path.iterdir()) == []


def test_custom_operators_are_found_in_a_file(exported):
    from ai_edge_litert import schema_py_generated as schema

    graph = Graph((exported.bundle.path / "model.tflite").read_bytes())
    assert custom_operators(graph.pack()) == []
    code = graph.model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = "FlexErfinv"
    assert custom_operators(graph.pack()) == ["FlexErfinv"]


def test_verify_names_the_fault_where_every_hash_was_forged(exported, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(exported.bundle.path, folder)
    reverse_channels(folder)
    of_litert(one_nan)(folder / "model.tflite")
    forge(folder, keep=["model.onnx", "model.tflite"])
    with pytest.raises(ParityError) as caught:
        verify(folder)
    message = str(caught.value)
    assert "CAUSE   model.onnx: its colour order is BGR, not RGB" in message
    assert "CAUSE   model.tflite: it answers with values that are not finite on 32 of 32" in message
    assert message.count("CAUSE") == 2


def test_no_cause_is_made_up(tmp_path):
    generator = np.random.default_rng(0)
    reference = generator.dirichlet(np.ones(3), 20).astype(np.float32)
    artifact = Artifact("onnx", "model.onnx", 1, "", None, 0.5, 0.3, 20, False)
    passed = Artifact("onnx", "other.onnx", 1, "", None, 0.0, 1.0, 20, True)
    task = Task.of_one(Image((4, 4)), Classes(("a", "b", "c")))
    images = list(np.zeros((20, 4, 4, 3), np.uint8))

    def found(artifacts, **outputs):
        answers = {f"{name}.onnx": {"probabilities": rows} for name, rows in outputs.items()}
        wanted = {"probabilities": reference}
        proof = Proof(task, Gate(), images, "validation", [], [], wanted)
        return diagnose(tmp_path, artifacts, proof, answers)

    assert found([artifact, passed], model=reference[:, :2], other=reference) == [
        "model.onnx: it has outputs of the shape (20, 2), not (20, 3)"
    ]
    # No such file: every attempt to run it fails, and nothing is claimed.
    other = generator.dirichlet(np.ones(3), 20).astype(np.float32)
    assert found([artifact], model=other) == []
