"""The SavedModel route, and the traced network that every route starts from.

Runs in the export worker, under TensorFlow.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from kerastl.bundles import any_size, serving
from kerastl.inputs.image_probes import vertical_pass_may_lead


class _PlainFunctions:
    """TensorFlow, but for what converters cannot take.

    ``tf.function(jit_compile=True)`` leaves functions plain, and ``tf.roll`` is made of slices.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(tf, name)

    @staticmethod
    def function(*args: Any, **options: Any) -> Any:
        if options.get("jit_compile"):
            return lambda function: function
        return tf.function(*args, **options)

    @staticmethod
    def roll(values: Any, shift: Any, axis: Any) -> Any:
        """Moves the end of each axis to its beginning, in slices; as it is where it has no size."""
        rolled = tf.convert_to_tensor(values)
        for step, place in zip(tf.nest.flatten(shift), tf.nest.flatten(axis), strict=True):
            size = rolled.shape[place]
            if size is None:
                rolled = tf.roll(rolled, step, place)
            elif step % size:
                begin, end = tf.split(rolled, [size - step % size, step % size], axis=place)
                rolled = tf.concat([end, begin], axis=place)
        return rolled


@contextlib.contextmanager
def convertible() -> Iterator[None]:
    """Keeps Keras from using what converters cannot take while a network is traced.

    Grouped convolutions come wrapped in an XLA function, for which tf2onnx has no operator, and
    in inference TensorFlow's own kernels carry them out on any device:
    https://github.com/onnx/tensorflow-onnx/issues/2099 and
    https://github.com/keras-team/keras/issues/18180, both open. LiteRT has no Roll:
    https://github.com/tensorflow/tensorflow/issues/51459, open.
    """
    from keras.src.backend.tensorflow import nn, numpy

    kept = nn.tf, numpy.tf
    nn.tf = numpy.tf = _PlainFunctions()
    try:
        yield
    finally:
        nn.tf, numpy.tf = kept


def trace(network: Any, shape: tuple[int, int, int], *, resizing: bool = False) -> Any:
    """Traces a network for inference.

    Args:
        network: a Keras model with one image input and one output; it has to live as long as the
            function.
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

    with convertible():
        taken = input_shape(shape, resizing)
        return _function(forward, "image", tf.float32, taken).get_concrete_function()


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
    traced: Any,
    path: Path,
    shape: tuple[int, int, int],
    class_names: list[str],
    *,
    resizing: bool = False,
) -> dict[str, Any]:
    """Writes a SavedModel with ``serving_default`` and ``serve_bytes``.

    Weights stay variables: as constants of a graph they are held many times over, by TensorFlow
    and above all by the converter of LiteRT, which reads this.

    Args:
        traced: of :func:`trace`.
        path: the folder to write.
        shape: ``(height, width, 3)``.
        class_names: become the asset labels.txt.
        resizing: as the network was traced.

    Returns:
        Its ``fingerprint``, the checksum that TensorFlow writes beside the graph.
    """
    height, width, _ = shape
    names = tf.constant(class_names)
    vertical_may_lead = vertical_pass_may_lead()

    def infer(image: Any) -> Any:
        return tf.nest.flatten(traced(image))[0]

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
    module.weights = list(traced.variables)
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
            # What is served is not trained.
            options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
        )
    fingerprint = tf.saved_model.experimental.read_fingerprint(str(path))
    return {"fingerprint": f"{fingerprint.saved_model_checksum:016x}"}
