"""The SavedModel route, and the frozen graph that every route starts from.

Runs in the export worker, under TensorFlow.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from kerastl.exporting import any_size, serving
from kerastl.exporting.resizing import vertical_pass_may_lead


class _PlainFunctions:
    """TensorFlow, but for ``tf.function(jit_compile=True)``, which leaves functions plain."""

    def __getattr__(self, name: str) -> Any:
        return getattr(tf, name)

    @staticmethod
    def function(*args: Any, **options: Any) -> Any:
        if options.get("jit_compile"):
            return lambda function: function
        return tf.function(*args, **options)


@contextlib.contextmanager
def without_xla() -> Iterator[None]:
    """Keeps Keras from wrapping grouped convolutions in an XLA function while tracing.

    tf2onnx has no operator for such a function, and in inference TensorFlow's own kernels carry
    out grouped convolutions on any device:
    https://github.com/onnx/tensorflow-onnx/issues/2099 and
    https://github.com/keras-team/keras/issues/18180, both open.
    """
    from keras.src.backend.tensorflow import nn

    kept = nn.tf
    nn.tf = _PlainFunctions()
    try:
        yield
    finally:
        nn.tf = kept


def freeze(network: Any, shape: tuple[int, int, int], *, resizing: bool = False) -> Any:
    """Traces a network for inference and turns its variables into constants.

    Args:
        network: a Keras model with one image input and one output.
        shape: ``(height, width, 3)``.
        resizing: take images of any size, and resize them in the graph.

    Returns:
        A concrete function from ``"image"`` float32 ``(batch, height, width, 3)`` to a list
        with one float32 tensor ``(batch, classes)``.
    """
    dtype = network.inputs[0].dtype

    def forward(image: Any) -> Any:
        if resizing:
            image = any_size.resize(image, shape[0], shape[1])
        outputs = network(tf.cast(image, dtype), training=False)
        outputs = tf.nest.flatten(outputs)[0]
        return tf.identity(tf.cast(outputs, tf.float32), name="probabilities")

    with without_xla():
        taken = input_shape(shape, resizing)
        traced = _function(forward, "image", tf.float32, taken).get_concrete_function()
    return constants_of(traced)


def constants_of(traced: Any) -> Any:
    """A concrete function whose variables have become constants."""
    from tensorflow.python.framework import convert_to_constants

    return convert_to_constants.convert_variables_to_constants_v2(
        traced, lower_control_flow=False, aggressive_inlining=True
    )


def input_shape(shape: tuple[int, int, int], resizing: bool) -> tuple[int | None, ...]:
    """The shape of one image that an artifact takes."""
    return (None, None, 3) if resizing else shape


def _function(function: Any, name: str, dtype: Any, shape: tuple[int | None, ...]) -> Any:
    """A TensorFlow function of one named argument with a batch of any size."""
    return tf.function(function, input_signature=[tf.TensorSpec((None, *shape), dtype, name=name)])


def write(
    frozen: Any,
    path: Path,
    shape: tuple[int, int, int],
    class_names: list[str],
    *,
    resizing: bool = False,
) -> dict[str, Any]:
    """Writes a SavedModel with ``serving_default`` and ``serve_bytes``.

    Returns:
        Its ``fingerprint``, the checksum that TensorFlow writes beside the graph.
    """
    height, width, _ = shape
    names = tf.constant(class_names)
    vertical_may_lead = vertical_pass_may_lead()

    def infer(image: Any) -> Any:
        return tf.nest.flatten(frozen(image))[0]

    def serving_default(image: Any) -> dict[str, Any]:
        return {"probabilities": infer(image)}

    def read(data: Any) -> Any:
        return serving.resize(serving.decode(data), height, width, vertical_may_lead)

    def serve_bytes(image_bytes: Any) -> dict[str, Any]:
        pixels = tf.map_fn(read, image_bytes, fn_output_signature=tf.TensorSpec(shape, tf.uint8))
        outputs = infer(tf.cast(pixels, tf.float32))
        labels = tf.gather(names, tf.argmax(outputs, axis=-1))
        return {"probabilities": outputs, "label": labels}

    module = tf.Module()
    taken = input_shape(shape, resizing)
    module.serving_default = _function(serving_default, "image", tf.float32, taken)
    module.serve_bytes = _function(serve_bytes, "image_bytes", tf.string, ())
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder) / "labels.txt"
        labels.write_text("".join(f"{name}\n" for name in class_names), encoding="utf-8")
        module.labels = tf.saved_model.Asset(str(labels))
        tf.saved_model.save(
            module,
            str(path),
            signatures={
                "serving_default": module.serving_default,
                "serve_bytes": module.serve_bytes,
            },
            # A frozen graph is not trained: swish's own gradient would capture what is gone. No
            # issue about it was found upstream.
            options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
        )
    fingerprint = tf.saved_model.experimental.read_fingerprint(str(path))
    return {"fingerprint": f"{fingerprint.saved_model_checksum:016x}"}
