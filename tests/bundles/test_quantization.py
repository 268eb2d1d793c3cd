"""Quantised files: their parts, how float layers are chosen, and the options of LiteRT."""

from __future__ import annotations

import json
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from flatbuffers.number_types import Float32Flags, Uint8Flags, Uint32Flags
from flatbuffers.table import Table

from kerastl.bundles import LiteRTOptions, Subject, export, export_subject
from kerastl.errors import ExportError
from kerastl.formats import (
    FORMATS,
    float_layers,
    litert_graph,
    quantization,
    rounding,
    weight_correction,
)
from kerastl.formats.litert_graph import Graph, name_of_layer, ranges, values
from kerastl.formats.pairs.mediapipe import image_classifier
from kerastl.inputs import Image
from kerastl.outputs import Classes
from kerastl.task import Task

from .conftest import CLASS_NAMES, HEIGHT, WIDTH
from .several import several_model

pytestmark = pytest.mark.usefixtures("forked_workers")


def run(data, images):
    """The one output of a LiteRT file."""
    return litert_graph.run(data, images)["probabilities"]


@pytest.fixture(scope="module")
def data(exported):
    return (exported.bundle.path / "model.tflite").read_bytes()


def entry_of(exported, path):
    return next(item for item in exported.bundle.manifest["artifacts"] if item["path"] == path)


def test_packing_again_changes_no_answer_and_aligns_the_weights(data, trained):
    from ai_edge_litert import schema_py_generated as schema

    packed = Graph(data).pack()
    assert np.array_equal(run(packed, trained.x_val[:5]), run(data, trained.x_val[:5]))
    model = schema.Model.GetRootAs(packed, 0)
    start = np.frombuffer(packed, np.uint8).__array_interface__["data"][0]
    for index in range(model.BuffersLength()):
        if model.Buffers(index).DataLength():
            address = model.Buffers(index).DataAsNumpy().__array_interface__["data"][0]
            assert (address - start) % 16 == 0


def test_ranges_are_those_of_the_values(data, trained):
    images = trained.x_train[:20]
    found = ranges(data, images, batch=8)
    graph = Graph(data)
    assert found[graph.input] == (0.0, 255.0)
    (value,) = values(data, images, batch=20)
    for index in graph.activations():
        if index != graph.input:
            assert found[index] == pytest.approx((value(index).min(), value(index).max()), abs=1e-4)


def test_corrected_weights_lie_on_the_grid_and_keep_the_means(data, trained):
    images = trained.x_train[:48]
    corrected, counts = weight_correction.correct(data, images)
    before, after = Graph(data), Graph(corrected)
    # The grouped convolution is none of the operators whose inputs are plain patches.
    assert counts["compensated"] >= 3
    changed = 0
    for old, new in zip(before.weighted(), after.weighted(), strict=True):
        one = before.constant(old.operator.inputs[1])
        two = after.constant(new.operator.inputs[1])
        rows = np.moveaxis(two, new.axis, 0).reshape(two.shape[new.axis], -1)
        if not np.array_equal(one, two):
            changed += 1
            np.testing.assert_allclose(rounding.to_nearest(rows), rows, rtol=1e-5, atol=1e-6)
    assert changed == counts["compensated"] + counts["nearest"]
    (was,), (now,) = values(data, images, batch=48), values(corrected, images, batch=48)
    for layer in before.weighted():
        if layer.operator.builtinOptions.fusedActivationFunction == 0:
            one, two = (value(layer.operator.outputs[0]) for value in (was, now))
            axes = tuple(range(one.ndim - 1))
            spread = one.std(axis=axes) + 1e-3
            assert (np.abs(one.mean(axis=axes) - two.mean(axis=axes)) / spread).max() < 0.05


def test_a_layer_too_wide_to_compensate_is_rounded_to_the_nearest(data, trained, monkeypatch):
    monkeypatch.setattr(weight_correction, "MAX_INPUTS", 1)
    corrected, counts = weight_correction.correct(data, trained.x_train[:16])
    assert counts["compensated"] == 0
    assert counts["nearest"] >= 3
    assert np.abs(run(corrected, trained.x_val) - run(data, trained.x_val)).max() < 0.1


def test_names_of_layers():
    name = "net_1/relu_1/Relu6;net_1/bn_1/add_1;net_1/conv_1/convolution"
    assert name_of_layer(name, ["conv", "other"]) == "conv"
    assert name_of_layer("net/conv_1/convolution", ["conv_1"]) == "conv_1"
    assert name_of_layer("net_1/custom_1/MatMul", ["conv"]) == "custom_1/MatMul"
    assert name_of_layer("StatefulPartitionedCall", []) == "StatefulPartitionedCall"


def test_calibration_images_are_divided_by_label_without_overlap():
    labels = np.repeat([0, 1, 2], [16, 8, 8])
    images = np.arange(32, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    kept, held_back = float_layers.divide(images, labels)
    one, two = set(kept[:, 0, 0, 0].tolist()), set(held_back[:, 0, 0, 0].tolist())
    assert one | two == set(range(32))
    assert not one & two
    assert np.bincount(labels[sorted(two)]).tolist() == [4, 2, 2]
    few = float_layers.divide(images[:5], labels[:5])
    assert all(len(part) == 5 for part in few)


def test_selection_examples_are_blends_of_two_labels():
    images = np.zeros((4, 2, 2, 3), np.uint8)
    images[2:] = 200
    blends = float_layers.selection_examples(images, np.array([0, 0, 1, 1]))
    assert blends.shape == (512, 2, 2, 3)
    shares = blends[:, 0, 0, 0] / 200
    # Every blend is of both labels, and the first has the larger share.
    assert ((shares >= 0.09) & (shares <= 0.91)).all()
    assert not ((shares > 0.51) & (shares < 0.49)).any()
    assert np.array_equal(blends, float_layers.selection_examples(images, np.array([0, 0, 1, 1])))
    alone = float_layers.selection_examples(images[:2], np.array([0, 0]))
    assert not alone.any()


@pytest.fixture
def noisy(monkeypatch):
    """Files that are noise levels: each layer kept in float takes away its share."""

    def answer(data, examples):
        noise = np.random.default_rng(0).normal(size=(len(examples), 2))
        return {"scores": examples + int(data) / 1000 * noise}

    monkeypatch.setattr(float_layers, "run", answer)
    damage = [10, 200, 30, 400, 20, 5, 5, 30]

    def quantize(kept):
        return str(sum(d for i, d in enumerate(damage) if i not in kept)).encode()

    order = sorted(range(8), key=lambda i: -damage[i])
    examples = np.random.default_rng(1).uniform(size=(400, 2))

    def choose(order, gate):
        return float_layers.choose(
            quantize,
            order,
            8,
            examples,
            {"scores": examples},
            agreement=lambda answers: float(
                (answers["scores"].argmax(1) == examples.argmax(1)).mean()
            ),
            gate=gate,
        )

    return choose, order


def test_layers_stay_in_float_until_the_labels_agree(noisy):
    choose, order = noisy
    choice = choose(lambda: order, gate=0.8)
    assert [trial.float_layers for trial in choice.trials] == [0, 1, 2, 3]
    # The three that do most damage, in the order of the network.
    assert choice.float_layers == (1, 2, 3)
    assert choice.target == 0.9
    assert choice.trials[-1].label_agreement >= 0.9
    assert all(trial.label_agreement < 0.9 for trial in choice.trials[:-1])
    described = json.loads(json.dumps(choice.describe(400)))
    assert described["trials"][1]["float_layers"] == 1


def test_nothing_is_ranked_where_nothing_needs_float(noisy):
    choose, _ = noisy

    def order():
        raise AssertionError("ranked")

    choice = choose(order, gate=0.0)
    assert choice.float_layers == ()
    assert len(choice.trials) == 1


def test_where_no_choice_reaches_the_target_the_best_is_taken(noisy):
    choose, order = noisy
    choice = choose(lambda: order, gate=1.0)
    agreements = [trial.label_agreement for trial in choice.trials]
    assert len(agreements) == len(float_layers.ladder(8)) <= 8
    assert max(agreements) < 1
    assert len(choice.float_layers) == choice.trials[int(np.argmax(agreements))].float_layers


def test_the_manifest_and_the_card_tell_what_stayed_in_float(exported):
    card = (exported.bundle.path / "README.md").read_text("utf-8")
    for kind in ("dynamic", "int8"):
        path = f"model_{kind}.tflite"
        entry = entry_of(exported, path)
        selection = entry["selection"]
        assert selection["examples"] == 512
        assert selection["target_label_agreement"] == pytest.approx(0.99)
        assert selection["trials"][0]["float_layers"] == 0
        assert entry["weights_corrected"]["compensated"] >= 3
        artifact = next(item for item in exported.bundle.artifacts if item.path == path)
        assert list(artifact.float_layers) == entry["float_layers"]
        assert (f"- `{path}`:" in card) == bool(entry["float_layers"])


def test_operators_that_compute_in_float_are_counted(exported):
    for path in ("model_int8.tflite", "model_int16x8.tflite"):
        entry = entry_of(exported, path)
        graph = Graph((exported.bundle.path / path).read_bytes())
        assert entry["float_operators"] == graph.float_operators()
        assert "DEQUANTIZE" not in entry["float_operators"]
    plain = Graph((exported.bundle.path / "model.tflite").read_bytes())
    assert sum(plain.float_operators().values()) == len(plain.operators)


def test_a_batch_of_one_leaves_other_dimensions_open(data):
    graph = Graph(data)
    graph.tensor(graph.input).shapeSignature = np.array([-1, -1, -1, 3], np.int32)
    graph.fix_batch()
    assert list(graph.tensor(graph.input).shapeSignature) == [1, -1, -1, 3]
    others = [graph.tensor(index).shapeSignature for index in graph.activations()]
    assert sum(signature is not None for signature in others) == 1


def test_float_layers_in_the_card():
    from kerastl.bundles.card import _artifacts

    entry = {
        "path": "model_int8.tflite",
        "format": "litert",
        "quantization": "int8",
        "bytes": 10,
        "accuracy": None,
        "parity": {"max_abs_diff": 0.1, "label_agreement": 0.99},
        "float_layers": ["stem", "block_1"],
        "float_share_of_weights": 0.0123,
    }
    manifest = {"parity_examples": {"n": 9, "kind": "validation"}, "artifacts": [entry]}
    text = _artifacts(manifest, Task.of_one(Image((4, 4)), Classes(("a", "b"))))
    assert "- `model_int8.tflite`: `stem`, `block_1`; 1.2% of the weights" in text


def test_leading_layers_in_float(data, trained):
    """What the choice makes, made on purpose: the first two layers in float."""
    conversion = SimpleNamespace(
        calibration=trained.x_train[:32], outputs={"probabilities": Classes(tuple(CLASS_NAMES))}
    )
    prepared = quantization.prepare(data, conversion)
    calibrated = Graph(prepared.data).with_ranges(prepared.ranges)
    kinds = {}
    for kept in ((), (0, 1)):
        packed = quantization._int8(calibrated, False, kept)
        graph = Graph(packed)
        types = [graph.tensor(operator.outputs[0]).type for operator in graph.operators]
        kinds[len(kept)] = [graph.opcode(operator) for operator in graph.operators]
        assert len({str(kind) for kind in types}) >= 2
        reference = run(data, trained.x_val)
        outputs = run(packed, trained.x_val)
        assert (outputs.argmax(1) == reference.argmax(1)).mean() >= 0.95
    assert kinds[2].count("DEQUANTIZE") > kinds[0].count("DEQUANTIZE")
    layers = list(Graph(prepared.data).weighted())
    for position, layer in enumerate(layers):
        changed = Graph(quantization._dynamic(prepared.data, [position]))
        kernel = changed.tensor(layer.operator.inputs[1])
        assert kernel.type == 0  # float32
    order = quantization._by_damage(prepared, len(layers))
    assert sorted(order) == list(range(len(layers)))


@pytest.fixture(scope="module")
def fixed(trained, tmp_path_factory):
    """A bundle of files for one image at a time, the int8 one with floats in and out."""
    return export(
        trained.network,
        tmp_path_factory.mktemp("fixed") / "bundle",
        class_names=CLASS_NAMES,
        formats=["litert"],
        quantize=["int8"],
        examples=trained.x_val[:40],
        calibration=trained.x_train[:40],
        litert=LiteRTOptions(batch=1, float_input=True),
    )


def test_one_image_at_a_time_and_floats_in_an_int8_file(fixed, trained):
    from ai_edge_litert.interpreter import Interpreter

    for entry in fixed.manifest["artifacts"]:
        assert entry["batch"] == "1"
        details = Interpreter(str(fixed.path / entry["path"])).get_input_details()[0]
        assert details["dtype"] == np.float32
        assert details["shape_signature"].tolist() == [1, HEIGHT, WIDTH, 3]
    session = FORMATS["litert"].open(fixed.path / "model.tflite")
    assert session.batch == "1"
    expected = trained.predict(trained.x_val[:3])
    found = session.run({"image": trained.x_val[:3].astype(np.float32)})["probabilities"]
    assert np.abs(found - expected).max() < 1e-3


def test_metadata_for_mediapipe(exported):
    """The entry's identifier and the file of labels; MediaPipe itself is no dependency."""
    for path in exported.bundle.path.glob("*.tflite"):
        model = Graph(path.read_bytes()).model
        entry = next(item for item in model.metadata if item.name == b"TFLITE_METADATA")
        content = bytes(model.buffers[entry.buffer].data)
        assert content[4:8] == b"M001"
        assert b"labels.txt" in content
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist() == ["labels.txt"]


def table_at(content, *fields):
    """A table of a flatbuffer; fields lead to it, given in a tuple where they hold vectors."""
    found = Table(bytearray(content), int.from_bytes(content[:4], "little"))
    for field in fields:
        vector = isinstance(field, tuple)
        offset = found.Offset(4 + 2 * (field[0] if vector else field))
        place = found.Vector(offset) if vector else offset + found.Pos
        found = Table(found.Bytes, found.Indirect(place))
    return found


def test_metadata_for_mediapipe_by_the_numbers_of_its_schema():
    content = image_classifier(160, 192, 3)
    image, probabilities = (table_at(content, (3,), (side,)) for side in (2, 3))
    assert image.String(image.Offset(4) + image.Pos) == b"image"
    assert probabilities.String(probabilities.Offset(4) + probabilities.Pos) == b"probabilities"
    size = table_at(content, (3,), (2,), 3, 1, 1)
    sides = [size.Get(Uint32Flags, size.Offset(4 + 2 * slot) + size.Pos) for slot in (0, 1)]
    assert sides == [192, 160]
    labels = table_at(content, (3,), (3,), (6,))
    assert labels.String(labels.Offset(4) + labels.Pos) == b"labels.txt"
    assert labels.Get(Uint8Flags, labels.Offset(8) + labels.Pos) == 2
    normalization = table_at(content, (3,), (2,), (4,), 1)
    starts = [normalization.Vector(normalization.Offset(slot)) for slot in (4, 6)]
    assert [normalization.Get(Float32Flags, start) for start in starts] == [0.0, 1.0]


def test_no_metadata_for_mediapipe_where_the_answer_is_no_class(several_case):
    """Its ImageClassifier would take whatever comes first for probabilities."""
    for path in several_case.bundle.path.glob("*.tflite"):
        entries = Graph(path.read_bytes()).model.metadata or ()
        assert b"TFLITE_METADATA" not in [entry.name for entry in entries]
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist() == ["labels_make.txt", "labels_defects.txt"]


def test_layers_stay_in_float_until_every_output_agrees(several_case):
    """The target is half of what the gate allows, held by the worst of the outputs."""
    for entry in several_case.entries:
        if entry["format"] != "litert" or entry["quantization"] not in ("dynamic", "int8"):
            continue
        selection = entry["selection"]
        assert selection["target_label_agreement"] == pytest.approx(0.75)
        assert selection["examples"] == 512
        last = selection["trials"][-1]
        assert last["label_agreement"] >= 0.75 or len(selection["trials"]) > 1
        parity = entry["parity"]
        assert parity["label_agreement"] == min(
            item["label_agreement"] for item in parity["outputs"].values()
        )


def test_examples_are_divided_by_the_answers_of_all_outputs(several_case, trained):
    task, images = several_case.task, trained.x_train[:60]
    answers = several_case.model.outputs(list(images))
    groups = quantization.groups_of(task.outputs, answers)
    make = answers["make"].argmax(axis=1)
    assert groups.shape == (60,)
    # No two images of one group are of different makes, or of different defects.
    for group in set(groups.tolist()):
        rows = groups == group
        assert len(set(make[rows].tolist())) == 1
        defects = task.outputs["defects"].decode(answers["defects"][rows])
        assert len(set(map(tuple, defects))) == 1


def test_what_int16x8_has_no_operator_for(trained, tmp_path):
    """Vectors are of length 1 by an operator of LiteRT's own."""
    model = several_model(trained)
    subject = Subject(model.network, model.task, model.samples)
    match = r"while converting to litert \(int16x8\): .*'int16x8'.*L2_NORMALIZATION.*Leave it out"
    with pytest.raises(ExportError, match=match):
        export_subject(subject, tmp_path / "b", formats=["litert"], quantize=["int16x8"])
    assert list(tmp_path.iterdir()) == []


def test_8_bits_of_onnx_where_they_are_asked_for_by_name(trained, tmp_path):
    """Of images ONNX's quantised convolutions lose labels: not by themselves, and not unseen."""
    onnx = pytest.importorskip("onnx")
    bundle = export(
        trained.network,
        tmp_path / "b",
        class_names=CLASS_NAMES,
        formats=["onnx"],
        quantize=["onnx:dynamic"],
        examples=trained.x_val,
        labels=trained.y_val,
    )
    [_, smaller] = bundle.manifest["artifacts"]
    assert (smaller["path"], smaller["quantization"]) == ("model_dynamic.onnx", "dynamic")
    assert smaller["batch"] == "1"
    assert smaller["parity"]["label_agreement"] >= 0.98
    kernels = {
        item.data_type for item in onnx.load(bundle.path / smaller["path"]).graph.initializer
    }
    assert onnx.TensorProto.UINT8 in kernels
    session = FORMATS["onnx"].open(bundle.path / smaller["path"])
    assert session.batch == "1"
    assert session.class_names() == CLASS_NAMES
