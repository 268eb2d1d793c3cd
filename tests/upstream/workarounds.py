"""Each workaround for a fault of another library, with two questions asked of it.

``fault`` runs the plain library on a network of one or two layers and says whether it is still
wrong. ``check`` runs kerastl's own route on the same network and raises where its answers are not
right, whether or not the library has been mended. The suite asks the second question alone, so that
no test fails because a library got better.
"""

from __future__ import annotations

import contextlib
import importlib.util
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from keras import layers

from kerastl.bundles import bundle
from kerastl.errors import BundleError
from kerastl.formats import (
    any_size,
    graph_passes,
    litert_conversion,
    onnx_conversion,
    onnx_passes,
    saved_model_conversion,
    tracing,
)
from kerastl.inputs import Image, Spec
from kerastl.outputs import Classes

# Negative values: at the edge of a pooling window the largest is then the zero of the pad.
IMAGES = np.random.default_rng(0).normal(-3.0, 1.0, (3, 8, 8, 4)).astype(np.float32)
PHOTOS = IMAGES[..., :3]


@dataclass(frozen=True)
class Workaround:
    """A fault of a library and the code of kerastl that avoids it.

    Args:
        name: the function of kerastl.
        reference: where upstream was told.
        packages: the distributions whose versions decide.
        fault: whether the plain library still gets it wrong; may write into the folder.
        check: raises where kerastl's own route is wrong.
    """

    name: str
    reference: str
    packages: tuple[str, ...]
    fault: Callable[[Path], bool]
    check: Callable[[Path], None]


def network_of(*stack):
    inputs = keras.Input(IMAGES.shape[1:], name="image")
    outputs = inputs
    for layer in stack:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


def plain_onnx(network, signature=None):
    """What tf2onnx makes of a network, by the function that it offers for Keras."""
    import tf2onnx

    if signature is None:
        shape = (None, *network.inputs[0].shape[1:])
        signature = [tf.TensorSpec(shape, tf.float32, name="image")]
    return tf2onnx.convert.from_keras(network, signature, opset=onnx_conversion.OPSET)[0]


def run_onnx(model, feeds=None, disabled=()):
    """Answers of an ONNX model: a proto or the path of a file."""
    session = onnxruntime.InferenceSession(
        model.SerializeToString() if isinstance(model, onnx.ModelProto) else str(model),
        providers=["CPUExecutionProvider"],
        disabled_optimizers=list(disabled),
    )
    return session.run(None, feeds or {"image": IMAGES})[0]


def traced_of(network, shape=IMAGES.shape[1:]):
    """A network of images, any number of channels, as every format starts from it."""
    return tracing.trace(network, Image(shape[:2]), (Spec("image", "float32", shape),))


def frozen_of(network, shape=IMAGES.shape[1:]):
    return tracing.constants_of(traced_of(network, shape))


def route_onnx(network, folder):
    """The file that kerastl's own route writes for a network of one image."""
    frozen, path = frozen_of(network), folder / "route.onnx"
    names = {frozen.inputs[0].name: "image"}, {frozen.outputs[0].name: "answer"}
    onnx_conversion.write(frozen, path, {}, inputs=names[0], outputs=names[1])
    return path


def assert_close(answer, wanted):
    np.testing.assert_allclose(answer, wanted, atol=1e-5)


def wanted_of(network, images=IMAGES):
    return network.predict(images, verbose=0)


def held(model):
    return {node.op_type for node in model.graph.node}


# tf2onnx only logs an operator that it cannot translate, and writes an invalid file.


def _gelu():
    return network_of(layers.Activation("gelu"))


def _erfc_fault(folder):
    return "Erfc" in held(plain_onnx(_gelu()))


def _erfc_check(folder):
    network = _gelu()
    assert_close(run_onnx(route_onnx(network, folder)), wanted_of(network))


def _grouped():
    keras.utils.set_random_seed(0)
    return network_of(layers.Conv2D(4, 3, groups=2))


def _grouped_fault(folder):
    return "StatefulPartitionedCall" in held(plain_onnx(_grouped()))


def _grouped_check(folder):
    network = _grouped()
    assert_close(run_onnx(route_onnx(network, folder)), wanted_of(network))


@keras.saving.register_keras_serializable("kerastl-tests")
class Spectrum(layers.Layer):
    """A Fourier transform, which tf2onnx has no operator for."""

    def call(self, x):
        return keras.ops.fft((x, x))[0]


def _foreign_fault(folder):
    try:
        plain_onnx(network_of(Spectrum()))
    except Exception:
        return False
    return True


def _foreign_check(folder):
    # Made by hand, so that it holds whatever tf2onnx comes to translate.
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Erfc", ["x"], ["y"])],
        "foreign",
        [value("x", onnx.TensorProto.FLOAT, [1])],
        [value("y", onnx.TensorProto.FLOAT, [1])],
    )
    opset = onnx.helper.make_opsetid("", onnx_conversion.OPSET)
    model = onnx.helper.make_model(graph, opset_imports=[opset])
    with pytest.raises(RuntimeError, match="no operator for .*Erfc"):
        onnx_passes.refuse_foreign_operators(model)


def pooled():
    stack = layers.Conv2D(4, 1), layers.ZeroPadding2D(1), layers.MaxPooling2D(3, strides=2)
    network = network_of(*stack)
    network.layers[1].set_weights([np.eye(4)[None, None], np.zeros(4)])
    return network


def _pads_fault(folder):
    network = pooled()
    return bool(np.abs(run_onnx(plain_onnx(network)) - wanted_of(network)).max() > 0.1)


def _pads_check(folder):
    network = pooled()
    path = route_onnx(network, folder)
    # Of runtimes that fold pads into the pooling and of those that do not.
    for disabled in ((), ("Pad_Fusion",)):
        assert_close(run_onnx(path, disabled=disabled), wanted_of(network))


class Heads(layers.Layer):
    """What attention does to its queries, with one head."""

    def call(self, x):
        n, length = keras.ops.shape(x)[:2]
        return keras.ops.transpose(keras.ops.reshape(x, (n, length, 1, 6)), (0, 2, 1, 3))


def _heads():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, 6), name="tokens")
    network = keras.Model(inputs, Heads()(layers.Dense(6)(inputs)))
    return network, np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)


def _reshape_fault(folder):
    network, tokens = _heads()
    signature = [tf.TensorSpec((None, None, 6), tf.float32, name="tokens")]
    try:
        answer = run_onnx(plain_onnx(network, signature), {"tokens": tokens})
    except Exception:
        return True
    # The dense layer works on (n x length, 6), whose size is taken for that of the batch.
    return answer.shape != (4, 1, 5, 6)


def _reshape_check(folder):
    from tensorflow.python.framework import convert_to_constants

    network, tokens = _heads()
    signature = [tf.TensorSpec((None, None, 6), tf.float32, name="tokens")]
    frozen = convert_to_constants.convert_variables_to_constants_v2(
        tf.function(lambda tokens: network(tokens), signature).get_concrete_function()
    )
    names = {frozen.inputs[0].name: "tokens"}, {frozen.outputs[0].name: "heads"}
    onnx_conversion.write(frozen, folder / "m.onnx", {}, inputs=names[0], outputs=names[1])
    assert_close(run_onnx(folder / "m.onnx", {"tokens": tokens}), wanted_of(network, tokens))


class Antialiased(layers.Layer):
    """TensorFlow's own antialiased resizing."""

    def call(self, x):
        return tf.image.resize(x, (5, 5), antialias=True)


class Resized(layers.Layer):
    """kerastl's."""

    def call(self, x):
        return any_size.resize(x, 5, 5)


def _litert(network, folder):
    """The file of kerastl's route, by way of a SavedModel, or RuntimeError."""
    path = saved(network, folder)
    data = litert_conversion.converted(path, None)
    litert_conversion.refuse_custom_operators(data)
    return data


def saved(network, folder):
    """The SavedModel that kerastl's own route writes."""
    shape = tuple(network.inputs[0].shape[1:])
    conversion = SimpleNamespace(
        outputs={"probabilities": Classes(("a", "b"))},
        specs=(Spec("image", "float32", shape),),
    )
    path = folder / "saved_model"
    saved_model_conversion.write(conversion, traced_of(network, shape), path, None)
    return path


def _run_litert(data, images):
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(model_content=data).get_signature_runner("serving_default")
    return run(image=images)["probabilities"]


def _resize_fault(folder):
    network, path = network_of(Antialiased()), folder / "m.tflite"
    with contextlib.suppress(Exception):
        network.export(str(path), format="litert", verbose=False)
    return "ScaleAndTranslate" in held(plain_onnx(network)) or not path.exists()


def _resize_check(folder):
    inputs = keras.Input((8, 8, 3), name="image")
    network = keras.Model(inputs, Resized()(inputs))
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.float32)
    wanted = wanted_of(network, images)
    exact = tf.image.resize(images, (5, 5), antialias=True).numpy()
    # Two passes, each rounded to whole levels.
    assert np.abs(wanted - exact).max() <= 1.0
    frozen, path = frozen_of(network, (8, 8, 3)), folder / "m.onnx"
    names = {frozen.inputs[0].name: "image"}, {frozen.outputs[0].name: "answer"}
    onnx_conversion.write(frozen, path, {}, inputs=names[0], outputs=names[1])
    # A value that lies near the edge between two levels may fall to either side of it.
    for answer in (
        run_onnx(path, {"image": images}),
        _run_litert(_litert(network, folder), images),
    ):
        assert np.abs(answer - wanted).max() <= 1.0
        assert (answer == wanted).mean() > 0.95


class Rolled(layers.Layer):
    """Moves rows and columns round, as Swin's windows do."""

    def call(self, x):
        return keras.ops.roll(x, (-1, 2), axis=(1, 2))


def _flex_fault(folder):
    path = folder / "m.tflite"
    try:
        network_of(Rolled()).export(str(path), format="litert", verbose=False)
    except Exception:
        return False
    return any(
        name.startswith("Flex") for name in litert_conversion.custom_operators(path.read_bytes())
    )


def _roll_fault(folder):
    converter = tf.lite.TFLiteConverter.from_keras_model(network_of(Rolled()))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        converter.convert()
    except Exception:
        return True
    return False


def _roll_check(folder):
    # The file holds no operator but LiteRT's own, and moves what it should.
    inputs = keras.Input(PHOTOS.shape[1:], name="image")
    network = keras.Model(inputs, Rolled()(inputs))
    assert_close(_run_litert(_litert(network, folder), PHOTOS), wanted_of(network, PHOTOS))


class Masked(layers.Layer):
    """An update of a slice, as Keras traces it for XLA."""

    def call(self, x):
        mask = keras.ops.slice_update(keras.ops.zeros((8, 8)), (2, 2), keras.ops.ones((3, 3)))
        return x * mask[None, :, :, None]


def _openvino(graph, folder):
    import openvino

    path = folder / "graph.pb"
    path.write_bytes(graph.SerializeToString())
    return openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def _slices_fault(folder):
    try:
        _openvino(frozen_of(network_of(Masked())).graph.as_graph_def(), folder)
    except RuntimeError:
        return True
    return False


def _slices_check(folder):
    network = network_of(Masked())
    graph = frozen_of(network).graph.as_graph_def()
    graph_passes.fold_slice_updates(graph)
    assert_close(_openvino(graph, folder)(IMAGES)[0], wanted_of(network))


def _swish():
    inputs = keras.Input(PHOTOS.shape[1:], name="image")
    outputs = layers.GlobalAveragePooling2D()(layers.Activation("swish")(inputs))
    return keras.Model(inputs, outputs)


def _gradients_fault(folder):
    frozen = frozen_of(_swish(), PHOTOS.shape[1:])
    module = tf.Module()
    module.function = tf.function(
        lambda image: frozen(image)[0],
        input_signature=[tf.TensorSpec((None, *PHOTOS.shape[1:]), tf.float32, name="image")],
    )
    try:
        tf.saved_model.save(module, str(folder / "with_gradients"))
    except Exception:
        return True
    return False


def _gradients_check(folder):
    network = _swish()
    loaded = tf.saved_model.load(str(saved(network, folder)))
    answer = loaded.signatures["serving_default"](image=tf.constant(PHOTOS))
    assert_close(answer["probabilities"].numpy(), wanted_of(network, PHOTOS))


class Touch:
    """Unpickles into a file on disk."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


_WRITE_PT2 = """
import sys, torch
torch.export.save(torch.export.export(torch.nn.ReLU(), (torch.zeros(2),)), sys.argv[1])
"""


def _with_code(folder):
    """A file of torch.export that leaves the file "mark" behind if its pickle is run."""
    if importlib.util.find_spec("torch") is None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    plain, path = folder / "plain.pt2", folder / "model.pt2"
    subprocess.run([sys.executable, "-c", _WRITE_PT2, plain], check=True, capture_output=True)
    with zipfile.ZipFile(plain) as archive, zipfile.ZipFile(path, "w", 0) as changed:
        for name in archive.namelist():
            foreign = name.endswith("sample_inputs/model.pt")
            content = pickle.dumps(Touch(folder / "mark")) if foreign else archive.read(name)
            changed.writestr(name, content)
    return path


def _code_fault(folder):
    path = _with_code(folder)
    script = "import sys, torch; torch.export.load(sys.argv[1])"
    subprocess.run([sys.executable, "-c", script, path], check=False, capture_output=True)
    return (folder / "mark").exists()


def _code_check(folder):
    path = _with_code(folder)
    with pytest.raises(BundleError, match="trusted"):
        bundle.refuse_code(folder, [{"format": "torch", "path": path.name}], trusted=False)
    assert not (folder / "mark").exists()


TF2ONNX = ("tf2onnx", "tensorflow", "keras")
LITERT = ("tensorflow", "keras", "ai-edge-litert")

WORKAROUNDS = (
    Workaround(
        "graph_passes.replace_erfc", "onnx/tensorflow-onnx#2463", TF2ONNX, _erfc_fault, _erfc_check
    ),
    Workaround(
        "tracing.convertible",
        "onnx/tensorflow-onnx#2099, keras-team/keras#18180",
        TF2ONNX,
        _grouped_fault,
        _grouped_check,
    ),
    Workaround(
        "onnx_passes.refuse_foreign_operators",
        "onnx/tensorflow-onnx#2271",
        TF2ONNX,
        _foreign_fault,
        _foreign_check,
    ),
    Workaround(
        "onnx_passes.guard_pads",
        "microsoft/onnxruntime#24737",
        ("onnxruntime",),
        _pads_fault,
        _pads_check,
    ),
    Workaround(
        "onnx_conversion._converted",
        "onnx/tensorflow-onnx#2085",
        TF2ONNX,
        _reshape_fault,
        _reshape_check,
    ),
    Workaround(
        "any_size.resize",
        "onnx/tensorflow-onnx#2241",
        (*TF2ONNX, "ai-edge-litert"),
        _resize_fault,
        _resize_check,
    ),
    Workaround(
        "supported_ops in litert_conversion.converted",
        "keras-team/keras#22188",
        LITERT,
        _flex_fault,
        _roll_check,
    ),
    Workaround(
        "tracing._PlainFunctions.roll",
        "tensorflow/tensorflow#51459",
        LITERT,
        _roll_fault,
        _roll_check,
    ),
    Workaround(
        "graph_passes.fold_slice_updates", "unreported", ("openvino",), _slices_fault, _slices_check
    ),
    Workaround(
        "experimental_custom_gradients=False in saved_model_conversion.write",
        "unreported",
        ("tensorflow",),
        _gradients_fault,
        _gradients_check,
    ),
    Workaround(
        "bundle.refuse_code", "pytorch/pytorch#176791", ("torch",), _code_fault, _code_check
    ),
)
