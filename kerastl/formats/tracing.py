"""The traced network that every format starts from.

Runs in the export worker, under TensorFlow.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from kerastl.inputs import Input, Spec


class _PlainFunctions:
    """TensorFlow without what converters cannot take.

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


def trace(network: Any, input: Input, specs: Sequence[Spec]) -> Any:
    """Traces a network, which has to live as long as the function, for inference.

    Returns a concrete function of the tensors, in order and under their names, to a list with one
    float32 tensor ``(batch, width)`` for each output.
    """

    def forward(*tensors: Any) -> Any:
        given = input.in_graph(network, tensors)
        found = tf.nest.flatten(network(given, training=False))
        return [tf.identity(tf.cast(values, tf.float32)) for values in found]

    with convertible():
        return tf.function(forward, input_signature=signature_of(specs)).get_concrete_function()


def signature_of(specs: Sequence[Spec]) -> list[Any]:
    """The specs as TensorFlow writes them, with a batch of any size."""
    return [tf.TensorSpec((None, *spec.shape), spec.dtype, name=spec.name) for spec in specs]


def constants_of(traced: Any) -> Any:
    """A concrete function whose variables have become constants."""
    from tensorflow.python.framework import convert_to_constants

    return convert_to_constants.convert_variables_to_constants_v2(
        traced, lower_control_flow=False, aggressive_inlining=True
    )
