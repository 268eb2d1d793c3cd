"""The ONNX route by itself: any number of named inputs and outputs, and what it refuses."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from tensorflow.python.framework import convert_to_constants

from kerastl.formats import graph_passes, onnx_conversion, onnx_passes

NAMES = {"inputs": {"ids:0": "token_ids", "mask:0": "padding_mask"}}


@pytest.fixture(scope="module")
def frozen():
    """Two inputs of open length, two outputs, an operator that ONNX lacks."""
    table = tf.constant(np.random.default_rng(0).normal(size=(11, 4)), tf.float32)

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None), tf.int32, name="ids"),
            tf.TensorSpec((None, None), tf.float32, name="mask"),
        ]
    )
    def function(ids, mask):
        vectors = tf.math.erfc(tf.gather(table, ids)) * mask[:, :, None]
        return tf.reduce_sum(vectors, axis=1), tf.reduce_sum(mask, axis=1)

    return convert_to_constants.convert_variables_to_constants_v2(function.get_concrete_function())


@pytest.fixture
def names(frozen):
    pooled, length = (tensor.name for tensor in frozen.outputs)
    return {**NAMES, "outputs": {pooled: "pooled", length: "length"}}


def test_several_inputs_and_outputs_with_open_dimensions(frozen, names, tmp_path):
    path = tmp_path / "m.onnx"
    onnx_conversion.write(frozen, path, {"labels": ["ä"]}, axes={1: "sequence"}, **names)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert {item.name: item.shape for item in session.get_inputs()} == {
        "token_ids": ["batch", "sequence"],
        "padding_mask": ["batch", "sequence"],
    }
    assert [(item.name, item.shape) for item in session.get_outputs()] == [
        ("pooled", ["batch", 4]),
        ("length", ["batch"]),
    ]
    assert session.get_modelmeta().custom_metadata_map == {"labels": '["ä"]'}
    generator = np.random.default_rng(1)
    for batch, length in ((1, 3), (4, 9)):
        ids = generator.integers(0, 11, (batch, length)).astype(np.int32)
        mask = generator.integers(0, 2, (batch, length)).astype(np.float32)
        answers = session.run(["pooled", "length"], {"token_ids": ids, "padding_mask": mask})
        for got, wanted in zip(answers, frozen(tf.constant(ids), tf.constant(mask)), strict=True):
            np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_names_that_do_not_fit_the_graph(frozen, names, tmp_path):
    with pytest.raises(ValueError, match=r"inputs \['ids:0', 'mask:0'\]; named were \['ids:0'\]"):
        onnx_conversion.write(
            frozen, tmp_path / "m", {}, **{**names, "inputs": {"ids:0": "token_ids"}}
        )
    twice = {"ids:0": "pooled", "mask:0": "padding_mask"}
    with pytest.raises(ValueError, match=r"must be distinct; repeated: \['pooled'\]"):
        onnx_conversion.write(frozen, tmp_path / "m", {}, **{**names, "inputs": twice})
    assert list(tmp_path.iterdir()) == []


def model_of(text):
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')


@pytest.mark.parametrize(
    ("declared", "match"),
    [
        ("float[batch,4]", r"'y' has the shape \[None, 3\] by inference; .* declare \[None, 4\]"),
        ("float[batch,3,1]", r"'y' has the shape \[None, 3\] by inference"),
    ],
)
def test_an_output_that_declares_a_wrong_shape(declared, match):
    model = model_of(f"g (float[batch,3] x) => ({declared} y) {{ y = Relu(x) }}")
    with pytest.raises(RuntimeError, match=match):
        onnx_passes.check_shapes(model)


def test_shapes_that_contradict_one_another():
    model = model_of(
        "g (float[batch,3] x, float[2,2] w) => (float[batch,2] y) { y = MatMul(x, w) }"
    )
    with pytest.raises(RuntimeError, match="shapes contradict one another"):
        onnx_passes.check_shapes(model)
    right = model_of("g (float[batch,3] x, float[3,2] w) => (float[b,2] y) { y = MatMul(x, w) }")
    onnx_passes.check_shapes(right)


def test_a_foreign_operator_in_a_branch():
    model = model_of(
        "g (bool c, float[3] x) => (float[3] y) {"
        " y = If (c) <then_branch = t () => (float[3] a) { a = Relu(x) },"
        " else_branch = e () => (float[3] b) { b = Roll(x) }> }"
    )
    with pytest.raises(RuntimeError, match=r"no operator for \['Roll'\]"):
        onnx_passes.refuse_foreign_operators(model)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64, tf.float16, tf.bfloat16])
def test_erfc_becomes_erf_in_its_own_precision(dtype):
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(dtype, (3,), name="x")
        tf.identity(tf.math.erfc(x), name="y")
    definition = graph.as_graph_def()
    assert graph_passes.replace_erfc(definition) == 1
    assert "Erfc" not in {node.op for node in definition.node}
    values = np.array([-1.0, 0.0, 0.5]).astype(dtype.as_numpy_dtype)
    answers = []
    for each in (graph.as_graph_def(), definition):
        with tf.Graph().as_default() as loaded:
            tf.import_graph_def(each, name="")
            with tf.compat.v1.Session(graph=loaded) as session:
                answers.append(session.run("y:0", {"x:0": values}).astype(np.float64))
    np.testing.assert_allclose(*answers, atol=1e-2 if dtype.size == 2 else 1e-6)


def test_large_weights_are_kept_from_the_converter():
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(3, 3, 16, 128)).astype(np.float32)
    dense = generator.normal(size=(128, 160)).astype(np.float32)
    table = generator.normal(size=(128, 160)).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 16), tf.float32, name="x")])
    def function(x):
        pooled = tf.reduce_mean(tf.nn.conv2d(x, kernel, 1, "SAME"), (1, 2))
        # A weight that is reshaped on its way; one that is no operator's weight; a small one.
        return tf.linalg.matmul(pooled, tf.reshape(dense, (128, -1))) + table[:1] + [1.0]

    graph = convert_to_constants.convert_variables_to_constants_v2(
        function.get_concrete_function()
    ).graph.as_graph_def()
    size = graph.ByteSize()
    taken = graph_passes.take_weights(graph)
    assert sorted(value.shape for value in taken.values()) == [(3, 3, 16, 128), (128, 160)]
    assert graph.ByteSize() < size - sum(value.nbytes for value in taken.values())


def test_weights_are_laid_out_as_operators_take_them():
    model = model_of(
        "g (float[batch,2] x, float[6] w) => (float[batch,3] y)"
        " <int64[2] shape = {3, 2}> {"
        " a = Reshape (w, shape) b = Transpose <perm = [1, 0]> (a) y = MatMul (x, b) }"
    )
    weights = np.arange(6, dtype=np.float32)
    onnx_passes.put_weights(model, {"w": weights})
    assert [node.op_type for node in model.graph.node] == ["MatMul"]
    assert [item.name for item in model.graph.input] == ["x"]
    held = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    np.testing.assert_array_equal(held["b"], weights.reshape(3, 2).T)
    onnx.checker.check_model(model, full_check=True)
