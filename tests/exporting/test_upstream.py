"""What upstream gets wrong, one test per workaround: each fails when the workaround can go.

Every test runs the plain library on a network of one or two layers. Where it fails because upstream
has mended the matter, remove the workaround that the message names, and the test.
"""

from __future__ import annotations

import contextlib
import os
import sys
import types

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from keras import layers

from kerastl.exporting import litert_route, onnx_passes, onnx_route, saved_model

from .conftest import CLASS_NAMES, HEIGHT, WIDTH

IMAGES = np.random.default_rng(0).normal(-3.0, 1.0, (3, 8, 8, 4)).astype(np.float32)


def needless(workaround):
    return f"upstream no longer needs this: remove the workaround {workaround}"


def network_of(*stack):
    inputs = keras.Input(IMAGES.shape[1:], name="image")
    outputs = inputs
    for layer in stack:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


def plain_onnx(network):
    """What tf2onnx makes of a network, by the function that it offers for Keras."""
    import tf2onnx

    signature = [tf.TensorSpec((None, *network.inputs[0].shape[1:]), tf.float32, name="image")]
    return tf2onnx.convert.from_keras(network, signature, opset=onnx_route.OPSET)[0]


def run_onnx(model, disabled=()):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(),
        providers=["CPUExecutionProvider"],
        disabled_optimizers=list(disabled),
    )
    return session.run(None, {"image": IMAGES})[0]


def distance(network, outputs):
    return np.abs(network.predict(IMAGES, verbose=0) - outputs).max()


@pytest.mark.parametrize(
    ("layer", "operator", "workaround"),
    [
        (
            lambda: layers.Activation("gelu"),
            "Erfc",
            "graph_passes.replace_erfc (onnx/tensorflow-onnx#2463)",
        ),
        (
            lambda: layers.Conv2D(4, 3, groups=2),
            "StatefulPartitionedCall",
            "saved_model.convertible (onnx/tensorflow-onnx#2099, keras-team/keras#18180)",
        ),
    ],
)
def test_tf2onnx_writes_down_operators_that_onnx_lacks(layer, operator, workaround, caplog):
    model = plain_onnx(network_of(layer()))
    held = {node.op_type for node in model.graph.node}
    assert operator in held, needless(workaround)
    with pytest.raises(onnx.checker.ValidationError, match=f"No Op registered for {operator}"):
        onnx.checker.check_model(model)
    # It told the log alone, which is why refuse_foreign_operators looks for itself.
    assert "is not supported" in caplog.text
    with pytest.raises(RuntimeError, match=f"no operator for .*{operator}"):
        onnx_passes.refuse_foreign_operators(model)


def test_tf2onnx_raises_nothing_for_a_fourier_transform(caplog):
    class Spectrum(layers.Layer):
        def call(self, x):
            return keras.ops.fft((x, x))[0]

    try:
        plain_onnx(network_of(Spectrum()))
    except Exception as error:
        raise AssertionError(
            needless("onnx_passes.refuse_foreign_operators (onnx/tensorflow-onnx#2271)")
        ) from error
    assert "Unsupported ops" in caplog.text


def test_onnx_runtime_folds_pads_of_zeros_into_max_pooling():
    stack = layers.Conv2D(4, 1), layers.ZeroPadding2D(1), layers.MaxPooling2D(3, strides=2)
    network = network_of(*stack)
    network.layers[1].set_weights([np.eye(4)[None, None], np.zeros(4)])
    model = plain_onnx(network)
    onnx.checker.check_model(model, full_check=True)
    # Negative values: at the edge the largest is the zero of the pad, which the fusion forgets.
    assert distance(network, run_onnx(model)) > 0.1, needless(
        "onnx_passes.guard_pads (microsoft/onnxruntime#24737)"
    )
    assert distance(network, run_onnx(model, ["Pad_Fusion"])) < 1e-6
    assert onnx_passes.guard_pads(model) == 1
    assert distance(network, run_onnx(model)) < 1e-6


def test_tf2onnx_copies_dimensions_of_the_wrong_tensor(tmp_path):
    class Heads(layers.Layer):
        """What attention does to its queries, with one head."""

        def call(self, x):
            n, length = keras.ops.shape(x)[:2]
            return keras.ops.transpose(keras.ops.reshape(x, (n, length, 1, 6)), (0, 2, 1, 3))

    inputs = keras.Input((None, 6), name="tokens")
    network = keras.Model(inputs, Heads()(layers.Dense(6)(inputs)))
    tokens = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    wanted = network.predict(tokens, verbose=0)

    def answer(content):
        providers = ["CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(content, providers=providers)
        return session.run(None, {"tokens": tokens})[0]

    import tf2onnx

    signature = [tf.TensorSpec((None, None, 6), tf.float32, name="tokens")]
    plain, _ = tf2onnx.convert.from_keras(network, signature, opset=onnx_route.OPSET)
    # The dense layer works on (n x length, 6): of that its batch is taken for that of the tokens.
    assert answer(plain.SerializeToString()).shape == (20, 1, 1, 6), needless(
        "onnx_route._converted (onnx/tensorflow-onnx#2085)"
    )

    from tensorflow.python.framework import convert_to_constants

    frozen = convert_to_constants.convert_variables_to_constants_v2(
        tf.function(lambda tokens: network(tokens), signature).get_concrete_function()
    )
    names = {frozen.inputs[0].name: "tokens"}, {frozen.outputs[0].name: "heads"}
    onnx_route.convert(frozen, tmp_path / "m.onnx", {}, inputs=names[0], outputs=names[1])
    np.testing.assert_allclose(answer(str(tmp_path / "m.onnx")), wanted, atol=1e-6)


def test_antialiased_resizing_has_an_operator_in_neither_format(tmp_path):
    class Resizing(layers.Layer):
        def call(self, x):
            return tf.image.resize(x, (5, 5), antialias=True)

    network = network_of(Resizing())
    held = {node.op_type for node in plain_onnx(network).graph.node}
    assert "ScaleAndTranslate" in held, needless("any_size.resize, for ONNX")
    path = tmp_path / "m.tflite"
    with contextlib.suppress(Exception):
        network.export(str(path), format="litert", verbose=False)
    assert not path.exists(), needless("any_size.resize, for LiteRT")


def test_keras_lets_flex_operators_into_litert_files(tmp_path):
    class Roll(layers.Layer):
        def call(self, x):
            return keras.ops.roll(x, 2, axis=1)

    from ai_edge_litert.interpreter import Interpreter

    path = tmp_path / "m.tflite"
    network_of(Roll()).export(str(path), format="litert", verbose=False)
    held = litert_route.custom_operators(path.read_bytes())
    assert held == ["FlexRoll"], needless("supported_ops in litert_route")
    # The interpreter loads the file, and fails on its first run.
    interpreter = Interpreter(str(path))
    with pytest.raises(RuntimeError, match="FlexRoll"):
        interpreter.allocate_tensors()


def test_litert_has_no_roll(tmp_path):
    class Rolled(layers.Layer):
        def call(self, x):
            return keras.ops.roll(x, (-1, 2), axis=(1, 2))

    network = network_of(Rolled())
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    with pytest.raises(Exception, match=r"tf\.Roll.*neither a custom op nor a flex op"):
        converter.convert()
        pytest.fail(needless("_PlainFunctions.roll (tensorflow/tensorflow#51459)"))
    frozen = saved_model.constants_of(saved_model.trace(network, IMAGES.shape[1:]))
    assert "Roll" not in {node.op for node in frozen.graph.as_graph_def().node}
    outputs = np.asarray(tf.nest.flatten(frozen(tf.constant(IMAGES)))[0])
    np.testing.assert_allclose(outputs, network.predict(IMAGES, verbose=0), atol=1e-5)


def test_openvino_has_no_rule_for_updates_of_slices(tmp_path):
    openvino = pytest.importorskip("openvino", reason="needs pip install 'kerastl[openvino]'")
    from kerastl.exporting import graph_passes

    class Masked(layers.Layer):
        def call(self, x):
            mask = keras.ops.slice_update(keras.ops.zeros((8, 8)), (2, 2), keras.ops.ones((3, 3)))
            return x * mask[None, :, :, None]

    network = network_of(Masked())
    frozen = saved_model.constants_of(saved_model.trace(network, IMAGES.shape[1:]))
    graph, path = frozen.graph.as_graph_def(), tmp_path / "graph.pb"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(RuntimeError, match="XlaDynamicUpdateSlice"):
        openvino.Core().read_model(path)
        pytest.fail(needless("graph_passes.fold_slice_updates"))
    assert graph_passes.fold_slice_updates(graph) == 1
    path.write_bytes(graph.SerializeToString())
    model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert distance(network, model(IMAGES)[0]) < 1e-6


def test_gradients_of_swish_cannot_be_saved_with_a_frozen_graph(tmp_path):
    network = network_of(layers.Activation("swish"), layers.GlobalAveragePooling2D())
    frozen = saved_model.constants_of(saved_model.trace(network, IMAGES.shape[1:]))
    module = tf.Module()
    module.function = tf.function(
        lambda image: frozen(image)[0],
        input_signature=[tf.TensorSpec((None, *IMAGES.shape[1:]), tf.float32, name="image")],
    )
    with pytest.raises(Exception, match="captured|gradient"):
        tf.saved_model.save(module, str(tmp_path / "with"))
        pytest.fail(needless("experimental_custom_gradients=False in saved_model.write"))
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(tmp_path / "without"), options=options)


def globals_of(*packages):
    """What the modules of packages hold: functions, methods, classes and modules."""
    code = (types.FunctionType, classmethod, staticmethod, property)
    kept = {}
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in packages and isinstance(module, types.ModuleType):
            for key, value in vars(module).items():
                if callable(value) or isinstance(value, types.ModuleType):
                    kept[name, key] = value
                if isinstance(value, type):
                    for item, member in vars(value).items():
                        if isinstance(member, code):
                            kept[name, key, item] = member
    return kept


def assert_unchanged(before, after):
    """Nothing that was there is another or gone; what was imported meanwhile may be new."""
    assert len(before) > 1000
    assert [key for key, value in before.items() if after.get(key) is not value] == []


def test_an_export_leaves_keras_and_the_environment_as_they_were(trained, tmp_path):
    from kerastl.exporting import export

    modules, environment = set(sys.modules), dict(os.environ)
    before = globals_of("keras", "tf2onnx")
    policy, path = keras.config.dtype_policy(), list(sys.path)
    export(
        trained.network,
        tmp_path / "bundle",
        class_names=CLASS_NAMES,
        examples=trained.x_val[:8],
    )
    assert_unchanged(before, globals_of("keras", "tf2onnx"))
    assert dict(os.environ) == environment
    assert keras.config.dtype_policy() is policy
    assert sys.path == path
    # The converters ran elsewhere.
    assert not [name for name in set(sys.modules) - modules if name.startswith("tf2onnx")]


def test_a_conversion_in_this_process_leaves_nothing_patched(trained, tmp_path):
    import tf2onnx
    from tf2onnx.handler import tf_op

    def handlers():
        return {
            (domain, version, name): handler
            for domain, versions in tf_op._OPSETS.items()
            for version, table in enumerate(versions)
            for name, handler in table.items()
        }

    # Handlers are registered when the first conversion imports them.
    plain_onnx(network_of(layers.ReLU()))
    before, registered = globals_of("keras", "tf2onnx"), handlers()
    frozen = saved_model.constants_of(saved_model.trace(trained.network, (HEIGHT, WIDTH, 3)))
    onnx_route.convert(
        frozen,
        tmp_path / "m.onnx",
        {},
        inputs={frozen.inputs[0].name: "image"},
        outputs={frozen.outputs[0].name: "probabilities"},
    )
    assert_unchanged(before, globals_of("keras", "tf2onnx"))
    assert handlers() == registered
    assert tf2onnx.convert is before["tf2onnx", "convert"]


def test_a_failed_trace_leaves_nothing_patched():
    from keras.src.backend.tensorflow import nn, numpy

    class Broken(layers.Layer):
        def call(self, x):
            if nn.tf is not tf:
                raise RuntimeError("traced under the patch")
            return x

    with pytest.raises(RuntimeError, match="traced under the patch"):
        saved_model.constants_of(saved_model.trace(network_of(Broken()), IMAGES.shape[1:]))
    assert nn.tf is tf
    assert numpy.tf is tf
